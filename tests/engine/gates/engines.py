"""Serve what an engine may answer, or fail in the ways in which one can."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from slo.engine.gates.evaluate import evaluate
from slo.engine.gates.policy import DEFAULT_POLICY
from slo.engine.gates.request import request_from_json
from slo.engine.status.model import SloStatus

from .built import snapshot

Answer = tuple[int, bytes]


@dataclass
class Engine:
    """
    Answer as the API does.

    Args:
        answer: Returns status and body for the body of a request.
    """

    answer: Callable[[Any], Answer]
    url: str = ""
    bodies: list[Any] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)


def deciding(*statuses: SloStatus, now: float | None = None) -> Callable[[Any], Answer]:
    """Return the answers of an engine whose SLOs stand like *statuses*."""

    def answer(body: Any) -> Answer:
        at = time.time() if now is None else now
        found = evaluate(DEFAULT_POLICY, request_from_json(body), snapshot(*statuses), now=at)
        return 200, json.dumps({**found.to_json(), "recorded": True}).encode()

    return answer


@contextmanager
def serving(answer: Callable[[Any], Answer]) -> Iterator[Engine]:
    """Run an engine on a free port."""
    engine = Engine(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            status, content = 404, b"{}"
            if self.path == "/v1/gates/evaluate":
                body = json.loads(data)
                engine.bodies.append(body)
                engine.tokens.append(self.headers["Authorization"])
                status, content = engine.answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    engine.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silent() -> Iterator[str]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def dripping() -> Iterator[str]:
    """Answer a byte a second, for as long as anybody listens."""
    over = threading.Event()

    def drip(listener: socket.socket) -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=feed, args=(connection,), daemon=True).start()

    def feed(connection: socket.socket) -> None:
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not over.wait(0.2):
                    connection.sendall(b" ")
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
