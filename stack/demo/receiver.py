"""Receive what Alertmanager sends to a webhook, and keep it."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from slo.stack.demo.listener import listening

__all__ = ["Notification", "NotifiedAlert", "Receiver", "run_receiver"]

_LONGEST_BODY = 1_000_000
_MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class NotifiedAlert:
    """
    Hold one alert of a notification.

    Args:
        status: `firing` or `resolved`.
    """

    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Notification:
    """
    Hold one notification about a group of alerts.

    Args:
        path: Path of the webhook that it was sent to.
        status: `resolved` once no alert of the group fires any more, else `firing`.
    """

    path: str
    status: str
    alerts: tuple[NotifiedAlert, ...]


class Receiver:
    """Keep the latest notifications."""

    def __init__(self) -> None:
        self.url = ""
        self._lock = threading.Lock()
        self._kept: deque[Notification] = deque(maxlen=_MOST_KEPT)

    @property
    def notifications(self) -> tuple[Notification, ...]:
        """Return the notifications in the order in which they came."""
        with self._lock:
            return tuple(self._kept)

    def take(self, path: str, body: bytes) -> None:
        """
        Keep the notification in *body*, Alertmanager's webhook format, version 4.

        Raises:
            ValueError: *body* is something else.
        """
        message: Any = json.loads(body)
        try:
            alerts = tuple(
                NotifiedAlert(alert["status"], alert["labels"], alert["annotations"])
                for alert in message["alerts"]
            )
            notification = Notification(path, message["status"], alerts)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a notification: {error!r}") from error
        with self._lock:
            self._kept.append(notification)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    receiver: Receiver

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        status = HTTPStatus.OK
        if not 0 < length <= _LONGEST_BODY:
            self.close_connection = True
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        else:
            try:
                self.receiver.take(self.path, self.rfile.read(length))
            except ValueError:
                status = HTTPStatus.BAD_REQUEST
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal for the journey."""


@contextmanager
def run_receiver() -> Iterator[Receiver]:
    """Serve a receiver on a free loopback port and yield it; `Receiver.url` says where."""
    receiver = Receiver()
    handler = type("ReceiverHandler", (_Handler,), {"receiver": receiver})
    with listening(handler) as url:
        receiver.url = url
        yield receiver
