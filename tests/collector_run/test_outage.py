"""A backend that is away loses nothing that fits the queue, and what does not fit is counted."""

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
from slo.errors import ToolError
from slo.stack.otlp_client import LogLine, OtlpClient, Span
from slo.stack.processes import LOOPBACK, Process, free_ports
from slo.stack.prometheus import (
    PrometheusClient,
    ScrapeTarget,
    prometheus_config,
    run_prometheus,
)
from tests.collector_run.backends import running_backend
from tests.collector_run.running import (
    Backend,
    Collector,
    Tiers,
    backend,
    eventually,
    needs_collector,
    running,
    settles,
    tiers,
)

pytestmark = needs_collector

CHECKOUT = """\
version: slo/v1
service: checkout
telemetry: {}
slos:
  - name: availability
    objective: 99
    indicator: {span_availability: {selector: {service_name: checkout}}}
"""
PLATFORM = """\
version: slo/v1
kind: Telemetry
sampling: {baseline: 100}
gateway: {queue_size: QUEUE}
destinations:
  - {name: metrics, kind: METRICS}
  - {name: logs, kind: loki, url: "http://loki:3100"}
  - {name: traces, kind: jaeger, url: "http://jaeger:4317"}
"""
OTLP = 'otlp, url: "http://metrics:4318", signals: [metrics]'
REMOTE_WRITE = 'prometheus, url: "http://metrics:9090", protocol: remote_write'
ROUNDS, BATCH = 25, 20
AWAY_SECONDS = 6


def made_of(
    folder: Path,
    other: Backend,
    *,
    queue: int = 10_000,
    metrics: str = OTLP,
    metrics_url: str | None = None,
) -> Tiers:
    platform = PLATFORM.replace("QUEUE", str(queue)).replace("METRICS", metrics)
    endpoints = {
        "metrics": metrics_url or other.url,
        "logs": other.loki,
        "traces": f"http://{other.grpc}",
    }
    return tiers(folder, [platform, CHECKOUT], endpoints)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Backend]:
    """Return a backend, and stop it when the test is over."""
    made = backend(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def send(url: str, first: int) -> None:
    """Send some log lines and spans, numbered so that each can be looked for."""
    numbers = range(first, first + BATCH)
    with closing(OtlpClient(url, "checkout")) as client:
        client.send_logs(LogLine(f"line-{number:05}-") for number in numbers)
        client.send_spans(Span(attributes={"number": f"{number:05}"}) for number in numbers)


def lines(other: Backend) -> list[str]:
    return sorted(record["body"]["stringValue"] for record in other.lines())


def spans(other: Backend) -> list[str]:
    return sorted(span["attributes"]["number"] for span in other.spans())


def everything() -> tuple[list[str], list[str]]:
    numbers = range(ROUNDS * BATCH)
    return [f"line-{n:05}-" for n in numbers], [f"{n:05}" for n in numbers]


def arrives(other: Backend) -> None:
    """Wait until all that was sent is there, each once."""
    wanted = everything()
    settles(lambda: (lines(other), spans(other)), wanted, 60)
    found = lines(other), spans(other)
    for expected, seen in zip(wanted, found, strict=True):
        assert [] == sorted(set(expected) - set(seen)), "lost"
        assert expected == seen, "each once"


def waiting(collector: Collector) -> float:
    return collector.counted("otelcol_exporter_queue_size")


class TestBackendAway:
    def test_nothing_is_lost(self, tmp_path: Path, other: Backend) -> None:
        """What comes while the backend is away comes when it is back."""
        with running(made_of(tmp_path, other)) as made:
            for number in range(ROUNDS):
                if number == 5:
                    other.start()
                if number == 10:
                    other.stop()
                send(made.agent.url, number * BATCH)
                time.sleep(0.1)
            assert eventually(lambda: waiting(made.gateway) > 0)

            other.start()

            arrives(other)
            assert 0 == settles(lambda: waiting(made.gateway), 0)
            assert 0 == made.gateway.counted("otelcol_exporter_send_failed_spans_total")

    @pytest.mark.parametrize("end", ["kill", "stop"])
    def test_gateway_ends_meanwhile(self, tmp_path: Path, other: Backend, end: str) -> None:
        """The queue of a gateway that dies is on disk; the agent keeps what comes then."""
        with running(made_of(tmp_path, other)) as made:
            for number in range(ROUNDS):
                if number == 10:
                    taken = 10 * BATCH
                    assert taken == settles(
                        lambda: made.gateway.counted("otelcol_receiver_accepted_log_records_total"),
                        taken,
                    )
                    assert taken == settles(
                        lambda: made.gateway.counted("otelcol_receiver_accepted_spans_total"),
                        taken,
                    )
                    getattr(made.gateway, end)()
                if number == 15:
                    made.gateway.start()
                send(made.agent.url, number * BATCH)

            other.start()

            arrives(other)

    def test_agent_dies_while_the_gateway_is_away(self, tmp_path: Path, other: Backend) -> None:
        with running(made_of(tmp_path, other)) as made:
            other.start()
            made.gateway.stop()
            for number in range(ROUNDS):
                send(made.agent.url, number * BATCH)
            made.agent.kill()
            made.gateway.start()

            made.agent.start()

            arrives(other)


def test_what_does_not_fit_is_counted_and_alerted(tmp_path: Path, other: Backend) -> None:
    """A full queue refuses, says so where alerts look, and keeps what it took."""
    with running(made_of(tmp_path, other, queue=5)) as made:
        config = prometheus_config(
            rule_files=[_collector_rules(tmp_path)],
            targets=[ScrapeTarget("collector-gateway", f"{LOOPBACK}:{made.gateway.metrics}")],
        )
        with run_prometheus(tmp_path / "prometheus", config) as prometheus:
            assert eventually(lambda: prometheus.value("up"))
            taken = []
            with closing(OtlpClient(made.gateway.url, "checkout", deadline_seconds=1)) as client:
                for number in range(12):
                    try:
                        client.send_logs([LogLine(f"line-{number:05}-")])
                    except ToolError:
                        continue
                    taken.append(f"line-{number:05}-")

            failed = "otelcol_exporter_enqueue_failed_log_records_total"
            assert 0 < len(taken) < 12
            assert 5 == made.gateway.counted("otelcol_exporter_queue_capacity", "otlp_http/logs")
            assert made.gateway.counted(failed) >= 12 - len(taken)
            assert eventually(
                lambda: (
                    {"CollectorQueueFull", "CollectorQueueFilling"}
                    <= {alert.name for alert in prometheus.alerts()}
                )
            ), prometheus.alerts()

            other.start()

            assert taken == settles(lambda: lines(other), taken)


def test_refusing_backend_is_alerted(tmp_path: Path) -> None:
    """What a backend refuses for good is lost, counted and alerted."""
    with running_backend() as refusing:
        refusing.away = 400
        platform = PLATFORM.replace("QUEUE", "100").replace("METRICS", OTLP)
        endpoints = dict.fromkeys(("metrics", "logs"), refusing.url)
        endpoints["traces"] = refusing.url.removeprefix("http://")
        with running(tiers(tmp_path, [platform, CHECKOUT], endpoints)) as made:
            config = prometheus_config(
                rule_files=[_collector_rules(tmp_path)],
                targets=[ScrapeTarget("collector-gateway", f"{LOOPBACK}:{made.gateway.metrics}")],
            )
            with run_prometheus(tmp_path / "prometheus", config) as prometheus:
                assert eventually(lambda: prometheus.value("up"))
                send(made.agent.url, 0)

                assert eventually(
                    lambda: "CollectorExportRefused" in {a.name for a in prometheus.alerts()}
                ), prometheus.alerts()
                lost = "otelcol_exporter_send_failed_log_records_total"
                assert BATCH == made.gateway.counted(lost)


def test_counters_go_on_by_remote_write(tmp_path: Path, other: Backend) -> None:
    """After Prometheus was away, counters stand where they would have stood."""
    counted = 'sum(traces_span_metrics_calls_total{service_name="checkout"})'
    port = free_ports(1)[0]
    other.start()

    def prometheus() -> Process:
        config = tmp_path / "prometheus.yml"
        config.write_text(prometheus_config())
        return Process(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'prometheus'}",
                f"--web.listen-address={LOOPBACK}:{port}",
                "--web.enable-remote-write-receiver",
            ],
            log=tmp_path / "prometheus.log",
            ready_url=f"http://{LOOPBACK}:{port}/-/ready",
        )

    url = f"http://{LOOPBACK}:{port}"
    specs = made_of(tmp_path, other, metrics=REMOTE_WRITE, metrics_url=url)
    with running(specs) as made, closing(PrometheusClient(url)) as client:
        with prometheus():
            send(made.agent.url, 0)
            assert BATCH == settles(lambda: client.value(counted), BATCH)
        began = time.time()
        while time.time() < began + AWAY_SECONDS:
            send(made.agent.url, 0)
            time.sleep(1)
        ended = time.time()
        with prometheus():
            sent = made.gateway.counted("otelcol_receiver_accepted_spans_total")
            assert sent == settles(lambda: client.value(counted), sent)
            # What was counted meanwhile has come too, with its own times.
            series = client.query_range(counted, began + 2, ended - 1, seconds(1))
            assert len({value for one in series for _, value in one.values}) > 2
        assert 0 == made.gateway.counted("otelcol_exporter_send_failed_metric_points_total")


def _collector_rules(folder: Path) -> Path:
    """Write the compiled rules that watch collectors, without their delays."""
    specs = folder / "specs.yaml"
    platform = PLATFORM.replace("QUEUE", "100").replace("METRICS", OTLP)
    specs.write_text("---\n".join([platform, CHECKOUT]))
    (text,) = (
        artifact.text
        for artifact in compile_specs([str(specs)], CompileOptions()).artifacts
        if artifact.path == "rules/slo-collector-health.yaml"
    )
    path = folder / "collector-health.yaml"
    path.write_text(re.sub(r"(\s)(for|interval): \w+", r"\1\2: 1s", text))
    return path
