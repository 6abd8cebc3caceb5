"""Run one installation that several tests look at: agent, gateway, Prometheus and a backend."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from slo.duration import seconds
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus
from tests.collector_run.running import Backend, Tiers, backend, running, tiers

SPECS = """\
version: slo/v1
service: checkout
owner: payments
slos:
  - name: availability
    objective: 99
    indicator: {span_availability: {selector: {service_name: checkout}}}
  - name: latency
    objective: 95
    indicator: {span_latency: {threshold: 300ms, selector: {service_name: checkout}}}
  - name: log
    objective: 90
    indicator: {log_events: {selector: {service_name: checkout}}}
telemetry:
  attributes:
    drop: [http.request.header.x-debug]
    hash: [enduser.id]
  dimensions: [http.route]
---
version: slo/v1
service: billing
owner: finance
slos:
  - name: invoices
    objective: 99
    indicator: {log_events: {errors: invoice_failed_total, selector: {service_name: billing}}}
telemetry:
  logs:
    files:
      - paths: ["{folder}/billing/*.log"]
        format: json
        severity: level
        time: {field: time, layout: "%Y-%m-%dT%H:%M:%S.%LZ"}
    count:
      invoice.failed: severity_number >= SEVERITY_NUMBER_ERROR and attributes["event"] == "invoice"
  sampling: {baseline: 100}
---
version: slo/v1
kind: Telemetry
environment: production
destinations:
  - {name: prometheus, kind: prometheus, url: "http://localhost:9090", protocol: remote_write}
  - {name: loki, kind: loki, url: "http://localhost:3100"}
  - {name: jaeger, kind: jaeger, url: "http://localhost:4317"}
"""


@dataclass(frozen=True)
class Installation:
    """Hold what runs, and the folder with the log files that the agent reads."""

    tiers: Tiers
    prometheus: PrometheusClient
    backend: Backend
    logs: Path


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Run agent, gateway, a backend and a Prometheus with the compiled rules."""
    folder = tmp_path_factory.mktemp("installation")
    (folder / "billing").mkdir()
    file = folder / "specs.yaml"
    file.write_text(SPECS.replace("{folder}", str(folder)))
    compiled = compile_specs([file], CompileOptions())
    assert [] == [d for d in compiled.diagnostics if d.is_error]
    for artifact in compiled.artifacts:
        if artifact.path.startswith("rules/"):
            # Only how often rules are evaluated is changed.
            text = re.sub(r"interval: \w+", "interval: 1s", artifact.text)
            (folder / artifact.path.replace("/", "-")).write_text(text)
    config = prometheus_config(rule_files=[folder / "rules-*.yaml"], evaluation_interval=seconds(1))
    writable = ["--web.enable-remote-write-receiver"]
    with (
        run_prometheus(folder / "prometheus", config, arguments=writable) as prometheus,
        backend(folder) as other,
    ):
        endpoints = {
            "prometheus": prometheus.url,
            "loki": other.loki,
            "jaeger": f"http://{other.grpc}",
        }
        with running(tiers(folder, compiled.specs, endpoints)) as made:
            yield Installation(made, prometheus, other, folder / "billing")
