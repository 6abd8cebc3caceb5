"""Agents spread traces over gateways, and all spans of a trace meet in one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from slo.stack.otlp_client import OtlpClient, Span, new_trace_id
from slo.stack.prometheus import run_prometheus
from tests.collector_run.running import Backend, Tiers, backend, needs_collector, settles, tiers

pytestmark = needs_collector

SPECS = """\
version: slo/v1
service: checkout
slos: [{name: quality, objective: 99, indicator: {span_availability: {}}}]
---
version: slo/v1
kind: Telemetry
sampling: {baseline: 0}
gateway: {replicas: 2, resolver: {static: ["localhost:1", "localhost:2"]}}
destinations:
  - {name: prometheus, kind: prometheus, url: "http://localhost:1", protocol: remote_write}
  - {name: jaeger, kind: jaeger, url: "http://localhost:1"}
"""
TRACES, PARTS = 100, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("balancing")


@pytest.fixture(scope="module")
def sent(folder: Path) -> Iterator[tuple[Tiers, Backend, Any]]:
    """
    Send traces in parts, in several requests and in turns; the last part of each one fails.

    Where not all parts meet, a gateway drops those that it believes to be of a good trace.
    """
    with (
        backend(folder) as jaeger,
        run_prometheus(
            folder / "prometheus", "{}", arguments=["--web.enable-remote-write-receiver"]
        ) as prometheus,
    ):
        urls = {"jaeger": f"http://{jaeger.grpc}", "prometheus": prometheus.url}
        made = tiers(folder, SPECS.split("---\n"), urls, gateways=2)
        collectors = (*made.gateways, made.agent)
        try:
            for collector in collectors:
                collector.start()
            traces = [new_trace_id() for _ in range(TRACES)]
            with closing(OtlpClient(made.agent.url, "checkout")) as client:
                for part in range(PARTS):
                    failed = part == PARTS - 1
                    client.send_spans(Span(trace_id=one, failed=failed) for one in traces)
            yield made, jaeger, prometheus
        finally:
            for collector in reversed(collectors):
                collector.stop()


def test_traces_are_whole(sent: tuple[Tiers, Backend, Any]) -> None:
    made, jaeger, _ = sent
    everything = TRACES * PARTS

    assert everything == settles(lambda: len(jaeger.spans()), everything)
    # Both had part of the work, and each had whole traces.
    taken = [g.counted("otelcol_receiver_accepted_spans_total") for g in made.gateways]
    assert everything == sum(taken)
    assert all(count >= PARTS and count % PARTS == 0 for count in taken), taken
    parts = defaultdict(int)
    for span in jaeger.spans():
        parts[span["traceId"]] += 1
    assert {PARTS} == set(parts.values())


def test_gateways_count_beside_each_other(sent: tuple[Tiers, Backend, Any]) -> None:
    """Each has series of its own, and their sum is what was sent."""
    _, _, prometheus = sent
    calls = 'traces_span_metrics_calls_total{service_name="checkout"}'

    assert TRACES * PARTS == settles(lambda: prometheus.value(f"sum({calls})"), TRACES * PARTS)
    assert 2 == prometheus.value(f"count(count by (collector_instance_id) ({calls}))")
