"""Several gateways count as one, and a gateway that starts again does not count twice."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from slo.duration import seconds
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.otlp_client import LogLine, OtlpClient, Span
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus
from tests.collector_run.running import (
    Tiers,
    eventually,
    needs_collector,
    running,
    settles,
    tiers,
)

pytestmark = needs_collector

SPECS = """\
version: slo/v1
service: checkout
slos:
  - name: availability
    objective: 99
    indicator: {span_availability: {selector: {service_name: checkout}}}
  - name: records
    objective: 99
    indicator: {log_events: {selector: {service_name: checkout}}}
---
version: slo/v1
kind: Telemetry
gateway: {replicas: 2, resolver: {static: ["a:4317", "b:4317"]}}
destinations:
  - {name: metrics, kind: prometheus, url: "http://metrics:9090", protocol: remote_write}
"""
SPANS = 'traces_span_metrics_calls_total{service_name="checkout"}'
RECORDS = 'log_record_count_total{service_name="checkout"}'


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[tuple[Tiers, PrometheusClient]]:
    """Run an agent, two gateways, and a Prometheus with the compiled rules."""
    file = tmp_path / "specs.yaml"
    file.write_text(SPECS)
    made = compile_specs([str(file)], CompileOptions())
    assert [] == [d for d in made.diagnostics if d.is_error]
    for artifact in made.artifacts:
        if artifact.path == "rules/specs.yaml":
            # Only how often rules are evaluated is changed.
            text = re.sub(r"interval: \w+", "interval: 1s", artifact.text)
            (tmp_path / "rules.yaml").write_text(text)
    config = prometheus_config(rule_files=[tmp_path / "rules.yaml"], evaluation_interval=seconds(1))
    writable = ["--web.enable-remote-write-receiver"]
    with run_prometheus(tmp_path / "prometheus", config, arguments=writable) as prometheus:
        both = tiers(tmp_path, made.specs, {"metrics": prometheus.url}, gateways=2)
        with running(both):
            yield both, prometheus


def send(made: Tiers, times: int) -> None:
    """Send a tenth of failures, spread over the gateways: logs go to any, spans by trace."""
    for gateway in (made.agent, made.gateways[1]):
        with closing(OtlpClient(gateway.url, "checkout")) as client:
            for _ in range(times):
                client.send_logs(LogLine(f"{n}", "ERROR" if n == 0 else "INFO") for n in range(10))
    with closing(OtlpClient(made.agent.url, "checkout")) as client:
        for _ in range(times):
            client.send_spans(Span(failed=n < 4) for n in range(40))


def test_two_gateways_count_as_one(replicas: tuple[Tiers, PrometheusClient]) -> None:
    made, prometheus = replicas
    for times in (1, 5):
        send(made, times)
        total = times if times == 1 else 6
        assert 40 * total == settles(lambda: prometheus.value(f"sum({SPANS})"), 40 * total)
        assert 20 * total == settles(lambda: prometheus.value(f"sum({RECORDS})"), 20 * total)
        # Only the second batch is an increase, so each series has to be there before it comes.
        time.sleep(2)

    assert 2 == prometheus.value(f"count(count by (collector_instance_id) ({SPANS}))")
    assert 2 == prometheus.value(f"count(count by (collector_instance_id) ({RECORDS}))")
    for log in (gateway.log() for gateway in made.gateways):
        assert "out of order" not in log
        assert "uplicate" not in log
    recorded = 'slo:sli_error:ratio_rate5m{{sloth_slo="{}"}}'

    def ratio(name: str) -> float:
        return round(prometheus.value(recorded.format(name)) or 0.0, 6)

    # Spans are spread by chance, and with them the first values, which are no increase.
    assert 0.1 == settles(lambda: ratio("records"), 0.1)
    assert eventually(lambda: 0.05 < ratio("availability") < 0.15)


def test_gateway_that_starts_again_counts_on(replicas: tuple[Tiers, PrometheusClient]) -> None:
    """Its counters begin at nothing, which every rate knows how to read."""
    made, prometheus = replicas
    spans, records = f"sum({SPANS})", f"sum({RECORDS})"
    send(made, 4)
    assert 160 == settles(lambda: prometheus.value(spans), 160)
    assert 80 == settles(lambda: prometheus.value(records), 80)
    for gateway in made.gateways:
        gateway.kill()
        gateway.start()

    send(made, 1)

    assert 40 == settles(lambda: prometheus.value(spans), 40)
    assert 20 == settles(lambda: prometheus.value(records), 20)
    for series in (SPANS, RECORDS):
        assert 1 == prometheus.value(f"min(resets({series}[5m]))"), "the same series goes on"
