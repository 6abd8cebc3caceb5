"""Traces that matter are kept, whole, and all spans are counted all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from slo.stack.otlp_client import OtlpClient, Span, new_trace_id
from tests.collector_run.running import (
    Backend,
    Tiers,
    backend,
    needs_collector,
    running,
    settles,
    tiers,
)

pytestmark = needs_collector

PLATFORM = """\
version: slo/v1
kind: Telemetry
destinations:
  - {name: metrics, kind: otlp, url: "http://metrics:4318", signals: [metrics]}
  - {name: traces, kind: tempo, url: "http://tempo:4317"}
sampling: {baseline: BASELINE}
"""
CHECKOUT = """\
version: slo/v1
service: checkout
slos:
  - name: latency
    objective: 95
    indicator: {span_latency: {threshold: 300ms, selector: {service_name: checkout}}}
"""
# Longer than the sampler waits in these tests.
DECIDED_SECONDS = 4.0


@contextmanager
def installation(folder: Path, baseline: int) -> Iterator[tuple[Tiers, Backend]]:
    specs = [PLATFORM.replace("BASELINE", str(baseline)), CHECKOUT]
    with backend(folder) as other:
        endpoints = {"metrics": other.url, "traces": f"http://{other.grpc}"}
        with running(tiers(folder, specs, endpoints)) as made:
            yield made, other


def send(made: Tiers, service: str, *spans: Span) -> None:
    with closing(OtlpClient(made.agent.url, service)) as client:
        client.send_spans(spans)


def kept(other: Backend, service: str) -> list[str]:
    """Return the trace of each span of *service* that the backend has."""
    return sorted(s["traceId"] for s in other.spans() if s["resource"]["service.name"] == service)


def calls(other: Backend, service: str) -> float:
    """Return how many spans of *service* were counted, by the last values of the counters."""
    last: dict[str, float] = {}
    for metric in other.points():
        if metric["name"] != "traces.span.metrics.calls":
            continue
        if metric["resource"]["service.name"] == service:
            for point in metric["sum"]["dataPoints"]:
                last[str(point["attributes"])] = float(point["asInt"])
    return sum(last.values())


def test_failed_and_slow_traces_stay_whole_and_all_are_counted(tmp_path: Path) -> None:
    failed, slow, fine = ([new_trace_id() for _ in range(20)] for _ in range(3))
    with installation(tmp_path, baseline=0) as (made, other):
        send(made, "checkout", *(Span(trace_id=t, seconds=0.31) for t in slow))
        send(made, "checkout", *(Span(trace_id=t) for t in (*failed, *fine)))
        # What fails is another service, whose spans come in another request.
        send(made, "stock", *(Span(trace_id=t, failed=True) for t in failed))
        # Slow, but exactly as slow as is allowed, no request, or of a service without objective.
        send(made, "checkout", Span(trace_id=fine[0], seconds=0.3))
        send(made, "checkout", Span(trace_id=fine[1], seconds=5, kind="client"))
        send(made, "stock", Span(trace_id=fine[2], seconds=5))

        wanted = sorted([*failed, *slow])
        assert wanted == settles(lambda: kept(other, "checkout"), wanted)
        time.sleep(DECIDED_SECONDS)
        assert wanted == kept(other, "checkout")
        assert sorted(failed) == kept(other, "stock")
        assert 62 == settles(lambda: calls(other, "checkout"), 62)
        assert 21 == settles(lambda: calls(other, "stock"), 21)


def test_baseline_is_about_its_share(tmp_path: Path) -> None:
    with installation(tmp_path, baseline=25) as (made, other):
        send(made, "checkout", *(Span() for _ in range(2000)))
        settles(lambda: bool(other.spans()), True)
        time.sleep(DECIDED_SECONDS)

        # Fifteen standard deviations to either side of 500.
        assert 200 < len(other.spans()) < 800
        assert 2000 == settles(lambda: calls(other, "checkout"), 2000)


def test_late_span_follows_the_decision_of_its_trace(tmp_path: Path) -> None:
    failed, fine = new_trace_id(), new_trace_id()
    with installation(tmp_path, baseline=0) as (made, other):
        send(made, "checkout", Span(trace_id=failed, failed=True), Span(trace_id=fine))
        assert [failed] == settles(lambda: kept(other, "checkout"), [failed])
        time.sleep(DECIDED_SECONDS)

        send(made, "stock", Span(trace_id=failed), Span(trace_id=fine))

        assert [failed] == settles(lambda: kept(other, "stock"), [failed])
        time.sleep(DECIDED_SECONDS)
        assert [failed] == kept(other, "stock")
