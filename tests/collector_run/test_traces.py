"""What happens to traces between programs and backends: sampled, balanced, made harmless."""

from __future__ import annotations

import time
from collections import defaultdict
from pathlib import Path

import pytest

from slo.stack.prometheus import prometheus_config, run_prometheus
from tests.collector_run.backends import running_backend
from tests.collector_run.running import Pair, compiled, until
from tests.collector_run.sending import (
    CLIENT,
    new_trace,
    record,
    send_logs,
    send_spans,
    send_sum,
    span,
)

PLATFORM = """\
version: slo/v1
kind: Telemetry
destinations:
  - {name: prometheus, kind: prometheus, url: "http://prometheus:9090", protocol: remote_write}
  - {name: jaeger, kind: jaeger, url: "http://jaeger:4318", protocol: http}
  - {name: loki, kind: loki, url: "http://loki:3100"}
sampling: {baseline: BASELINE, decision_wait: 2s}
"""
CHECKOUT = """\
version: slo/v1
service: checkout
slos:
  - name: latency
    objective: 95
    indicator: {span_latency: {threshold: 300ms, selector: {service_name: checkout}}}
"""
SECRETS = (
    "hunter2-hunter2",
    "4111 1111 1111 1111",
    "5500005555555559",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "jane.doe@example.com",
    "c2VjcmV0OnNlY3JldA==",
    "s3cr3t-in-url",
)


def test_failed_and_slow_traces_stay_and_all_are_counted(tmp_path: Path) -> None:
    made = compiled(tmp_path, PLATFORM.replace("BASELINE", "0"), CHECKOUT)
    with (
        run_prometheus(
            tmp_path / "prometheus",
            prometheus_config(),
            arguments=["--web.enable-remote-write-receiver"],
        ) as prometheus,
        running_backend() as jaeger,
        running_backend() as loki,
        Pair(
            tmp_path,
            made.specs,
            {"prometheus": prometheus.url, "jaeger": jaeger.url, "loki": loki.url},
        ) as pair,
    ):
        failed = {new_trace() for _ in range(10)}
        slow = {new_trace() for _ in range(10)}
        fine = [new_trace() for _ in range(80)]
        edge = new_trace()
        elsewhere = new_trace()
        url = pair.agent.url
        send_spans(url, "checkout", [span(t, milliseconds=301) for t in slow])
        send_spans(url, "checkout", [span(t, milliseconds=300) for t in (edge,)])
        send_spans(url, "checkout", [span(t) for t in (*failed, *fine)])
        # The failure is in another service, and comes in another request.
        send_spans(url, "stock", [span(t, kind=CLIENT, error=True) for t in failed])
        # Not slow for a service that has no such objective, nor for a call to another.
        send_spans(url, "stock", [span(elsewhere, milliseconds=5000)])
        send_spans(url, "checkout", [span(fine[0], kind=CLIENT, milliseconds=5000)])

        until(lambda: len(jaeger.spans()) >= 30, "30 spans are kept")
        time.sleep(3)

        kept = defaultdict(list)
        for one in jaeger.spans():
            kept[one["service"]].append(one)
        assert 20 == len(kept["checkout"]), "each trace once"
        assert 10 == len(kept["stock"])
        assert 20 == len({one["traceId"] for one in kept["checkout"]})
        counted = 'sum(traces_span_metrics_calls_total{service_name="checkout"})'
        until(lambda: prometheus.value(counted) == 102, "all 102 spans are counted")


def test_a_baseline_is_about_its_share(tmp_path: Path) -> None:
    made = compiled(tmp_path, PLATFORM.replace("BASELINE", "25"), CHECKOUT)
    with running_backend() as sink:
        endpoints = dict.fromkeys(("prometheus", "jaeger", "loki"), sink.url)
        with Pair(tmp_path, made.specs, endpoints) as pair:
            send_spans(pair.agent.url, "checkout", [span() for _ in range(2000)])
            until(lambda: sink.spans(), "some are kept")
            time.sleep(4)

            # Sixteen standard deviations to either side.
            assert 200 < len(sink.spans()) < 800


def test_the_spans_of_a_trace_meet_in_one_gateway(tmp_path: Path) -> None:
    several = "gateway: {replicas: 2, resolver: {static: ['a:4317', 'b:4317']}}\n"
    made = compiled(tmp_path, PLATFORM.replace("BASELINE", "100") + several, CHECKOUT)
    with running_backend() as sink:
        endpoints = dict.fromkeys(("prometheus", "jaeger", "loki"), sink.url)
        traces = [new_trace() for _ in range(60)]
        with Pair(tmp_path, made.specs, endpoints, gateways=2) as pair:
            # Each span of a trace in a request of its own.
            for _ in range(3):
                send_spans(pair.agent.url, "checkout", [span(trace) for trace in traces])

            def taken() -> list[float]:
                return [g.own("otelcol_receiver_accepted_spans") for g in pair.gateways]

            until(lambda: sum(taken()) == 180, "all spans are in a gateway")
            assert all(n % 3 == 0 for n in taken()), "three spans of each trace"
            assert all(n > 0 for n in taken()), "both gateways have work"


@pytest.fixture
def clear_spec(tmp_path: Path) -> str:
    return f"""\
version: slo/v1
service: checkout
telemetry:
  logs: {{files: [{{paths: ["{tmp_path}/lines/*.log"]}}]}}
slos:
  - name: latency
    objective: 95
    indicator: {{span_latency: {{threshold: 300ms, selector: {{service_name: checkout}}}}}}
"""


def test_no_secret_leaves(tmp_path: Path, clear_spec: str) -> None:
    (tmp_path / "lines").mkdir()
    password, card, other_card, jwt, aws, github, mail, basic, in_url = SECRETS
    attributes = {
        "http.request.header.authorization": f"Basic {basic}",
        "db.password": password,
        "note": f"paid with {card} and {other_card}",
        "url.full": f"https://user:{in_url}@example.com/x",
        "session": jwt,
        "cloud": aws,
        "ci": f"pushed with {github} today",
        "contact": mail,
        "http.route": "/pay/{id}",
    }
    body = f"login password={password} card {card} mail {mail} token: Bearer {jwt} {aws}"
    made = compiled(tmp_path, PLATFORM.replace("BASELINE", "100"), clear_spec)
    with running_backend() as sink:
        endpoints = dict.fromkeys(("prometheus", "jaeger", "loki"), sink.url)
        with Pair(tmp_path, made.specs, endpoints) as pair:
            url = pair.agent.url
            send_spans(
                url,
                "checkout",
                [span(attributes=attributes, events=[attributes])],
                **{"process.command_args": f"--password={password}"},
            )
            send_logs(url, "checkout", [record(body, attributes=attributes)])
            send_sum(url, "checkout", "payments", 1, attributes)
            line = tmp_path / "lines" / "app.log"
            line.write_text("")
            until(lambda: str(line) in pair.agent.log(), "the agent has found the file")
            line.write_text(f"from a file: {body}\n")

            until(lambda: sink.spans(), "the span")
            until(lambda: len(sink.records()) == 2, "both log records")
            until(lambda: "payments" in sink.text(), "the metric")

            assert {"/pay/{id}"} == {one["attributes"]["http.route"] for one in sink.spans()}
            assert [] == [secret for secret in SECRETS if secret in sink.text()]
            bodies = [r["body"]["stringValue"] for r in sink.records()]
            assert all("login" in text and "****" in text for text in bodies), bodies
