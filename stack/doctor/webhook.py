"""Listen for the notification about the alert that the doctor has sent."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Mailbox", "listening_for_alerts"]

_LONGEST_BODY = 1_000_000


class Mailbox:
    """Keep the labels of the alerts that have come in."""

    def __init__(self) -> None:
        self._alerts: list[tuple[str, dict[str, str]]] = []
        self._arrived = threading.Condition()

    def put(self, status: str, labels: dict[str, str]) -> None:
        """Take in an alert."""
        with self._arrived:
            self._alerts.append((status, labels))
            self._arrived.notify_all()

    def wait_for(self, status: str, label: str, value: str, seconds: float) -> bool:
        """Tell whether an alert with *status* and *label* comes within *seconds*."""
        deadline = time.monotonic() + seconds
        with self._arrived:
            while True:
                for known, labels in self._alerts:
                    if known == status and labels.get(label) == value:
                        return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._arrived.wait(left)


class _Handler(BaseHTTPRequestHandler):
    timeout = 10
    mailbox: Mailbox

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        status = HTTPStatus.OK
        if not 0 < length <= _LONGEST_BODY:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        else:
            try:
                message: Any = json.loads(self.rfile.read(length))
                for alert in message["alerts"]:
                    self.mailbox.put(alert["status"], alert["labels"])
            except (ValueError, KeyError, TypeError):
                status = HTTPStatus.BAD_REQUEST
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal for the report."""


@contextmanager
def listening_for_alerts(address: str, port: int) -> Iterator[Mailbox]:
    """
    Listen for Alertmanager's webhook meanwhile.

    Raises:
        OSError: The port is taken.
    """
    mailbox = Mailbox()
    handler = type("AlertHandler", (_Handler,), {"mailbox": mailbox})
    server = ThreadingHTTPServer((address, port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield mailbox
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
