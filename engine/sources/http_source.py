"""Ask a server from an event loop; each call ends in time, whatever the server does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx
import stamina

from slo.duration import Duration
from slo.engine.sources.answers import failure_of, read_answer
from slo.engine.sources.breaker import CircuitBreaker
from slo.engine.sources.connection import Connection, is_loopback
from slo.engine.sources.metrics import SourceMetrics
from slo.engine.sources.protocol import (
    Answer,
    BadAnswer,
    QueryRefused,
    TooMuchData,
    Unavailable,
)
from slo.errors import ToolError

__all__ = ["LARGEST_ANSWER", "MOST_AT_ONCE", "HttpSource"]

LARGEST_ANSWER = 512 * 1024 * 1024
MOST_AT_ONCE = 4

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0
_PROBE = "vector(1)"
_PROBE_SECONDS = 5.0
# VictoriaMetrics would move the start of a range to a multiple of its step.
_AS_ASKED: Mapping[str, str] = {"nocache": "1"}


class HttpSource:
    """
    Ask one server.

    Failed calls are tried again while there is time. The circuit breaker counts calls, not
    attempts.

    Args:
        connection: How to reach it; its `timeout` is the limit of one call, all attempts
            together.
        name: What people call it; the URL if left out.
        breaker: Its circuit breaker.
        metrics: Counts calls, where somebody wants to know.
        largest_answer: Bytes after which an answer is cut off.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        name: str | None = None,
        breaker: CircuitBreaker | None = None,
        metrics: SourceMetrics | None = None,
        largest_answer: int = LARGEST_ANSWER,
    ) -> None:
        self.url = connection.url.rstrip("/")
        self.name = name or self.url
        self.breaker = breaker or CircuitBreaker()
        self._connection = connection
        self._metrics = metrics
        self._largest_answer = largest_answer
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._client = httpx.AsyncClient(
            verify=connection.tls(),
            trust_env=connection.trusts_environment,
            headers={**connection.headers, **_encoding(connection)},
            limits=httpx.Limits(max_connections=MOST_AT_ONCE + 1),
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def instant(
        self, query: str, at: float | None = None, *, within: float | None = None
    ) -> Answer:
        """
        Return the series of *query* at one moment, each with one sample.

        Args:
            at: Unix time in seconds; by the server's clock now if left out.
            within: Seconds that the call may take, where that is less than the connection's.

        Raises:
            QueryRefused: The query is wrong, or reads too much; the server works.
            Unavailable: There was no answer in time, or the circuit is open.
            BadAnswer: It is not the answer of such a server.
        """
        parameters = {"query": query}
        if at is not None:
            parameters["time"] = f"{at:.3f}"
        return await self._guarded("/api/v1/query", parameters, within)

    async def range(
        self,
        query: str,
        start: float,
        end: float,
        step: Duration,
        *,
        within: float | None = None,
    ) -> Answer:
        """Return the series of *query*, evaluated every *step*; otherwise like `instant`."""
        parameters = {
            "query": query,
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "step": f"{step.seconds:g}",
            **_AS_ASKED,
        }
        return await self._guarded("/api/v1/query_range", parameters, within)

    async def answers(self) -> bool:
        """Tell whether the server answers, by a query that costs nothing."""
        try:
            await self.instant(_PROBE, within=_PROBE_SECONDS)
        except ToolError:
            return False
        return True

    async def _guarded(
        self, path: str, parameters: Mapping[str, str], within: float | None
    ) -> Answer:
        async with self._slots:
            if not self.breaker.admits():
                raise Unavailable(f"{self.url} did not answer lately; asking it again in a moment")
            limit = self._connection.timeout.seconds
            if within is not None:
                limit = min(limit, within)
            began = time.monotonic()
            outcome = "cancelled"
            try:
                answer = await self._repeated(path, parameters, limit)
            except QueryRefused:
                outcome = "refused"
                self.breaker.succeeded()
                raise
            except (Unavailable, BadAnswer) as error:
                outcome = "unavailable" if isinstance(error, Unavailable) else "bad_answer"
                self.breaker.failed()
                raise
            else:
                outcome = "answered"
                self.breaker.succeeded()
                return answer
            finally:
                if self._metrics is not None:
                    took = time.monotonic() - began
                    self._metrics.called(self.name, outcome, took, self.breaker.circuit)

    async def _repeated(self, path: str, parameters: Mapping[str, str], limit: float) -> Answer:
        ends = time.monotonic() + limit
        problem: ToolError | None = None
        attempts = 0
        try:
            async with asyncio.timeout(limit):
                async for attempt in stamina.retry_context(
                    on=Unavailable,
                    attempts=None,
                    timeout=limit,
                    wait_initial=_FIRST_PAUSE_SECONDS,
                    wait_max=_LONGEST_PAUSE_SECONDS,
                    wait_jitter=_FIRST_PAUSE_SECONDS,
                ):
                    with attempt:
                        attempts += 1
                        try:
                            return await self._once(path, parameters, ends)
                        except Unavailable as error:
                            problem = error
                            raise
        except (TimeoutError, Unavailable) as error:
            tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
            reason = str(problem) if problem else "it does not answer"
            raise Unavailable(
                f"{self.url} gave no answer within {limit:g} s ({tried}): {reason}"
            ) from error
        raise AssertionError("a retry either returns or raises")

    async def _once(self, path: str, parameters: Mapping[str, str], ends: float) -> Answer:
        left = max(0.1, ends - time.monotonic())
        authorization = self._connection.authorization()
        try:
            async with self._client.stream(
                "POST",
                f"{self.url}{path}",
                # In the body: a query may be longer than a proxy lets a URL be.
                data={**parameters, "timeout": f"{1000 * left:.0f}ms"},
                headers={"Authorization": authorization} if authorization else None,
                timeout=left,
            ) as response:
                body = await self._body(response)
        except (httpx.HTTPError, OSError) as error:
            # Errors of TLS that come with the first bytes are not httpx's.
            raise Unavailable(_reason(error)) from error
        except httpx.InvalidURL as error:
            raise BadAnswer(f"{self.url}: {error}") from error
        if response.status_code != httpx.codes.OK:
            raise failure_of(self.url, response.status_code, body)
        # Parsing a large answer takes a while; the event loop goes on meanwhile.
        return await asyncio.to_thread(read_answer, self.url, body, _answered_at(response))

    async def _body(self, response: httpx.Response) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_bytes():
            parts.append(part)
            size += len(part)
            if size > self._largest_answer:
                largest = self._largest_answer / 1024 / 1024
                raise TooMuchData(f"{self.url}: the answer is larger than {largest:g} MiB")
        return b"".join(parts)


def _encoding(connection: Connection) -> Mapping[str, str]:
    # On the same machine, packing and unpacking costs more than it saves.
    return {"Accept-Encoding": "identity"} if is_loopback(connection.url) else {}


def _answered_at(response: httpx.Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    # The library wraps some errors in others that say nothing.
    inner: BaseException | None = error
    while inner is not None and not str(inner):
        inner = inner.__cause__ or inner.__context__
    return str(inner) if inner is not None else type(error).__name__
