"""What programs should not have sent does not leave, in any place of any signal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx

from slo.stack.otlp_client import new_trace_id
from tests.collector_run.running import backend, eventually, needs_collector, running, tiers

pytestmark = needs_collector

SECRETS = {
    "password": "hunter2-hunter2",
    "visa": "4111 1111 1111 1111",
    "mastercard": "5500005555555559",
    "web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "mail": "jane.doe@example.com",
    "basic": "c2VjcmV0OnNlY3JldA==",
    "address": "s3cr3t-in-url",
    "cookie": "sid-0123456789",
}
ATTRIBUTES = {
    "http.request.header.authorization": f"Basic {SECRETS['basic']}",
    "http.request.header.cookie": SECRETS["cookie"],
    "db.password": SECRETS["password"],
    "note": f"paid with {SECRETS['visa']} and {SECRETS['mastercard']}",
    "url.full": f"https://user:{SECRETS['address']}@example.com/x",
    "session": SECRETS["web token"],
    "cloud": SECRETS["aws"],
    "ci": f"pushed with {SECRETS['github']} today",
    "contact": SECRETS["mail"],
    "http.route": "/pay/{id}",
    "order.id": "4111-22",
}
BODY = (
    f"login password={SECRETS['password']} card {SECRETS['visa']} mail {SECRETS['mail']} "
    f"token: Bearer {SECRETS['web token']} key {SECRETS['aws']}"
)
SPECS = """\
version: slo/v1
service: checkout
telemetry:
  logs: {files: [{paths: ["{folder}/lines/*.log"]}]}
slos:
  - name: latency
    objective: 95
    indicator: {span_latency: {threshold: 300ms, selector: {service_name: checkout}}}
---
version: slo/v1
kind: Telemetry
sampling: {baseline: 100}
destinations:
  - {name: all, kind: otlp, url: "http://all:4318"}
"""


def listed(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def sent(signal: str, scope: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return a request with secrets wherever attributes can be."""
    described = {"service.name": "checkout", "process.command_args": BODY}
    return {
        f"resource{signal}": [
            {
                "resource": {"attributes": listed(described)},
                f"scope{signal}": [{"scope": {"name": "tests"}, scope: [item]}],
            }
        ]
    }


def span() -> dict[str, Any]:
    now = str(time.time_ns())
    return {
        "traceId": new_trace_id(),
        "spanId": new_trace_id()[:16],
        "name": "request",
        "kind": 2,
        "startTimeUnixNano": now,
        "endTimeUnixNano": now,
        "attributes": listed(ATTRIBUTES),
        "events": [{"name": "e", "timeUnixNano": now, "attributes": listed(ATTRIBUTES)}],
        "status": {},
    }


def line() -> dict[str, Any]:
    now = str(time.time_ns())
    body = {"stringValue": BODY}
    return {
        "timeUnixNano": now,
        "severityNumber": 9,
        "body": body,
        "attributes": listed(ATTRIBUTES),
    }


def structured() -> dict[str, Any]:
    """Return a log record whose body is a mapping, as programs with structured logs send."""
    values = [{"key": "user", "value": {"kvlistValue": {"values": listed(ATTRIBUTES)}}}]
    return {**line(), "body": {"kvlistValue": {"values": values}}}


def counter() -> dict[str, Any]:
    point = {"timeUnixNano": str(time.time_ns()), "asInt": "1", "attributes": listed(ATTRIBUTES)}
    total = {"dataPoints": [point], "isMonotonic": True, "aggregationTemporality": 2}
    return {"name": "payments", "sum": total}


def test_no_secret_leaves(tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.mkdir()
    with backend(tmp_path) as other:
        made = tiers(
            tmp_path,
            SPECS.replace("{folder}", str(tmp_path)).split("---\n"),
            {"all": other.url},
        )
        with running(made):
            for path, body in (
                ("traces", sent("Spans", "spans", span())),
                ("logs", sent("Logs", "logRecords", line())),
                ("logs", sent("Logs", "logRecords", structured())),
                ("metrics", sent("Metrics", "metrics", counter())),
            ):
                answer = httpx.post(f"{made.agent.url}/v1/{path}", json=body, trust_env=False)
                assert 200 == answer.status_code, answer.text

            def from_a_file() -> bool:
                # What was there before the agent first looked is not read.
                with (lines / "app.log").open("a") as file:
                    file.write(f"from a file: {BODY}\n")
                return "from a file" in other.text()

            assert eventually(from_a_file)
            assert eventually(other.spans)
            assert eventually(lambda: len(other.lines()) >= 3)
            assert eventually(lambda: "payments" in other.text())

            text = other.text()
            assert [] == [what for what, secret in SECRETS.items() if secret in text]
            (seen,) = other.spans()
            assert ("/pay/{id}", "4111-22") == (
                seen["attributes"]["http.route"],
                seen["attributes"]["order.id"],
            )
            plain = [r["body"]["stringValue"] for r in other.lines() if "stringValue" in r["body"]]
            assert any(body.startswith("from a file") for body in plain)
            assert all(body.count("****") >= 5 and "login" in body for body in plain), plain
