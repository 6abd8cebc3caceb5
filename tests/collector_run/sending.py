"""Send spans, log records and metrics over OTLP, as an instrumented program would."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

import httpx

__all__ = ["SERVER", "new_trace", "record", "send_logs", "send_spans", "send_sum", "span"]

SERVER = 2
CLIENT = 3
_TIMEOUT_SECONDS = 10.0
_SCOPE = {"name": "tests"}


def new_trace() -> str:
    """Return the id of a trace that nobody else has."""
    return secrets.token_hex(16)


def span(
    trace: str | None = None,
    *,
    name: str = "GET /pay",
    kind: int = SERVER,
    milliseconds: float = 10,
    error: bool = False,
    attributes: Mapping[str, Any] | None = None,
    events: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return a span that has just ended."""
    end = time.time_ns()
    return {
        "traceId": trace or new_trace(),
        "spanId": secrets.token_hex(8),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(end - int(milliseconds * 1_000_000)),
        "endTimeUnixNano": str(end),
        "attributes": _attributes(attributes or {}),
        "events": [
            {"name": "event", "timeUnixNano": str(end), "attributes": _attributes(event)}
            for event in events
        ],
        "status": {"code": 2, "message": "failed"} if error else {},
    }


def record(
    body: str, *, severity: int = 9, attributes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a log record of now; a *severity* of 9 is INFO, 17 is ERROR."""
    return {
        "timeUnixNano": str(time.time_ns()),
        "severityNumber": severity,
        "body": {"stringValue": body},
        "attributes": _attributes(attributes or {}),
    }


def send_spans(url: str, service: str, spans: Iterable[Mapping[str, Any]], **more: Any) -> None:
    """Send *spans* of *service*; what is not taken raises."""
    scopes = [{"scope": _SCOPE, "spans": list(spans)}]
    _post(
        f"{url}/v1/traces",
        {"resourceSpans": [{"resource": _resource(service, more), "scopeSpans": scopes}]},
    )


def send_logs(url: str, service: str, records: Iterable[Mapping[str, Any]], **more: Any) -> None:
    """Send log *records* of *service*; what is not taken raises."""
    scopes = [{"scope": _SCOPE, "logRecords": list(records)}]
    _post(
        f"{url}/v1/logs",
        {"resourceLogs": [{"resource": _resource(service, more), "scopeLogs": scopes}]},
    )


def send_sum(
    url: str, service: str, name: str, value: float, attributes: Mapping[str, Any] | None = None
) -> None:
    """Send the value of a counter of *service*; what is not taken raises."""
    point = {
        "startTimeUnixNano": str(time.time_ns() - 60_000_000_000),
        "timeUnixNano": str(time.time_ns()),
        "asDouble": value,
        "attributes": _attributes(attributes or {}),
    }
    total = {"dataPoints": [point], "isMonotonic": True, "aggregationTemporality": 2}
    scopes = [{"scope": _SCOPE, "metrics": [{"name": name, "sum": total}]}]
    _post(
        f"{url}/v1/metrics",
        {"resourceMetrics": [{"resource": _resource(service, {}), "scopeMetrics": scopes}]},
    )


def _post(url: str, body: Mapping[str, Any]) -> None:
    httpx.post(url, json=body, timeout=_TIMEOUT_SECONDS).raise_for_status()


def _resource(service: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return {"attributes": _attributes({"service.name": service, **more})}


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value)}
