"""Read from an engine over its API, within deadlines."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import httpx
import stamina
from pydantic import TypeAdapter, ValidationError

from slo.engine.ledger.records import BudgetPoint, Correction, Decision
from slo.engine.sources.connection import Connection
from slo.engine.status.model import SloStatus, Snapshot, State
from slo.errors import ToolError

__all__ = ["EngineClient"]

_STATUSES: TypeAdapter[tuple[SloStatus, ...]] = TypeAdapter(tuple[SloStatus, ...])
_CORRECTIONS: TypeAdapter[tuple[Correction, ...]] = TypeAdapter(tuple[Correction, ...])
_DECISIONS: TypeAdapter[tuple[Decision, ...]] = TypeAdapter(tuple[Decision, ...])
_LARGEST_ANSWER = 64 * 1024 * 1024
_PAGE = 1_000
_MOST_PAGES = 200
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 2.0
_SHARE_OF_ONE = 0.4


class _Away(ToolError):
    """Say that trying again may help."""


class EngineClient:
    """
    Read how SLOs stand and stood.

    Args:
        connection: How to reach the engine; its `timeout` is the limit of one call, all
            attempts together.
        token: Sent as a bearer token, where the connection names no file with one.
    """

    def __init__(self, connection: Connection, token: str | None = None) -> None:
        self._connection = connection
        self.url = connection.url.rstrip("/")
        self._clock_ahead = 0.0
        authorization = connection.authorization() or (f"Bearer {token}" if token else None)
        headers = dict(connection.headers)
        if authorization:
            headers["Authorization"] = authorization
        self._client = httpx.Client(
            verify=connection.tls(), trust_env=connection.trusts_environment, headers=headers
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def snapshot(self) -> Snapshot:
        """
        Return how all SLOs stand.

        Raises:
            ToolError: The engine cannot be read.
        """
        statuses: list[SloStatus] = []
        cursor, head = None, None
        for _ in range(_MOST_PAGES):
            page = self._get("/v1/slos", {"limit": _PAGE, **({"cursor": cursor} if cursor else {})})
            head = head or page
            statuses += self._read(_STATUSES, page, "slos")
            cursor = page.get("next")
            if not cursor:
                break
        assert head is not None
        found = tuple(statuses)
        if head.get("stale"):
            found = tuple(s if s.state is State.STALE else _stale(s) for s in found)
        # By the clock of the engine: that of this machine may be wrong.
        self._clock_ahead = head["taken_at"] + head["age"] - time.time()
        return Snapshot(head["snapshot"], head["taken_at"], found, (), bool(head["complete"]))

    def now(self) -> float:
        """Return Unix seconds by the clock of the engine, as far as it is known."""
        return time.time() + self._clock_ahead

    def history(self, status: SloStatus, start: float, end: float) -> Sequence[BudgetPoint]:
        """
        Return how *status* stood, oldest first.

        Raises:
            ToolError: The engine cannot tell.
        """
        groups = [f"{label}={value}" for label, value in sorted(status.group.items())]
        asked = {"service": status.service, "name": status.name, "group": groups}
        body = self._get("/v1/history", {**asked, "start": start, "end": end})
        try:
            return [
                BudgetPoint(
                    f"{status.service}/{status.name}",
                    float(point["at"]),
                    float(point["seconds"]),
                    point["bad"],
                    point["total"],
                    point["remaining"],
                    status.group,
                )
                for point in body["points"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ToolError(f"{self.url}/v1/history: not the answer of an engine") from error

    def corrections(self, start: float, end: float) -> Sequence[Correction]:
        """
        Return corrections that touch a stretch of time.

        Raises:
            ToolError: The engine cannot tell.
        """
        body = self._get("/v1/corrections", {"start": start, "end": end})
        found: Sequence[Correction] = self._read(_CORRECTIONS, body, "corrections")
        return found

    def decisions(self, start: float, end: float) -> Sequence[Decision]:
        """
        Return what gates decided from *start* to *end*, newest first.

        Raises:
            ToolError: The engine cannot tell.
        """
        found: list[Decision] = []
        before: float | None = end
        for _ in range(_MOST_PAGES):
            page = self._get("/v1/decisions", {"before": before, "limit": _PAGE})
            listed = self._read(_DECISIONS, page, "decisions")
            found += [decision for decision in listed if decision.at >= start]
            before = page.get("before")
            if before is None or before < start:
                break
        return found

    def _read(self, adapter: TypeAdapter[Any], body: Mapping[str, Any], name: str) -> Any:
        try:
            return adapter.validate_python(body[name])
        except (ValidationError, KeyError, TypeError) as error:
            raise ToolError(
                f"{self.url}: not the answer of an engine, or of a version that this one "
                "does not know"
            ) from error

    def _get(self, path: str, query: Mapping[str, Any]) -> dict[str, Any]:
        within = self._connection.timeout.seconds
        ends = time.monotonic() + within
        try:
            for attempt in stamina.retry_context(
                on=_Away,
                attempts=None,
                timeout=within,
                wait_initial=_FIRST_PAUSE_SECONDS,
                wait_max=_LONGEST_PAUSE_SECONDS,
                wait_jitter=_FIRST_PAUSE_SECONDS,
            ):
                with attempt:
                    limit = min(ends - time.monotonic(), within * _SHARE_OF_ONE)
                    return self._once(path, query, max(0.1, limit))
        except _Away as error:
            raise ToolError(f"{self.url} gave no answer within {within:g} s: {error}") from error
        raise AssertionError("a retry either returns or raises")

    def _once(self, path: str, query: Mapping[str, Any], limit: float) -> dict[str, Any]:
        ends = time.monotonic() + limit
        body = bytearray()
        try:
            with self._client.stream(
                "GET", f"{self.url}{path}", params=query, timeout=limit
            ) as reply:
                for part in reply.iter_bytes():
                    body += part
                    if len(body) > _LARGEST_ANSWER or time.monotonic() > ends:
                        raise _Away("the answer does not end")
        except httpx.InvalidURL as error:
            raise ToolError(f"{self.url}: {error}") from error
        except httpx.TimeoutException as error:
            raise _Away("it does not answer") from error
        except httpx.HTTPError as error:
            raise _Away(str(error) or type(error).__name__) from error
        return self._answer(path, reply.status_code, bytes(body))

    def _answer(self, path: str, status: int, body: bytes) -> dict[str, Any]:
        try:
            content = json.loads(body)
        except ValueError:
            content = None
        if status == httpx.codes.OK and isinstance(content, dict):
            return content
        detail = content.get("detail") if isinstance(content, dict) else None
        said = f"{self.url}{path} answered {status}" + (f": {detail}" if detail else "")
        if status >= 500 or status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT):
            raise _Away(said)
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            said += "; give a token with the scope `read` by --token-file or SLO_TOKEN"
        raise ToolError(said if status != httpx.codes.OK else f"{said}: that is not an engine")


def _stale(status: SloStatus) -> SloStatus:
    return replace(status, state=State.STALE)
