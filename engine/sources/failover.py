"""Choose the server to ask: the first one that works, in the order that the user gave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from slo.engine.sources.breaker import Circuit
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import BadAnswer, QueryRefused, Unavailable
from slo.engine.status.model import SourceHealth

__all__ = ["Failover"]

T = TypeVar("T")


class Failover:
    """
    Do a piece of work with the first source that works.

    All queries of one piece of work go to the same server, since two servers seldom agree to
    the last event. A server whose circuit is open is passed over, and probed meanwhile, so
    that nobody waits for it.

    Args:
        clock: Returns Unix seconds.
    """

    def __init__(
        self, sources: Sequence[HttpSource], *, clock: Callable[[], float] = time.time
    ) -> None:
        if not sources:
            raise ValueError("no source")
        self.sources = tuple(sources)
        self._clock = clock
        self._health = {
            source.name: SourceHealth(source.name, "up", "closed", None) for source in sources
        }
        self._probes: set[asyncio.Task[bool]] = set()

    async def first(self, work: Callable[[HttpSource], Awaitable[T]]) -> T:
        """
        Return what *work* makes with the first source that works.

        Raises:
            QueryRefused: A server works and refuses; another one would refuse as well.
            Unavailable: No source works.
        """
        problems: list[str] = []
        passed_over: list[tuple[HttpSource, asyncio.Task[bool]]] = []
        for source in self.sources:
            if source.breaker.circuit is not Circuit.CLOSED:
                passed_over.append((source, self._probe(source)))
                continue
            try:
                return await self._with(source, work)
            except (Unavailable, BadAnswer) as error:
                problems.append(str(error))
        for source, probe in passed_over:
            # Nobody else is left to ask: wait for the probe after all.
            if await asyncio.shield(probe):
                try:
                    return await self._with(source, work)
                except (Unavailable, BadAnswer) as error:
                    problems.append(str(error))
            else:
                problems.append(self._health[source.name].last_error or f"{source.url} is down")
        raise Unavailable("; ".join(problems))

    def health(self) -> tuple[SourceHealth, ...]:
        """Return how each source is doing."""
        return tuple(
            SourceHealth(
                name=source.name,
                state=known.state,
                circuit=source.breaker.circuit.value,
                last_success=known.last_success,
                last_error=known.last_error,
            )
            for source in self.sources
            for known in (self._health[source.name],)
        )

    def answered(self, name: str, warnings: Sequence[str] = ()) -> None:
        """Note that the source *name* answered, with *warnings* if there are any."""
        state = "degraded" if warnings else "up"
        error = "; ".join(warnings)[:500] if warnings else None
        self._health[name] = SourceHealth(name, state, "closed", self._clock(), error)

    async def aclose(self) -> None:
        """Stop probing, and close the connections."""
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        for source in self.sources:
            await source.aclose()

    async def _with(self, source: HttpSource, work: Callable[[HttpSource], Awaitable[T]]) -> T:
        try:
            result = await work(source)
        except QueryRefused as error:
            self._note(source, "refusing", str(error))
            raise
        except (Unavailable, BadAnswer) as error:
            self._note(source, "down", str(error))
            raise
        self.answered(source.name)
        return result

    def _note(self, source: HttpSource, state: str, error: str) -> None:
        last = self._health[source.name].last_success
        self._health[source.name] = SourceHealth(
            source.name, state, source.breaker.circuit.value, last, error
        )

    def _probe(self, source: HttpSource) -> asyncio.Task[bool]:
        probe = asyncio.create_task(source.answers())
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)
        return probe
