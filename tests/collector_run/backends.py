"""Stand in for backends: take what a collector sends, remember it, and be away at will."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cramjam
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from slo.stack.processes import LOOPBACK

__all__ = ["Backend", "Received", "running_backend"]

_REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}


@dataclass(frozen=True)
class Received:
    """Hold one request: its body as sent, and without its compression."""

    path: str
    headers: dict[str, str]
    body: bytes

    def otlp(self) -> dict[str, Any]:
        """Return an OTLP request in the words of OTLP's JSON."""
        message = _REQUESTS[self.path.rpartition("/")[2]]()
        message.ParseFromString(self.body)
        return MessageToDict(message)


@dataclass
class Backend:
    """
    Hold what came.

    Args:
        away: Answer with this status, and forget what came; 0 takes everything.
        refused: How many requests came meanwhile.
    """

    received: list[Received] = field(default_factory=list)
    away: int = 0
    refused: int = 0
    url: str = ""

    def spans(self) -> list[dict[str, Any]]:
        """Return all spans, each with the name of its service and all attributes as a mapping."""
        return list(self._items("traces", "resourceSpans", "scopeSpans", "spans"))

    def records(self) -> list[dict[str, Any]]:
        """Return all log records, as `spans` does."""
        return list(self._items("logs", "resourceLogs", "scopeLogs", "logRecords"))

    def text(self) -> str:
        """Return everything that came, to look for what must not be in it."""
        return "\n".join(r.body.decode("utf-8", "replace") for r in self.received)

    def paths(self) -> set[str]:
        """Return the paths that were called."""
        return {r.path for r in self.received}

    def _items(self, signal: str, *levels: str) -> Iterator[dict[str, Any]]:
        outer, scopes, inner = levels
        for request in list(self.received):
            if not request.path.endswith(f"/v1/{signal}"):
                continue
            for resource in request.otlp().get(outer, ()):
                known = _mapping(resource.get("resource", {}).get("attributes", ()))
                for scope in resource.get(scopes, ()):
                    for item in scope.get(inner, ()):
                        yield {
                            **item,
                            "service": known.get("service.name"),
                            "resource": known,
                            "attributes": _mapping(item.get("attributes", ())),
                        }


def _mapping(attributes: Any) -> dict[str, str]:
    return {a["key"]: str(next(iter(a.get("value", {"": ""}).values()))) for a in attributes}


def _plain(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "gzip":
            return gzip.decompress(body)
        case "deflate" | "zlib":
            return zlib.decompress(body)
        case "snappy":
            return bytes(cramjam.snappy.decompress_raw(body))
        case "zstd":
            return bytes(cramjam.zstd.decompress(body))
    return body


@contextmanager
def running_backend(port: int = 0) -> Iterator[Backend]:
    """Run a backend that takes everything, on any path."""
    backend = Backend()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if backend.away:
                backend.refused += 1
                self._answer(backend.away, b"{}")
                return
            plain = _plain(body, self.headers.get("Content-Encoding", ""))
            headers = {name.lower(): value for name, value in self.headers.items()}
            backend.received.append(Received(self.path, headers, plain))
            protobuf = "protobuf" in self.headers.get("Content-Type", "")
            self._answer(200, b"" if protobuf else json.dumps({"errors": False}).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            # The client reads the answer of OTLP in the form of its request.
            self.send_header("Content-Type", self.headers.get("Content-Type", "text/plain"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing: tests read the requests."""

    server = ThreadingHTTPServer((LOOPBACK, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    backend.url = f"http://{LOOPBACK}:{server.server_port}"
    try:
        yield backend
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
