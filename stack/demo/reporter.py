"""Tell a collector of every request that the shop serves: a span each, and a line of the log."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import NamedTuple

from slo.errors import ToolError
from slo.stack.demo.service import Shop
from slo.stack.otlp_client import LogLine, OtlpClient, Span

__all__ = ["Reporter", "run_reporter"]

_INTERVAL_SECONDS = 0.5
_DEADLINE_SECONDS = 5.0


class _Served(NamedTuple):
    route: str
    status: HTTPStatus
    seconds: float


class Reporter:
    """
    Keep what the shop has served until it is sent.

    Args:
        client: Of the collector, in the shop's name.
    """

    def __init__(self, client: OtlpClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._served: list[_Served] = []
        self._sent = 0
        self._problem = ""

    @property
    def sent(self) -> int:
        """Return of how many requests the collector has been told."""
        with self._lock:
            return self._sent

    @property
    def problem(self) -> str:
        """Return why the collector could not be told, or an empty text."""
        with self._lock:
            return self._problem

    def take(self, route: str, status: HTTPStatus, seconds: float) -> None:
        """Keep one request of *route*."""
        with self._lock:
            self._served.append(_Served(route, status, seconds))

    def begin(self) -> None:
        """
        Send one success and one failure, so that their counters are there.

        A counter that is born with its first error hides that error from rate().

        Raises:
            ToolError: The collector cannot be reached.
        """
        self._send([_Served("/", status, 0.0) for status in (HTTPStatus.OK, _FAILED)])

    def send(self) -> None:
        """Send what has been served since the last time; what fails is lost, and told."""
        with self._lock:
            served, self._served = self._served, []
        if not served:
            return
        try:
            self._send(served)
        except ToolError as error:
            with self._lock:
                self._problem = str(error)
        else:
            with self._lock:
                self._sent += len(served)

    def _send(self, served: list[_Served]) -> None:
        spans = [_span(request) for request in served]
        self._client.send_spans(spans)
        lines = zip(served, spans, strict=True)
        self._client.send_logs(_line(request, span.trace_id) for request, span in lines)


_FAILED = HTTPStatus.INTERNAL_SERVER_ERROR


def _span(request: _Served) -> Span:
    return Span(
        name=f"GET {request.route}",
        seconds=request.seconds,
        failed=request.status is _FAILED,
        attributes={
            "http.request.method": "GET",
            "http.route": request.route,
            "http.response.status_code": request.status.value,
        },
    )


def _line(request: _Served, trace_id: str) -> LogLine:
    return LogLine(
        f"GET {request.route} {request.status.value}",
        "ERROR" if request.status is _FAILED else "INFO",
        {"http.route": request.route, "trace_id": trace_id},
    )


@contextmanager
def run_reporter(shop: Shop, url: str, service: str) -> Iterator[Reporter]:
    """
    Tell the collector at *url* of everything that *shop* serves until the block ends.

    Args:
        url: Takes OTLP over HTTP.
        service: Name of the shop.

    Raises:
        ToolError: The collector cannot be reached.
    """
    client = OtlpClient(url, service, deadline_seconds=_DEADLINE_SECONDS)
    reporter = Reporter(client)
    done = threading.Event()

    def work() -> None:
        while not done.wait(_INTERVAL_SECONDS):
            reporter.send()

    try:
        reporter.begin()
        shop.listen(reporter.take)
        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        try:
            yield reporter
        finally:
            done.set()
            worker.join(_DEADLINE_SECONDS + 1)
    finally:
        client.close()
