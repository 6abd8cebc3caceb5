"""What is sent as spans and log lines is what the compiled rules read in Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus
from tests.collector_run.running import Pair, compiled, until
from tests.collector_run.sending import CLIENT, record, send_logs, send_spans, span

PLATFORM = """\
version: slo/v1
kind: Telemetry
environment: tests
destinations:
  - {name: prometheus, kind: prometheus, url: "http://prometheus:9090", protocol: remote_write}
"""
CHECKOUT = """\
version: slo/v1
service: checkout
slos:
  - name: availability
    objective: 99
    indicator: {span_availability: {selector: {service_name: checkout}}}
  - name: latency
    objective: 95
    indicator: {span_latency: {threshold: 317ms, selector: {service_name: checkout}}}
telemetry:
  sampling: {baseline: 5}
"""
BILLING = """\
version: slo/v1
service: billing
slos:
  - name: records
    objective: 99
    indicator: {log_events: {selector: {service_name: billing}}}
  - name: invoices
    objective: 99
    indicator: {log_events: {errors: invoice_failed_total, selector: {service_name: billing}}}
telemetry:
  logs:
    files:
      - paths: [FILES]
        format: json
        severity: level
        time: {field: time, layout: "%Y-%m-%dT%H:%M:%S.%LZ"}
    count:
      invoice.failed: attributes["event"] == "invoice" and severity_number >= SEVERITY_NUMBER_ERROR
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("indicators")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[tuple[Pair, PrometheusClient]]:
    """Run agent, gateway and a Prometheus with the compiled rules."""
    files = folder / "lines"
    files.mkdir()
    made = compiled(folder, PLATFORM, CHECKOUT, BILLING.replace("FILES", f"{files}/*.log"))
    config = prometheus_config(rule_files=made.write_rules(folder))
    with (
        run_prometheus(
            folder / "prometheus", config, arguments=["--web.enable-remote-write-receiver"]
        ) as prometheus,
        Pair(folder, made.specs, {"prometheus": prometheus.url}) as pair,
    ):
        yield pair, prometheus


def settled(prometheus: PrometheusClient, expression: str, wanted: float) -> None:
    """Wait for a value, and make sure that it stays."""
    until(lambda: prometheus.value(expression) == wanted, f"{expression} == {wanted}", 20)
    time.sleep(1.5)
    assert wanted == prometheus.value(expression)


def recorded(prometheus: PrometheusClient, slo: str, wanted: float) -> None:
    """Wait until the rules have recorded the share of bad events."""
    series = f'slo:sli_error:ratio_rate5m{{sloth_slo="{slo}"}}'
    until(
        lambda: prometheus.value(series) == pytest.approx(wanted),
        f"{series} is {wanted}, not {prometheus.value(series)}",
    )


def calls(matchers: str = "") -> str:
    chosen = f'service_name="checkout", span_kind="SPAN_KIND_SERVER"{matchers}'
    return f"sum(traces_span_metrics_calls_total{{{chosen}}})"


def test_spans_are_the_sli(running: tuple[Pair, PrometheusClient]) -> None:
    pair, prometheus = running

    def traffic() -> None:
        # Ten fail; of the others, nine are slow, and one is as slow as is allowed.
        slow = [span(milliseconds=400) for _ in range(9)]
        edge = [span(milliseconds=317)]
        quick = [span(milliseconds=20) for _ in range(80)]
        failed = [span(milliseconds=900, error=True) for _ in range(10)]
        # Calls to others are no requests to this service.
        calls = [span(kind=CLIENT, milliseconds=5000, error=True) for _ in range(7)]
        send_spans(pair.agent.url, "checkout", [*slow, *edge, *quick, *failed, *calls])

    traffic()
    settled(prometheus, calls(), 100)
    traffic()
    settled(prometheus, calls(), 200)

    assert 20 == prometheus.value(calls(', status_code="STATUS_CODE_ERROR"'))
    bucket = (
        'sum(traces_span_metrics_duration_milliseconds_bucket{service_name="checkout",'
        'span_kind="SPAN_KIND_SERVER", status_code!="STATUS_CODE_ERROR", le="317"})'
    )
    assert 162 == prometheus.value(bucket)
    recorded(prometheus, "availability", 20 / 200)
    recorded(prometheus, "latency", 18 / 180)


def test_log_records_are_the_sli(running: tuple[Pair, PrometheusClient]) -> None:
    pair, prometheus = running
    every = 'sum(log_record_count_total{service_name="billing"})'

    def traffic() -> None:
        # In single requests: the collector counts each request for itself.
        for _ in range(5):
            send_logs(pair.agent.url, "billing", [record("done")] * 7)
            send_logs(
                pair.agent.url,
                "billing",
                [record("no", severity=17, attributes={"event": "invoice"})],
            )
            send_logs(pair.agent.url, "billing", [record("other trouble", severity=17)] * 2)

    traffic()
    settled(prometheus, every, 50)
    traffic()
    settled(prometheus, every, 100)

    assert 30 == prometheus.value('sum(log_record_error_count_total{service_name="billing"})')
    assert 10 == prometheus.value('sum(invoice_failed_total{service_name="billing"})')
    recorded(prometheus, "records", 0.3)
    recorded(prometheus, "invoices", 0.1)


def test_lines_of_files_are_counted(running: tuple[Pair, PrometheusClient], folder: Path) -> None:
    pair, prometheus = running
    every = 'sum(log_record_count_total{service_name="billing"})'
    failed = 'sum(invoice_failed_total{service_name="billing"})'
    before = prometheus.value(every) or 0, prometheus.value(failed) or 0
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    lines = [
        {"time": now, "level": "error" if n % 10 == 0 else "info", "event": "invoice"}
        for n in range(40)
    ]

    path = folder / "lines" / "billing.log"
    path.write_text("")
    until(lambda: str(path) in pair.agent.log(), "the agent has found the file")
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)

    settled(prometheus, every, before[0] + 40)
    settled(prometheus, failed, before[1] + 4)
