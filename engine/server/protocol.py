"""Guard the reading of HTTP itself: how large headers may be, and how slowly they may come."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from slo.engine.api.problems import PROBLEM_TYPE, Problem

__all__ = ["HEADER_SECONDS", "LARGEST_HEADERS", "http_protocol"]

LARGEST_HEADERS = 32 * 1024
HEADER_SECONDS = 10.0


def http_protocol() -> Any:
    """Return the protocol for uvicorn: httptools where it is installed, else h11."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ModuleNotFoundError:
        # It has limits of its own.
        return "h11"

    class GuardedProtocol(HttpToolsProtocol):
        """Close connections whose headers are too large, or do not end."""

        _header_bytes = 0
        _impatience: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait_for_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._patient()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            self._header_bytes = 0
            self._wait_for_headers()
            super().on_message_begin()

        def on_url(self, url: bytes) -> None:
            if self._fits(len(url)):
                super().on_url(url)

        def on_header(self, name: bytes, value: bytes) -> None:
            if self._fits(len(name) + len(value) + 4):
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._patient()
            super().on_headers_complete()

        def send_400_response(self, msg: str) -> None:
            problem = Problem(400, "not-http", "this is not a request that can be read")
            body = problem.body(secrets.token_hex(8))
            head = (
                f"HTTP/1.1 400 Bad Request\r\ncontent-type: {PROBLEM_TYPE}\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
            self.transport.close()

        def _fits(self, size: int) -> bool:
            self._header_bytes += size
            if self._header_bytes <= LARGEST_HEADERS:
                return True
            # Raised in a callback, it ends the parsing: the answer is 400.
            raise ValueError("the headers are too large")

        def _wait_for_headers(self) -> None:
            self._patient()
            self._impatience = self.loop.call_later(HEADER_SECONDS, self._close)

        def _patient(self) -> None:
            if self._impatience is not None:
                self._impatience.cancel()
                self._impatience = None

        def _close(self) -> None:
            if not self.transport.is_closing():
                self.transport.close()

    return GuardedProtocol
