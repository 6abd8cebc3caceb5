"""Spans arrive in a real Jaeger, and its API gives them back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from slo.stack.otlp_client import OtlpClient, Span, new_trace_id
from slo.stack.processes import LOOPBACK, Process, free_ports
from slo.stack.targets.local_programs import find
from tests.collector_run.running import eventually, needs_collector, running, settles, tiers

PROGRAM = find("jaeger")
pytestmark = [
    *needs_collector,
    pytest.mark.skipif(PROGRAM is None, reason="needs Jaeger 2: scripts/build-jaeger"),
]

SPECS = """\
version: slo/v1
service: checkout
slos: [{name: quality, objective: 95, indicator: {span_latency: {threshold: 300ms}}}]
---
version: slo/v1
kind: Telemetry
sampling: {baseline: 0}
destinations:
  - {name: jaeger, kind: jaeger, url: "http://localhost:1"}
  - {name: metrics, kind: debug, signals: [metrics]}
"""


def test_kept_traces_are_whole(tmp_path: Path) -> None:
    grpc, query, query_grpc, health = free_ports(4)
    file = tmp_path / "jaeger.yaml"
    file.write_text(yaml.safe_dump(in_memory(grpc, query, query_grpc, health)))
    assert PROGRAM is not None
    jaeger = Process(
        [PROGRAM.argv[0], "--config", str(file)],
        log=tmp_path / "jaeger.log",
        ready_url=f"http://{LOOPBACK}:{health}/status",
        name="jaeger",
        startup_seconds=60,
    )
    made = tiers(tmp_path, SPECS.split("---\n"), {"jaeger": f"http://{LOOPBACK}:{grpc}"})
    slow, failed, fine = new_trace_id(), new_trace_id(), new_trace_id()
    with jaeger, running(made), closing(OtlpClient(made.agent.url, "checkout")) as client:
        client.send_spans(
            [
                Span("GET /slow", slow, seconds=0.5, attributes={"http.route": "/slow"}),
                Span("GET /failed", failed),
                Span("GET /fine", fine),
            ]
        )
        client.send_spans([Span("call", failed, failed=True, kind="client")])

        def stored(trace: str) -> list[dict[str, Any]]:
            answer = httpx.get(
                f"http://{LOOPBACK}:{query}/api/traces/{trace}", trust_env=False
            ).json()
            return [span for one in answer["data"] or () for span in one["spans"]]

        assert 2 == settles(lambda: len(stored(failed)), 2)
        (span,) = eventually(lambda: stored(slow))
        assert [] == stored(fine)

    tags = {tag["key"]: tag["value"] for tag in span["tags"]}
    assert ("GET /slow", 500_000, "/slow") == (
        span["operationName"],
        span["duration"],
        tags["http.route"],
    )


def in_memory(grpc: int, query: int, query_grpc: int, health: int) -> dict[str, Any]:
    """Return a configuration of Jaeger that forgets everything at its end."""
    return {
        "extensions": {
            "healthcheckv2": {
                "use_v2": True,
                "http": {
                    "endpoint": f"{LOOPBACK}:{health}",
                    "status": {"enabled": True, "path": "/status"},
                },
            },
            "jaeger_storage": {"backends": {"traces": {"memory": {"max_traces": 1000}}}},
            "jaeger_query": {
                "storage": {"traces": "traces"},
                "http": {"endpoint": f"{LOOPBACK}:{query}"},
                "grpc": {"endpoint": f"{LOOPBACK}:{query_grpc}"},
            },
        },
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"{LOOPBACK}:{grpc}"}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "traces"}},
        "service": {
            "extensions": ["healthcheckv2", "jaeger_storage", "jaeger_query"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}
            },
        },
    }
