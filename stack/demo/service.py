"""Serve a small instrumented shop with a switch for faults."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from slo.stack.demo.listener import listening

__all__ = ["ROUTES", "Fault", "Shop", "run_shop"]

ROUTES = ("/products", "/cart", "/checkout")

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, float("inf"))
_CODES = (HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR)
_LONGEST_BODY = 4096
_LONGEST_LATENCY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Fault:
    """
    Say how the shop misbehaves.

    Args:
        error_ratio: Share of requests that are answered with status 500, in [0, 1].
        extra_latency_seconds: Added to every request, at most 10.

    Raises:
        ValueError: A number is out of its range.
    """

    error_ratio: float = 0.0
    extra_latency_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.error_ratio <= 1:
            raise ValueError(f"error_ratio must lie between 0 and 1, got {self.error_ratio:g}")
        if not 0 <= self.extra_latency_seconds <= _LONGEST_LATENCY_SECONDS:
            raise ValueError(
                f"extra_latency_seconds must lie between 0 and {_LONGEST_LATENCY_SECONDS:g}, "
                f"got {self.extra_latency_seconds:g}"
            )


class Shop:
    """Count what the shop does and decide which requests fail."""

    def __init__(self) -> None:
        self.url = ""
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests",
            "Requests by answer.",
            ("code", "method", "route"),
            registry=self._registry,
        )
        self._duration = Histogram(
            "http_request_duration_seconds",
            "Time from request to answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._lock = threading.Lock()
        self._listener: Callable[[str, HTTPStatus, float], None] | None = None
        self._fault = Fault()
        self._debt = 0.0
        for route in ROUTES:
            self._duration.labels("GET", route)
            for code in _CODES:
                # A counter that is born with its first error hides that error from rate().
                self._requests.labels(str(code.value), "GET", route)

    @property
    def fault(self) -> Fault:
        """Return the current fault."""
        with self._lock:
            return self._fault

    def set_fault(self, fault: Fault) -> None:
        """Misbehave as *fault* says from the next request on; `Fault()` repairs the shop."""
        with self._lock:
            self._fault = fault
            self._debt = 0.0

    def listen(self, listener: Callable[[str, HTTPStatus, float], None]) -> None:
        """Tell *listener* of every request from now on: route, status, seconds."""
        self._listener = listener

    def answer(self, route: str) -> HTTPStatus:
        """Serve one request of *route* and return its status, having counted it."""
        started = time.perf_counter()
        with self._lock:
            fault = self._fault
            # Errors are spread evenly instead of at random, so that every run looks the same.
            self._debt += fault.error_ratio
            failing = self._debt >= 1
            if failing:
                self._debt -= 1
        if fault.extra_latency_seconds:
            time.sleep(fault.extra_latency_seconds)
        status = HTTPStatus.INTERNAL_SERVER_ERROR if failing else HTTPStatus.OK
        taken = time.perf_counter() - started
        self._duration.labels("GET", route).observe(taken)
        self._requests.labels(str(status.value), "GET", route).inc()
        if self._listener is not None:
            self._listener(route, status, taken)
        return status

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus's text format."""
        return generate_latest(self._registry)


def _parse_fault(body: bytes) -> Fault:
    fields = json.loads(body or b"{}")
    known = Fault.__dataclass_fields__
    if not isinstance(fields, dict) or not fields.keys() <= known.keys():
        raise ValueError(f"a fault is a JSON object with {' and '.join(known)}")
    if not all(isinstance(value, int | float) for value in fields.values()):
        raise ValueError("every field of a fault is a number")
    return Fault(**fields)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    shop: Shop

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._send(HTTPStatus.OK, self.shop.metrics(), CONTENT_TYPE_LATEST)
        elif self.path == "/fault":
            fault = self.shop.fault
            self._send_json(
                HTTPStatus.OK,
                {
                    "error_ratio": fault.error_ratio,
                    "extra_latency_seconds": fault.extra_latency_seconds,
                },
            )
        elif self.path in ROUTES:
            status = self.shop.answer(self.path)
            self._send_json(status, {"route": self.path, "ok": status is HTTPStatus.OK})
        else:
            self._send_json(HTTPStatus.NOT_FOUND, {"error": "no such route"})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/fault" or not 0 <= length <= _LONGEST_BODY:
            self.close_connection = True
            self._send_json(HTTPStatus.NOT_FOUND, {"error": "only /fault takes a POST"})
            return
        try:
            fault = _parse_fault(self.rfile.read(length))
        except ValueError as error:
            self._send_json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        self.shop.set_fault(fault)
        self._send_json(HTTPStatus.OK, {"ok": True})

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal for the journey."""

    def _send_json(self, status: HTTPStatus, body: dict[str, object]) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def run_shop() -> Iterator[Shop]:
    """
    Serve a shop on a free loopback port and yield it; `Shop.url` says where.

    `GET` answers the `ROUTES` and `/metrics`; `POST /fault` takes the fields of `Fault` as JSON.
    """
    shop = Shop()
    handler = type("ShopHandler", (_Handler,), {"shop": shop})
    with listening(handler) as url:
        shop.url = url
        yield shop
