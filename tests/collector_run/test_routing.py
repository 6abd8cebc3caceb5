"""What a team's services send goes to the team's destinations, and nothing is lost or doubled."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from slo.stack.otlp_client import LogLine, OtlpClient, Span
from tests.collector_run.backends import Backend as Recorder
from tests.collector_run.backends import running_backend
from tests.collector_run.running import Tiers, needs_collector, running, settles, tiers

pytestmark = needs_collector

SPECS = """\
version: slo/v1
service: checkout
owner: payments
telemetry: {names: [checkout, checkout-worker]}
slos: [{name: quality, objective: 99, indicator: {span_availability: {}}}]
---
version: slo/v1
service: find
owner: search
slos: [{name: quality, objective: 99, indicator: {span_availability: {}}}]
---
version: slo/v1
kind: Telemetry
sampling: {baseline: 100}
destinations:
  - {name: everybody, kind: otlp, url: "http://localhost:1"}
  - {name: payments, kind: otlp, url: "http://localhost:1", default: false}
routes:
  - {owner: payments, destinations: [payments]}
"""
SERVICES = {"checkout": 3, "checkout-worker": 4, "find": 5, "unknown": 6}


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Recorder]]:
    """Send from each service as many spans, lines and counters as `SERVICES` says."""
    folder = tmp_path_factory.mktemp("routing")
    with running_backend() as everybody, running_backend() as payments:
        found = {"everybody": everybody, "payments": payments}
        urls = {name: one.url for name, one in found.items()}
        with running(tiers(folder, SPECS.split("---\n"), urls)) as made:
            send(made)
            settles(lambda: passed(made, "spans"), 2 * sum(SERVICES.values()))
            yield found


def send(made: Tiers) -> None:
    """Send everything, all services at the same time."""
    clients = {name: OtlpClient(made.agent.url, name) for name in SERVICES}
    for name, count in SERVICES.items():
        with closing(clients[name]) as client:
            client.send_spans(Span() for _ in range(count))
            client.send_logs(LogLine("line") for _ in range(count))
            client.send_counter("orders", count, since=time.time() - 60)


def passed(made: Tiers, what: str) -> float:
    return made.agent.counted(f"otelcol_exporter_sent_{what}_total") + made.gateway.counted(
        f"otelcol_exporter_sent_{what}_total"
    )


def by_service(items: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    return dict(Counter(str(item["service"]) for item in items))


OURS = {"checkout": 3, "checkout-worker": 4}
OTHERS = {"find": 5, "unknown": 6}


@pytest.mark.parametrize("read", [Recorder.spans, Recorder.records], ids=["traces", "logs"])
def test_once_and_in_one_place(
    backends: Mapping[str, Recorder], read: Callable[[Recorder], list[dict[str, Any]]]
) -> None:
    assert OURS == settles(lambda: by_service(read(backends["payments"])), OURS)
    assert OTHERS == settles(lambda: by_service(read(backends["everybody"])), OTHERS)


def test_metrics_also_go_where_objectives_are_measured(backends: Mapping[str, Recorder]) -> None:
    assert set(OURS) == settles(lambda: senders(backends["payments"]), set(OURS))
    assert set(SERVICES) == settles(lambda: senders(backends["everybody"]), set(SERVICES))


def senders(recorder: Recorder) -> set[str]:
    """Return the services whose own counter came."""
    return {
        attribute["value"]["stringValue"]
        for request in list(recorder.received)
        if request.path == "/v1/metrics"
        for resource in request.otlp()["resourceMetrics"]
        if any(m["name"] == "orders" for s in resource["scopeMetrics"] for m in s["metrics"])
        for attribute in resource["resource"]["attributes"]
        if attribute["key"] == "service.name"
    }


def test_spans_are_counted_whoever_gets_them(backends: Mapping[str, Recorder]) -> None:
    """Metrics made of spans belong to the objectives, and go to the default only."""

    def counted() -> dict[str, float]:
        newest = {}
        for request in list(backends["everybody"].received):
            if request.path == "/v1/metrics":
                newest |= calls(request.otlp())
        return newest

    assert SERVICES == settles(counted, SERVICES)
    assert [] == [r for r in backends["payments"].received if b"span.metrics" in r.body]


def calls(request: Mapping[str, Any]) -> dict[str, float]:
    """Return how many spans of each service are counted in one request."""
    return {
        attribute["value"]["stringValue"]: float(point["asInt"])
        for resource in request["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
        if metric["name"] == "traces.span.metrics.calls"
        for point in metric["sum"]["dataPoints"]
        for attribute in point["attributes"]
        if attribute["key"] == "service.name"
    }


def test_one_may_be_away(tmp_path: Path) -> None:
    """A destination that takes nothing keeps nobody else from getting theirs."""
    with running_backend() as everybody, running_backend() as payments:
        payments.away = 503
        urls = {"everybody": everybody.url, "payments": payments.url}
        with running(tiers(tmp_path, SPECS.split("---\n"), urls)) as made:
            send(made)
            settles(lambda: payments.refused > 0, wanted=True)

            assert OTHERS == settles(lambda: by_service(everybody.spans()), OTHERS)
            assert [] == payments.spans()

            payments.away = 0

            assert OURS == settles(lambda: by_service(payments.spans()), OURS)
