"""A program that only has a Prometheus endpoint is scraped, and its metrics go on as OTLP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from slo.stack.processes import LOOPBACK
from slo.stack.prometheus import run_prometheus
from tests.collector_run.backends import running_backend
from tests.collector_run.running import eventually, needs_collector, running, settles, tiers

pytestmark = needs_collector

SPECS = """\
version: slo/v1
service: billing
telemetry:
  scrape:
    - {job: billing, targets: ["TARGET"], path: /stats, interval: 1s}
slos:
  - name: quality
    objective: 99
    indicator:
      events:
        error: sum(rate(invoices_total{result="bad"}[{{.window}}]))
        total: sum(rate(invoices_total[{{.window}}]))
---
version: slo/v1
kind: Telemetry
destinations:
  - {name: metrics, KIND, url: "http://localhost:1"}
"""
EXPOSED = """\
# TYPE invoices_total counter
invoices_total{result="good"} 990
invoices_total{result="bad"} 10
# TYPE seconds histogram
seconds_bucket{le="0.1"} 4
seconds_bucket{le="+Inf"} 5
seconds_sum 1.5
seconds_count 5
# TYPE waiting gauge
waiting 3
"""


@contextmanager
def program() -> Iterator[str]:
    """Run a program with metrics, and yield its `host:port`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/stats"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(EXPOSED.encode() if found else b"")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def specs(target: str, kind: str) -> list[str]:
    return SPECS.replace("TARGET", target).replace("KIND", kind).split("---\n")


def test_prometheus_reads_what_it_would_have_scraped(tmp_path: Path) -> None:
    """Names, labels and values are those of the endpoint, so queries stay as they are."""
    writable = ["--web.enable-remote-write-receiver"]
    with (
        program() as target,
        run_prometheus(tmp_path / "prometheus", "{}", arguments=writable) as prometheus,
    ):
        made = tiers(
            tmp_path,
            specs(target, "kind: prometheus, protocol: remote_write"),
            {"metrics": prometheus.url},
        )
        with running(made):
            wanted = {
                'invoices_total{job="billing",result="good"}': 990,
                'invoices_total{job="billing",result="bad"}': 10,
                'seconds_bucket{job="billing",le="0.1"}': 4,
                'seconds_count{job="billing"}': 5,
                'waiting{job="billing"}': 3,
                'up{job="billing"}': 1,
            }

            def read() -> dict[str, float | None]:
                return {query: prometheus.value(query) for query in wanted}

            assert wanted == settles(read, wanted)
            (sample,) = prometheus.query("waiting")
            assert target == sample.labels["instance"]


def test_it_is_otlp_on_the_way(tmp_path: Path) -> None:
    with program() as target, running_backend() as recorder:
        made = tiers(tmp_path, specs(target, "kind: otlp"), {"metrics": recorder.url})
        with running(made):

            def seen() -> dict[str, Any]:
                return {
                    metric["name"]: (metric, resource["resource"]["attributes"])
                    for request in list(recorder.received)
                    for resource in request.otlp()["resourceMetrics"]
                    for scope in resource["scopeMetrics"]
                    for metric in scope["metrics"]
                }

            eventually(lambda: "invoices_total" in seen())
            metric, resource = seen()["invoices_total"]

    assert metric["sum"]["isMonotonic"]
    assert "AGGREGATION_TEMPORALITY_CUMULATIVE" == metric["sum"]["aggregationTemporality"]
    assert {"key": "service.name", "value": {"stringValue": "billing"}} in resource


def test_a_target_that_is_away_is_seen(tmp_path: Path) -> None:
    writable = ["--web.enable-remote-write-receiver"]
    with run_prometheus(tmp_path / "prometheus", "{}", arguments=writable) as prometheus:
        made = tiers(
            tmp_path,
            specs(f"{LOOPBACK}:1", "kind: prometheus, protocol: remote_write"),
            {"metrics": prometheus.url},
        )
        with running(made):
            assert 0 == settles(lambda: prometheus.value('up{job="billing"}'), 0)
