"""Send spans, log lines and metrics to a collector, by OTLP over HTTP with JSON bodies."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from slo.errors import ToolError

__all__ = ["LogLine", "OtlpClient", "Span", "new_trace_id"]

AttributeValue = str | int | float | bool

_SCOPE = {"name": "slostack"}
_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_SEVERITIES = {"DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17, "FATAL": 21}
_CUMULATIVE = 2
# The protocol names these as the answers after which the same may be sent again.
_PASSING_STATUS = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


def new_trace_id() -> str:
    """Return a trace id that nothing else has."""
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Span:
    """
    Hold one span to send; it ends when it is sent.

    Args:
        seconds: How long it took.
        failed: Its status is an error.
    """

    name: str = "request"
    trace_id: str = field(default_factory=new_trace_id)
    seconds: float = 0.01
    failed: bool = False
    kind: Literal["internal", "server", "client", "producer", "consumer"] = "server"
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogLine:
    """Hold one log record to send, with the time at which it is sent."""

    body: str
    severity: Literal["DEBUG", "INFO", "WARN", "ERROR", "FATAL"] = "INFO"
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


class OtlpClient:
    """
    Send what one service has to say; each call ends within *deadline_seconds*, retries included.

    Args:
        url: Scheme, host and port of the receiver, usually port 4318.
        service: Value of `service.name`.
        resource: Further attributes of the sender.
    """

    def __init__(
        self,
        url: str,
        service: str,
        *,
        resource: Mapping[str, AttributeValue] | None = None,
        deadline_seconds: float = 10.0,
    ) -> None:
        self.url = url.rstrip("/")
        self.service = service
        self._resource = {"service.name": service, **(resource or {})}
        self._deadline_seconds = deadline_seconds
        # A proxy from the environment has no business between us and the collector.
        self._http = httpx.Client(base_url=self.url, trust_env=False)

    def send_spans(self, spans: Iterable[Span]) -> None:
        """
        Send *spans* in one request.

        Raises:
            ToolError: No answer within the deadline, or they were refused, even in part.
        """
        now = time.time_ns()
        sent = [_span_body(span, now) for span in spans]
        self._send("traces", "resourceSpans", "scopeSpans", {"spans": sent})

    def send_logs(self, lines: Iterable[LogLine]) -> None:
        """
        Send *lines* in one request.

        Raises:
            ToolError: As `send_spans`.
        """
        now = time.time_ns()
        sent = [_line_body(line, now) for line in lines]
        self._send("logs", "resourceLogs", "scopeLogs", {"logRecords": sent})

    def send_counter(
        self,
        name: str,
        value: float,
        *,
        since: float,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> None:
        """
        Send the present *value* of a counter.

        Args:
            since: Unix time in seconds at which it was zero.

        Raises:
            ToolError: As `send_spans`.
        """
        point = {
            "startTimeUnixNano": str(int(since * 1e9)),
            "timeUnixNano": str(time.time_ns()),
            "asDouble": value,
            "attributes": _attributes(attributes or {}),
        }
        total = {
            "aggregationTemporality": _CUMULATIVE,
            "isMonotonic": True,
            "dataPoints": [point],
        }
        metrics = {"metrics": [{"name": name, "sum": total}]}
        self._send("metrics", "resourceMetrics", "scopeMetrics", metrics)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, signal: str, outer: str, inner: str, content: Mapping[str, Any]) -> None:
        resource = {"attributes": _attributes(self._resource)}
        body = {outer: [{"resource": resource, inner: [{"scope": _SCOPE, **content}]}]}
        answer = self._post(f"/v1/{signal}", body)
        refused = answer.get("partialSuccess") or {}
        if refused.get("errorMessage"):
            raise ToolError(f"{self.url} took not all {signal}: {refused['errorMessage']}")

    def _post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer to *body*, sent again while that can help."""
        deadline = time.monotonic() + self._deadline_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            left = max(deadline - time.monotonic(), 0.001)
            try:
                response = self._http.post(path, json=body, timeout=left)
            except httpx.ConnectError as error:
                # Nothing was taken; any later failure leaves that open, so that sending again
                # could count twice.
                problem = f"{self.url} cannot be reached: {error}"
            except httpx.HTTPError as error:
                raise ToolError(f"{self.url}{path}: {error or type(error).__name__}") from error
            else:
                if response.is_success:
                    return _answer(response)
                problem = f"{self.url}{path} answered {response.status_code}: {response.text[:300]}"
                if response.status_code not in _PASSING_STATUS:
                    raise ToolError(problem)
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads senders, no secret
            if time.monotonic() + wait >= deadline:
                raise ToolError(problem)
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _answer(response: httpx.Response) -> Mapping[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise ToolError(f"{response.url} answered with something else than JSON") from error
    return answer if isinstance(answer, dict) else {}


def _span_body(span: Span, now: int) -> dict[str, Any]:
    return {
        "traceId": span.trace_id,
        "spanId": secrets.token_hex(8),
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(now - round(span.seconds * 1e9)),
        "endTimeUnixNano": str(now),
        "attributes": _attributes(span.attributes),
        "status": {"code": 2} if span.failed else {},
    }


def _line_body(line: LogLine, now: int) -> dict[str, Any]:
    return {
        "timeUnixNano": str(now),
        "severityNumber": _SEVERITIES[line.severity],
        "severityText": line.severity,
        "body": {"stringValue": line.body},
        "attributes": _attributes(line.attributes),
    }


def _attributes(attributes: Mapping[str, AttributeValue]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: AttributeValue) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        # 64-bit numbers are text in this JSON.
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}
