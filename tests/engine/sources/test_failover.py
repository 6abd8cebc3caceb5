"""The first source that works is asked; the others are neither waited for nor forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from slo.duration import seconds
from slo.engine.sources.breaker import BreakerLimits, CircuitBreaker
from slo.engine.sources.connection import Connection
from slo.engine.sources.failover import Failover
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import QueryRefused, Unavailable

from .misbehaving import Server, answer_of, serving

Reply = Callable[[dict[str, str]], Any]

EMPTY = answer_of([])


def good(form: dict[str, str]) -> Any:
    return 200, {}, EMPTY


def broken(form: dict[str, str]) -> Any:
    return 404, {}, b"no Prometheus"


def hanging(form: dict[str, str]) -> Any:
    return None


def with_sources(work: Callable[[Failover, list[Server]], Awaitable[Any]], *replies: Reply) -> Any:
    """Return what *work* returns with a source a reply, named by their numbers."""

    async def run() -> Any:
        async with AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(serving(reply)) for reply in replies]
            limits = BreakerLimits(consecutive=2, probe_every=0.0)
            sources = [
                HttpSource(
                    Connection(server.url, timeout=seconds(0.3)),
                    name=str(number),
                    breaker=CircuitBreaker(limits),
                )
                for number, server in enumerate(servers)
            ]
            failover = Failover(sources, clock=lambda: 7.0)
            try:
                return await work(failover, servers)
            finally:
                await failover.aclose()

    return asyncio.run(run())


async def name_of_answering(source: HttpSource) -> str:
    await source.instant("up")
    return source.name


class TestFirst:
    def test_in_the_given_order(self) -> None:
        """The first one is asked, and nobody else."""

        async def work(failover: Failover, servers: list[Server]) -> Any:
            return await failover.first(name_of_answering), len(servers[1].requests)

        assert ("0", 0) == with_sources(work, good, good)

    @pytest.mark.parametrize("bad", [broken, hanging])
    def test_the_next_one(self, bad: Reply) -> None:
        """A server that fails, or is no Prometheus, is passed over."""

        async def work(failover: Failover, servers: list[Server]) -> Any:
            return await failover.first(name_of_answering), failover.health()

        name, health = with_sources(work, bad, good)

        assert "1" == name
        assert ["down", "up"] == [source.state for source in health]
        assert [None, 7.0] == [source.last_success for source in health]
        assert health[0].last_error

    def test_wrong_query(self) -> None:
        """A query that one server refuses is not put to the next."""

        async def work(failover: Failover, servers: list[Server]) -> Any:
            with pytest.raises(QueryRefused):
                await failover.first(name_of_answering)
            return [source.state for source in failover.health()], len(servers[1].requests)

        assert (["refusing", "up"], 0) == with_sources(work, lambda form: (400, {}, b"{}"), good)

    def test_nobody(self) -> None:
        """Without any answer the error tells of each server."""

        async def work(failover: Failover, servers: list[Server]) -> None:
            with pytest.raises(Unavailable, match=r"status 404.*; .*within 0\.3 s"):
                await failover.first(name_of_answering)

        with_sources(work, broken, hanging)


class TestOpenCircuits:
    def test_probed_without_waiting(self) -> None:
        """Who does not answer is passed over at once, and used again once a probe is answered."""
        works = False

        async def work(failover: Failover, servers: list[Server]) -> list[str]:
            nonlocal works
            names = [await failover.first(name_of_answering) for _ in range(2)]
            assert "open" == failover.health()[0].circuit
            works = True
            for _ in range(2):
                names.append(await failover.first(name_of_answering))
                await asyncio.sleep(0.2)
            return names

        first = lambda form: (200, {}, EMPTY) if works else None  # noqa: E731

        assert ["1", "1", "1", "0"] == with_sources(work, first, good)

    def test_the_last_resort(self) -> None:
        """Where no circuit is closed, a probe that is answered is worth waiting for."""
        works = False

        async def work(failover: Failover, servers: list[Server]) -> str:
            nonlocal works
            for _ in range(2):
                with pytest.raises(Unavailable):
                    await failover.first(name_of_answering)
            assert "open" == failover.health()[0].circuit
            works = True
            return await failover.first(name_of_answering)

        assert "0" == with_sources(work, lambda form: good(form) if works else broken(form))


def test_warnings_degrade() -> None:
    """A server that answers with warnings is degraded until it answers without."""

    async def work(failover: Failover, servers: list[Server]) -> list[str]:
        failover.answered("0", ["a store is down"])
        first = failover.health()[0]
        assert "a store is down" == first.last_error
        failover.answered("0")
        return [first.state, failover.health()[0].state]

    assert ["degraded", "up"] == with_sources(work, good)
