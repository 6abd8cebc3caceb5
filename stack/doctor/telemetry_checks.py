"""Send a span and a log line into the collector, and look for them at the other end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from slo.stack.doctor.finding import Finding, Unreachable, fail, ok, skipped
from slo.stack.doctor.patient import Patient

__all__ = ["logs", "samples", "spans"]

_SERVICE = "slostack-doctor"
_AGENT, _GATEWAY = "collector-agent", "collector-gateway"
_POLL_SECONDS = 1.0
_SPAN_METRICS = ("span_metrics", "spanmetrics")
_GAUGE = "slostack_doctor_mark"


def samples(patient: Patient) -> Iterator[Finding]:
    """Send a sample to the agent; find it where queries are answered."""
    closed = _closed(patient, "metrics")
    if closed is not None:
        yield closed
        return
    # A number that nobody has sent before, and that a float holds exactly.
    mark = secrets.randbelow(2**31)
    patient.call(_AGENT).post("/v1/metrics", _gauge(mark))
    query = f'{_GAUGE}{{job="{_SERVICE}"}} == {mark}'
    yield _seen(
        patient,
        lambda: bool(patient.call(patient.reader).query(query)),
        f"a sample went from the agent to {patient.reader}",
        f"see the log of {_GATEWAY}: can it write to {patient.reader}?",
    )


def spans(patient: Patient) -> Iterator[Finding]:
    """Send a span to the agent; find it counted, and at the end of its way."""
    closed = _closed(patient, "traces")
    if closed is not None:
        yield closed
        return
    trace = secrets.token_hex(16)
    counted = f'sum({{__name__=~".*calls.*", service_name="{_SERVICE}"}})'
    counted_before = patient.call(patient.reader).value(counted)
    before = _count(patient, "accepted_spans")
    patient.call(_AGENT).post("/v1/traces", _span(trace))
    yield from _passed(patient, "span", "accepted_spans", before)
    gateway = patient.component(_GATEWAY)
    text = "".join(file.text for file in gateway.configs) if gateway else ""
    if any(name in text for name in _SPAN_METRICS):
        yield _seen(
            patient,
            # A gateway that was restarted counts from nothing.
            lambda: patient.call(patient.reader).value(counted) not in (None, counted_before),
            "the span is counted in the span metrics",
            f"see the log of {_GATEWAY}: can it write to {patient.reader}?",
        )
    if patient.component("jaeger") is None:
        yield skipped(*patient.why_not("jaeger"), subject="jaeger")
    else:
        yield _seen(
            patient,
            lambda: bool(patient.call("jaeger").get(f"/api/traces/{trace}")["data"]),
            "the trace is in Jaeger",
            f"see the log of {_GATEWAY}: is the span sampled out, or Jaeger refused?",
        )


def logs(patient: Patient) -> Iterator[Finding]:
    """Send a log line to the agent; find it passed on, and in Loki."""
    closed = _closed(patient, "logs")
    if closed is not None:
        yield closed
        return
    mark = secrets.token_hex(8)
    before = _count(patient, "accepted_log_records")
    patient.call(_AGENT).post("/v1/logs", _line(mark))
    yield from _passed(patient, "log line", "accepted_log_records", before)
    if patient.component("loki") is None:
        yield skipped(*patient.why_not("loki"), subject="loki")
        return
    parameters = {"query": f'{{service_name="{_SERVICE}"}} |= "{mark}"', "limit": "1"}
    yield _seen(
        patient,
        lambda: bool(
            patient.call("loki").get("/loki/api/v1/query_range", parameters)["data"]["result"]
        ),
        "the line is in Loki",
        f"see the logs of {_GATEWAY} and Loki: is it refused?",
    )


def _closed(patient: Patient, signal: str) -> Finding | None:
    """Return why nothing of *signal* can be sent in, or `None` where it can."""
    agent = patient.component(_AGENT)
    if agent is None:
        return skipped(*patient.why_not(_AGENT))
    config = yaml.safe_load(agent.configs[0].text)
    pipelines = config["service"]["pipelines"]
    if any(name.partition("/")[0] == signal for name in pipelines):
        return None
    return skipped(
        f"the collector takes no {signal}: there is nowhere to send them",
        f"have a backend for {signal} run here, or name a destination in a `Telemetry` document",
    )


def _passed(patient: Patient, what: str, counter: str, before: float | None) -> Iterator[Finding]:
    """Say whether the gateway has taken in what the agent was sent."""
    if patient.component(_GATEWAY) is None:
        return

    def arrived() -> bool:
        now = _count(patient, counter)
        return now is not None and now > (before or 0.0)

    yield _seen(
        patient,
        arrived,
        f"a {what} went from agent to gateway",
        f"see the log of {_AGENT}: does it reach the gateway?",
    )


def _seen(patient: Patient, look: Callable[[], bool], what: str, remedy: str) -> Finding:
    """Look again and again until it is there, or the time is up."""
    began = time.monotonic()
    limit = patient.limits.telemetry_seconds
    problem = ""
    while True:
        try:
            if look():
                return ok(f"{what}, after {time.monotonic() - began:.1f} s")
        except Unreachable as error:
            problem = f" ({error})"
        if time.monotonic() - began > limit:
            return fail(f"not within {limit:g} s: {what}{problem}", remedy)
        time.sleep(_POLL_SECONDS)


def _count(patient: Patient, counter: str) -> float | None:
    """Return how many of the gateway's own count there are, over all receivers."""
    if patient.component(_GATEWAY) is None:
        return None
    text = patient.call(_GATEWAY, "metrics").send("GET", "/metrics").text
    total = None
    for line in text.splitlines():
        if line.startswith(f"otelcol_receiver_{counter}"):
            total = (total or 0.0) + float(line.rpartition(" ")[2])
    return total


def _gauge(mark: int) -> dict[str, Any]:
    point = {"timeUnixNano": str(time.time_ns()), "asInt": str(mark)}
    metric = {"name": _GAUGE, "gauge": {"dataPoints": [point]}}
    scope = {"scope": {"name": _SERVICE}, "metrics": [metric]}
    return {"resourceMetrics": [{**_resource(), "scopeMetrics": [scope]}]}


def _span(trace: str) -> dict[str, Any]:
    now = time.time_ns()
    span = {
        "traceId": trace,
        "spanId": secrets.token_hex(8),
        "name": "examine",
        "kind": 2,
        "startTimeUnixNano": str(now - 1_000_000),
        "endTimeUnixNano": str(now),
        # Sampling keeps what has failed.
        "status": {"code": 2, "message": "sent by `slo stack doctor`"},
    }
    scope = {"scope": {"name": _SERVICE}, "spans": [span]}
    return {"resourceSpans": [{**_resource(), "scopeSpans": [scope]}]}


def _line(mark: str) -> dict[str, Any]:
    record = {
        "timeUnixNano": str(time.time_ns()),
        "severityText": "INFO",
        "severityNumber": 9,
        "body": {"stringValue": f"sent by `slo stack doctor`: {mark}"},
    }
    scope = {"scope": {"name": _SERVICE}, "logRecords": [record]}
    return {"resourceLogs": [{**_resource(), "scopeLogs": [scope]}]}


def _resource() -> dict[str, Any]:
    attribute = {"key": "service.name", "value": {"stringValue": _SERVICE}}
    return {"resource": {"attributes": [attribute]}}
