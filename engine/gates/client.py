"""Ask an engine, within a deadline that holds whatever the engine does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import stamina

from slo.engine.gates.decision import GateDecision, decision_from_json
from slo.engine.gates.request import GateRequest
from slo.engine.sources.connection import Connection
from slo.errors import ToolError

__all__ = ["EngineAway", "EngineRefused", "ask_engine"]

_PATH = "/v1/gates/evaluate"
_LARGEST_ANSWER = 4 * 1024 * 1024
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 1.0
# An engine answers from memory: one that has not after this share of the time hangs.
_SHARE_OF_ONE = 0.4


class EngineAway(ToolError):
    """Say that the engine gave no answer before the deadline."""


class EngineRefused(ToolError):
    """Say that the engine will not answer such a request: trying again would not help."""


def ask_engine(
    connection: Connection, request: GateRequest, *, token: str | None, within: float
) -> GateDecision:
    """
    Return the answer of the engine that *connection* leads to.

    Calls that fail are repeated while there is time. The request should have an idempotency
    key, so that the engine records one decision, not one a call.

    Args:
        token: Sent as a bearer token, where the connection names no file with one.
        within: Seconds that it may take altogether.

    Raises:
        EngineAway: There was no answer in time.
        EngineRefused: The engine wants another request: token, path or body.
    """
    authorization = connection.authorization() or (f"Bearer {token}" if token else None)
    headers = dict(connection.headers)
    if authorization:
        headers["Authorization"] = authorization
    return asyncio.run(_ask(connection, request, headers, within))


async def _ask(
    connection: Connection, request: GateRequest, headers: Mapping[str, str], within: float
) -> GateDecision:
    ends = time.monotonic() + within
    problem: EngineAway | None = None
    url = connection.url.rstrip("/")
    try:
        async with (
            asyncio.timeout(within),
            httpx.AsyncClient(
                verify=connection.tls(),
                trust_env=connection.trusts_environment,
                headers=headers,
            ) as client,
        ):
            async for attempt in stamina.retry_context(
                on=EngineAway,
                attempts=None,
                timeout=within,
                wait_initial=_FIRST_PAUSE_SECONDS,
                wait_max=_LONGEST_PAUSE_SECONDS,
                wait_jitter=_FIRST_PAUSE_SECONDS,
            ):
                with attempt:
                    limit = max(0.1, min(ends - time.monotonic(), within * _SHARE_OF_ONE))
                    try:
                        return await _once(client, f"{url}{_PATH}", request, limit)
                    except EngineAway as error:
                        problem = error
                        raise
    except (TimeoutError, EngineAway) as error:
        reason = str(problem) if problem else "it does not answer"
        raise EngineAway(f"{url} gave no answer within {within:.1f} s: {reason}") from error
    raise AssertionError("a retry either returns or raises")


async def _once(
    client: httpx.AsyncClient, url: str, request: GateRequest, limit: float
) -> GateDecision:
    try:
        async with asyncio.timeout(limit):
            async with client.stream("POST", url, json=request.to_json(), timeout=limit) as reply:
                body = bytearray()
                async for part in reply.aiter_bytes():
                    body += part
                    if len(body) > _LARGEST_ANSWER:
                        raise EngineRefused(f"{url}: that is not the answer of an engine")
    except httpx.InvalidURL as error:
        raise EngineRefused(f"{url}: {error}") from error
    except TimeoutError as error:
        raise EngineAway("it does not answer") from error
    except httpx.HTTPError as error:
        raise EngineAway(str(error) or type(error).__name__) from error
    return _answer(url, reply.status_code, bytes(body))


def _answer(url: str, status: int, body: bytes) -> GateDecision:
    try:
        content: Any = json.loads(body)
    except ValueError:
        content = None
    if status == httpx.codes.OK:
        try:
            return decision_from_json(content)
        except ValueError as error:
            raise EngineRefused(f"{url}: {error}") from error
    detail = content.get("detail") or content.get("title") if isinstance(content, dict) else None
    said = f"{url} answered {status}" + (f": {detail}" if isinstance(detail, str) else "")
    if status >= 500 or status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT):
        raise EngineAway(said)
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        said += "; give a token with the scope `gate` by --token-file or SLO_TOKEN"
    raise EngineRefused(said)
