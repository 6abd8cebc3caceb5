"""Stand before every route: let in who may come in, and answer for what goes wrong."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slo.engine.api.access import LOCAL, NOBODY, Principal
from slo.engine.api.limits import LARGEST_BODY, LONGEST_URL, RateLimiter
from slo.engine.api.metrics import EngineMetrics
from slo.engine.api.problems import BUG, PROBLEM_TYPE, Problem
from slo.engine.api.standing import Standing

__all__ = ["Doors", "Shell", "Trace", "host_name"]

_log = logging.getLogger(__name__)

_BODY_SECONDS = 10.0
_SLOW_SECONDS = 1.0
_STREAM_SECONDS = 30.0
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_FORWARDED = frozenset((b"forwarded", b"x-forwarded-for", b"x-real-ip"))
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_COOKIE = re.compile(rb"(?:^|;\s*)slo_token=([A-Za-z0-9_-]+)")
# No inline script or style anywhere, and nothing from elsewhere.
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
    b"form-action 'self'; frame-ancestors 'none'"
)
_SECURITY: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", _POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


Trace = Callable[[str, str, int, float, Mapping[bytes, bytes], Mapping[str, str]], None]
"""Take method, route, status, seconds, headers and attributes of a request that has ended."""


@dataclass(frozen=True, slots=True)
class Doors:
    """
    Say who is let in.

    Args:
        hosts: Names that requests may be for, without ports, lower case; empty for any.
        tokens_required: Whether requests without a token are nobody's.
        local_only: Whether they are, once a proxy has passed them on.
        secure: Whether the connection is encrypted.
        log_all: Log every request, not only those that fail or are slow.
    """

    hosts: frozenset[str] = frozenset()
    tokens_required: bool = False
    local_only: bool = True
    secure: bool = False
    log_all: bool = False


class Shell:
    """
    Wrap the application.

    A plain ASGI layer: what it does for every request, 2,000 times a second, must be cheap.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        doors: Doors,
        standing: Standing,
        limiter: RateLimiter,
        metrics: EngineMetrics,
        clock: Callable[[], float],
        trace: Trace | None = None,
    ) -> None:
        self._app = app
        self._trace = trace
        self._doors = doors
        self._standing = standing
        self._limiter = limiter
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _Exchange(scope, receive, send).run(self)

    def admit(self, scope: Scope, headers: dict[bytes, bytes]) -> Principal:
        """
        Return who asks.

        Raises:
            Problem: The request must not go on.
        """
        target = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        if target > LONGEST_URL:
            raise Problem(414, "url-too-long", f"the address has more than {LONGEST_URL} bytes")
        self._check_host(headers)
        address = (scope.get("client") or ("unknown",))[0]
        try:
            principal = self._authenticate(scope, headers)
        except Problem:
            # Who tries tokens is held to a rate like everybody.
            self._hold_back(address)
            raise
        self._hold_back(principal.token_id or address)
        if scope["method"] not in _SAFE:
            _check_origin(headers)
        if principal.token_id is not None:
            self._standing.used[principal.token_id] = self._clock()
        return principal

    def _hold_back(self, client: str) -> None:
        pause = self._limiter.take(client)
        if pause:
            raise Problem(
                429,
                "rate-limited",
                f"too many requests; come again in {pause:g} s",
                headers={"Retry-After": f"{pause:g}"},
            )

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application."""
        await self._app(scope, receive, send)

    def note(self, scope: Scope, status: int, seconds: float, *, streamed: bool) -> None:
        """Count a request, and log it where that is of use."""
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        method = scope["method"] if len(scope["method"]) < 8 else "other"
        self._metrics.answered(route, method, status, None if streamed else seconds)
        if self._trace is not None:
            attributes = {"slo.request_id": scope["slo.request_id"]}
            headers = dict(scope["headers"])
            self._trace(method, route, status, seconds, headers, attributes)
        slow = seconds > _SLOW_SECONDS and not streamed
        # 503 is an answer: whoever gives it has said why already.
        failed = status >= 500 and status != 503
        if self._doors.log_all or failed or slow:
            level = logging.ERROR if failed else logging.INFO
            _log.log(
                level,
                "%s %s %s",
                scope["method"],
                scope["path"],
                status,
                extra={
                    "request_id": scope["slo.request_id"],
                    "seconds": round(seconds, 4),
                    "client": (scope.get("client") or ("",))[0],
                    "principal": scope["slo.principal"].name,
                },
            )

    def refused(self, problem: Problem) -> None:
        """Count a request that did not reach a route."""
        self._metrics.refused.labels(problem.name).inc()

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that every answer gets."""
        if self._doors.secure:
            return (*_SECURITY, (b"strict-transport-security", b"max-age=31536000"))
        return _SECURITY

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        if not self._doors.hosts:
            return
        name = host_name(headers.get(b"host", b""))
        if name not in self._doors.hosts:
            # A page elsewhere may have made a name of its own point here.
            raise Problem(
                421, "wrong-host", "this engine does not answer for that host; see --allow-host"
            )

    def _authenticate(self, scope: Scope, headers: dict[bytes, bytes]) -> Principal:
        records = self._standing.now
        given = headers.get(b"authorization")
        if given is not None:
            scheme, _, secret = given.decode("latin-1").partition(" ")
            if scheme.lower() != "bearer":
                secret = ""
        else:
            cookie = _COOKIE.search(headers.get(b"cookie", b""))
            # A browser sends a cookie along whoever made it ask: good for reading only.
            if cookie is None or scope["method"] not in _SAFE:
                return NOBODY if self._is_far(headers) else LOCAL
            secret = cookie[1].decode()
        if records.read_at is None:
            raise Problem(
                503,
                "ledger-unavailable",
                "nobody knows yet whose token this is: the ledger could not be read",
                headers={"Retry-After": "5"},
            )
        return records.tokens.find(secret.strip(), self._clock())

    def _is_far(self, headers: dict[bytes, bytes]) -> bool:
        """Tell whether a request without a token is nobody's."""
        # What a proxy passes on comes from anywhere, whatever address the proxy has.
        return self._doors.tokens_required or (
            self._doors.local_only and not _FORWARDED.isdisjoint(headers)
        )


def host_name(header: bytes) -> str:
    """Return the host of a `Host` header without its port, in lower case."""
    text = header.decode("latin-1").strip().lower()
    if text.startswith("["):
        return text.partition("]")[0].removeprefix("[")
    return text.rpartition(":")[0] if ":" in text else text


def _check_origin(headers: dict[bytes, bytes]) -> None:
    if headers.get(b"sec-fetch-site", b"none") in (b"cross-site", b"same-site"):
        raise Problem(403, "cross-site", "a page of another site must not do this")
    origin = headers.get(b"origin")
    if origin is not None and origin.partition(b"://")[2] != headers.get(b"host"):
        raise Problem(403, "cross-site", "a page of another site must not do this")


class _Exchange:
    """Serve one request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._status = 0
        self._body: bytes | None = None
        self._streamed = False
        self._is_head = scope["method"] == "HEAD"
        self._ended = False

    async def run(self, shell: Shell) -> None:
        scope = self._scope
        began = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope["slo.request_id"] = request_id
        scope["slo.principal"] = NOBODY
        self._extra = (*shell.headers(), (b"x-request-id", request_id.encode()))
        try:
            try:
                scope["slo.principal"] = shell.admit(scope, headers)
                await self._read_body(headers)
            except Problem as problem:
                shell.refused(problem)
                raise
            if self._is_head:
                # Answered like GET, without the body.
                scope["method"] = "GET"
            await shell.serve(scope, self._next, self._answer)
        except Problem as problem:
            await self._problem(problem)
        except TimeoutError:
            if not self._streamed:
                raise
        except Exception:
            _log.exception("a request failed", extra={"request_id": request_id})
            await self._problem(BUG)
        finally:
            took = time.perf_counter() - began
            shell.note(scope, self._status or 499, took, streamed=self._streamed)

    async def _read_body(self, headers: dict[bytes, bytes]) -> None:
        if b"content-length" not in headers and b"transfer-encoding" not in headers:
            return
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > LARGEST_BODY:
            raise _too_large()
        body = b""
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while True:
                    message = await self._receive()
                    if message["type"] != "http.request":
                        raise Problem(400, "incomplete", "the body broke off")
                    body += message.get("body", b"")
                    if len(body) > LARGEST_BODY:
                        raise _too_large()
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise Problem(
                408, "too-slow", "the body did not come in time", headers={"Connection": "close"}
            ) from None
        self._body = body

    async def _next(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        return await self._receive()

    async def _answer(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            present = {name for name, _ in message["headers"]}
            self._streamed = (b"content-type", b"text/event-stream; charset=utf-8") in message[
                "headers"
            ]
            added = [pair for pair in self._extra if pair[0] not in present]
            if b"cache-control" not in present:
                added.append((b"cache-control", b"no-store"))
            message["headers"] = [*message["headers"], *added]
        elif self._is_head:
            message = {**message, "body": b"", "more_body": False}
            if self._ended:
                return
            self._ended = True
        if self._streamed:
            # Who reads nothing for so long has gone, or might as well.
            async with asyncio.timeout(_STREAM_SECONDS):
                await self._send(message)
        else:
            await self._send(message)

    async def _problem(self, problem: Problem) -> None:
        if self._status:
            # The answer has begun; all that is left is to break it off.
            return
        body = problem.body(self._scope["slo.request_id"])
        headers = [(name.lower().encode(), v.encode()) for name, v in problem.headers.items()]
        headers += [
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        if problem.status == 413:
            headers.append((b"connection", b"close"))
        start = {"type": "http.response.start", "status": problem.status, "headers": headers}
        await self._answer(start)
        await self._answer({"type": "http.response.body", "body": body})


def _too_large() -> Problem:
    return Problem(413, "body-too-large", f"a body may have {LARGEST_BODY // 1024} KiB")
