"""Check that the collectors of a stack do what the specs say, at the stack's own addresses."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from slo.errors import CompileFailed
from slo.stack.components.model import Component, StackPlan
from slo.stack.components.plan import stack_plan
from slo.stack.settings import StackSettings
from tests.stack.components.places import FlatPlaces
from tests.stack.components.stacks import EVERYTHING_PUBLIC, SPEC, VARIANTS, compiled, plan

PLATFORM = """\
---
version: slo/v1
kind: Telemetry
destinations:
  - {name: metrics, kind: prometheus, url: "http://prometheus:9090"}
  - {name: logs, kind: loki, url: "http://loki:3100"}
  - {name: traces, kind: jaeger, url: "http://jaeger:4317"}
  - {name: vendor, kind: otlp, url: "https://otlp.example.com", token: "env:VENDOR_TOKEN"}
"""
LOGS = """\
telemetry:
  logs:
    files: [{paths: ["/var/log/checkout/*.log"], format: json}]
---
version: slo/v1
kind: Owners
"""


def of(spec: str, settings: StackSettings | None = None, **more: Any) -> StackPlan:
    chosen = settings or StackSettings()
    return stack_plan(chosen, compiled(spec), FlatPlaces(chosen), **more)


def config(component: Component) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(component.configs[0].text)
    return found


def endpoints(component: Component) -> dict[str, str]:
    return {
        name: exporter.get("http", exporter).get("endpoint", "")
        for name, exporter in config(component)["exporters"].items()
    }


class TestGateway:
    def test_sends_to_the_stacks_own_backends_by_default(self) -> None:
        assert {
            "otlp_grpc/traces": "jaeger:24317",
            "otlp_http/logs": "http://loki:3100/otlp",
            "prometheus_remote_write/metrics": "http://prometheus:9090/api/v1/write",
        } == endpoints(plan().component("collector-gateway"))

    def test_finds_them_where_the_stack_has_them(self) -> None:
        """Specs call them by their usual names; ports, TLS and even the server may differ."""
        settings = StackSettings(port_offset=1000)
        found = endpoints(of(SPEC + PLATFORM, settings).component("collector-gateway"))

        assert "jaeger:25317" == found["otlp_grpc/traces"]
        assert "http://loki:4100/otlp" == found["otlp_http/logs"]
        found = endpoints(of(SPEC + PLATFORM, VARIANTS["scaled"]).component("collector-gateway"))
        url = "http://vminsert:8480/insert/0/prometheus/api/v1/write"
        assert url == found["prometheus_remote_write/metrics"]

    def test_leaves_other_destinations_as_they_are(self) -> None:
        gateway = of(SPEC + PLATFORM).component("collector-gateway")

        assert "https://otlp.example.com" == endpoints(gateway)["otlp_http/vendor"]

    def test_reads_their_secrets_from_files(self) -> None:
        gateway = of(SPEC + PLATFORM).component("collector-gateway")
        extension = config(gateway)["extensions"]["bearertokenauth/vendor"]

        assert "/stack/collector-gateway/secrets/VENDOR_TOKEN" == extension["filename"]
        assert ["VENDOR_TOKEN"] == [secret.name for secret in gateway.secrets]

    def test_leaves_out_backends_that_the_stack_does_not_have(self) -> None:
        gateway = of(SPEC + PLATFORM, without=("jaeger", "loki")).component("collector-gateway")

        assert {"otlp_http/vendor", "prometheus_remote_write/metrics"} == set(endpoints(gateway))

    def test_has_a_configuration_without_any_backend_for_a_signal(self) -> None:
        gateway = plan(without=("jaeger", "loki")).component("collector-gateway")

        assert ["metrics"] == [
            name.partition("/")[0] for name in config(gateway)["service"]["pipelines"]
        ][:1]

    def test_logs_in_where_prometheus_asks_who_calls(self) -> None:
        gateway = plan(EVERYTHING_PUBLIC).component("collector-gateway")
        found = config(gateway)
        exporter = found["exporters"]["prometheus_remote_write/metrics"]["http"]

        assert "https://prometheus:9090/api/v1/write" == exporter["endpoint"]
        assert "/stack/collector-gateway/secrets/ca.crt" == exporter["tls"]["ca_file"]
        login = found["extensions"][exporter["auth"]["authenticator"]]["client_auth"]
        assert "/stack/collector-gateway/secrets/prometheus-password" == login["password_file"]

    def test_refuses_data_before_its_container_is_killed(self) -> None:
        settings = StackSettings(resources={"collector-gateway": (1.0, 2000)})
        gateway = plan(settings).component("collector-gateway")

        assert 1600 == config(gateway)["processors"]["memory_limiter"]["limit_mib"]
        assert "1600MiB" == gateway.environment["GOMEMLIMIT"]


class TestAgent:
    def test_keeps_the_spans_of_a_trace_together(self) -> None:
        settings = StackSettings(replicas={"collector-gateway": 2})
        exporters = config(plan(settings).component("collector-agent"))["exporters"]
        balancing = next(e for name, e in exporters.items() if name.startswith("load_balancing"))
        targets = ["collector-gateway-0:14317", "collector-gateway-1:14317"]

        assert targets == balancing["resolver"]["static"]["hostnames"]

    def test_sees_the_folders_of_log_files(self) -> None:
        spec = SPEC.replace("---\nversion: slo/v1\nkind: Owners\n", LOGS)

        assert ("/var/log/checkout",) == of(spec).component("collector-agent").host_folders


def test_mistakes_in_telemetry_are_pointed_at() -> None:
    """Only with a collector in the stack does it matter that one histogram has one unit."""
    latency = "indicator: {span_latency: {threshold: 300ms, unit: %s}}"
    spec = SPEC.replace(
        "indicator: {http_availability: {selector: {job: checkout}}}",
        latency % "seconds"
        + "\n  - name: latency\n    objective: 99\n    "
        + latency % "milliseconds",
    )
    with pytest.raises(CompileFailed) as failure:
        of(spec)

    assert ["SLO709"] == [found.code for found in failure.value.diagnostics if found.is_error]


def test_routes_do_not_lead_to_parts_that_are_not_there() -> None:
    platform = PLATFORM + "routes: [{owner: payments, destinations: [traces, vendor]}]\n"
    gateway = of(SPEC + platform, without=("jaeger",)).component("collector-gateway")

    assert "otlp_grpc/traces" not in gateway.configs[0].text
    assert "otlp_http/vendor" in gateway.configs[0].text
