"""The poller refreshes once at a time, publishes what it has, and depends on nobody."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from slo.duration import seconds
from slo.engine.ledger.records import BudgetPoint, Correction, Freeze, Target
from slo.engine.options import CompileOptions
from slo.engine.sources.breaker import BreakerLimits, CircuitBreaker
from slo.engine.sources.connection import Connection
from slo.engine.sources.failover import Failover
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import Answer
from slo.engine.status import queries
from slo.engine.status.declared import read_declared
from slo.engine.status.holder import Holder
from slo.engine.status.model import State
from slo.engine.status.poller import Pace, Poller
from slo.errors import LedgerError

from ..sources.misbehaving import (  # noqa: TID252 - tests are no package
    Server,
    answer_of,
    serving,
)
from .samples import answers

PACE = Pace(interval=30.0, jitter=0.0, deadline=25.0, point_every=10.0)
# Where something hangs, so that it is given up soon.
QUICK = Pace(interval=3.0, jitter=0.0, deadline=2.0, point_every=10.0)


def recorded(form: dict[str, str]) -> Any:
    """Answer like a server that records one SLO."""
    found = answers()
    wanted: dict[str, Answer | None] = {
        queries.BUDGETS: found.budgets,
        queries.EVALUATED: found.evaluated,
        queries.BURN_RATES: found.burn_rates,
        queries.EVENTS: found.events,
        queries.TRAFFIC: found.traffic,
    }
    answer = wanted.get(form["query"])
    series = answer.series if answer is not None else ()
    now = time.time()
    result = [{"metric": s.labels, "value": [now, str(s.samples[0][1])]} for s in series]
    if form["query"] == queries.EVALUATED:
        result = [{**one, "value": [now, str(now - 60)]} for one in result]
    return 200, {}, answer_of(result)


class Keeper:
    """Be a ledger in memory, that fails or hangs when it is told to."""

    def __init__(self) -> None:
        self.points: list[BudgetPoint] = []
        self.frozen: list[Freeze] = []
        self.holder: str | None = None
        self.fails = False
        self.hangs = threading.Event()
        self.hangs.set()

    def _work(self) -> None:
        self.hangs.wait(10)
        if self.fails:
            raise LedgerError("the disk is full")

    def corrections(self, start: float, end: float) -> Sequence[Correction]:
        self._work()
        return ()

    def freezes(self, start: float, end: float) -> Sequence[Freeze]:
        self._work()
        return self.frozen

    def add_budget_points(self, points: Sequence[BudgetPoint]) -> None:
        self._work()
        self.points += points

    def acquire_lease(self, name: str, holder: str, seconds: float) -> bool:
        self._work()
        self.holder = self.holder or holder
        return self.holder == holder

    def release_lease(self, name: str, holder: str) -> None:
        self.holder = None


Work = Callable[[Poller, Holder, Server], Awaitable[Any]]


def polling(
    work: Work, reply: Any = recorded, breaker: CircuitBreaker | None = None, **options: Any
) -> Any:
    """Return what *work* returns with a poller of a server that answers by *reply*."""

    async def run() -> Any:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(serving(reply))
            source = HttpSource(Connection(server.url, timeout=seconds(20)), breaker=breaker)
            failover, holder = Failover([source]), Holder()
            stack.push_async_callback(failover.aclose)
            poller = Poller(failover, holder, **{"pace": PACE, **options})
            stack.push_async_callback(poller.stop)
            return await work(poller, holder, server)

    return asyncio.run(run())


class TestRefresh:
    def test_publishes(self) -> None:
        """A refresh makes a snapshot, and the next one has the next number."""

        async def work(poller: Poller, holder: Holder, server: Server) -> Any:
            assert holder.current(time.time()) is None
            await poller.refresh()
            await poller.refresh()
            return holder.current(time.time())

        found = polling(work)

        assert (2, True) == (found.number, found.complete)
        assert [State.OK] == [status.state for status in found.statuses]

    def test_an_outage_is_two_lines_of_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """One says that it began and why, one that it is over; not one for each attempt."""
        broken = [True]

        def reply(form: dict[str, str]) -> Any:
            return (200, {}, b"<html>") if broken[0] else recorded(form)

        async def work(poller: Poller, holder: Holder, server: Server) -> None:
            for _ in range(3):
                await poller.refresh()
            broken[0] = False
            for _ in range(2):
                await poller.refresh()

        with caplog.at_level(logging.INFO, "slo.engine.status.poller"):
            polling(work, reply, CircuitBreaker(BreakerLimits(consecutive=100, calls=100)))

        began, over = (record.message for record in caplog.records)
        assert "no refresh: " in began
        assert "refreshed again after" in over

    def test_says_that_nothing_was_ever_read(self, write_spec: Any) -> None:
        """SLOs of the specs show, and are not blamed; asking again makes nothing younger."""
        specs = read_declared([str(write_spec())], CompileOptions(kinds=()))

        async def work(poller: Poller, holder: Holder, server: Server) -> Any:
            await poller.refresh()
            first = holder.current(time.time())
            await poller.refresh()
            return first, holder.current(time.time())

        first, second = polling(work, lambda form: (200, {}, b"<html>"), declared=specs)

        assert [("No metrics server has answered yet.",)] == [s.reasons for s in second.statuses]
        assert (0, first.taken_at, False) == (second.number, second.taken_at, second.complete)

    def test_new_specs_show_while_nothing_can_be_read(self, write_spec: Any) -> None:
        """The numbers stay, and so does their age."""
        broken = [False]
        new = read_declared([str(write_spec(service="other"))], CompileOptions(kinds=()))

        def reply(form: dict[str, str]) -> Any:
            return (200, {}, b"<html>") if broken[0] else recorded(form)

        async def work(poller: Poller, holder: Holder, server: Server) -> Any:
            await poller.refresh()
            before = holder.current(time.time())
            broken[0] = True
            poller.declared = new
            await poller.refresh()
            return before, holder.current(time.time())

        before, after = polling(work, reply)

        assert ["other/availability", "shop/requests"] == [s.key for s in after.statuses]
        assert (before.number, before.taken_at) == (after.number, after.taken_at)

    def test_single_flight(self) -> None:
        """A thousand who ask for a refresh at once cause one."""

        async def work(poller: Poller, holder: Holder, server: Server) -> int:
            await asyncio.gather(*(poller.refresh() for _ in range(1_000)))
            return len([r for r in server.requests if r[2]["query"] == queries.BUDGETS])

        assert 1 == polling(work)

    def test_readers_cause_no_queries(self) -> None:
        """A thousand readers of the snapshot ask the server nothing."""

        async def work(poller: Poller, holder: Holder, server: Server) -> int:
            await poller.refresh()
            before = len(server.requests)

            async def read() -> None:
                for _ in range(10):
                    assert holder.current(time.time()) is not None
                    await asyncio.sleep(0)

            await asyncio.gather(*(read() for _ in range(1_000)))
            return len(server.requests) - before

        assert 0 == polling(work)

    def test_part_of_the_answers(self) -> None:
        """Where some queries are not answered, what is known is published as incomplete."""

        def reply(form: dict[str, str]) -> Any:
            return None if form["query"] == queries.BURN_RATES else recorded(form)

        async def work(poller: Poller, holder: Holder, server: Server) -> Any:
            await poller.refresh()
            return holder.current(time.time())

        found = polling(work, reply, pace=QUICK)

        assert not found.complete
        assert "down" == found.sources[0].state
        (status,) = found.statuses
        assert status.budget.remaining == pytest.approx(0.6)
        assert () == status.burn_rates

    def test_query_that_is_refused(self) -> None:
        """A server that refuses the queries is not said to be down."""

        async def work(poller: Poller, holder: Holder, server: Server) -> Any:
            await poller.refresh()
            return holder.current(time.time())

        found = polling(work, lambda form: (422, {}, b'{"error":"no such function"}'))

        assert (0, "refusing", "closed") == (
            found.number,
            found.sources[0].state,
            found.sources[0].circuit,
        )
        assert "no such function" in found.sources[0].last_error

    def test_warnings(self) -> None:
        """What the server says about its answer stands with every number."""

        def reply(form: dict[str, str]) -> Any:
            status, headers, body = recorded(form)
            return status, headers, body[:-1] + b',"warnings":["a store is down"]}'

        async def work(poller: Poller, holder: Holder, server: Server) -> Any:
            await poller.refresh()
            return holder.current(time.time())

        found = polling(work, reply)

        assert "degraded" == found.sources[0].state
        assert ("a store is down",) == found.statuses[0].provenance.warnings

    def test_deadline_must_be_shorter_than_the_interval(self) -> None:
        """Refreshes never overlap."""
        with pytest.raises(ValueError, match="shorter"):
            Pace(interval=10, deadline=10)


class TestSchedule:
    def test_refreshes_by_itself(self) -> None:
        """Once started it refreshes again and again, and stops when told to."""

        async def work(poller: Poller, holder: Holder, server: Server) -> None:
            poller.start()
            async for snapshot in holder.subscribe():
                if snapshot.number == 3:
                    break
            await poller.stop()
            await asyncio.sleep(0.1)
            before = len(server.requests)
            await asyncio.sleep(1.2)
            assert before == len(server.requests)

        polling(work, pace=Pace(interval=1.0, jitter=0.0, deadline=0.9))

    def test_a_clock_that_is_set_back_stops_nothing(self) -> None:
        """An hour back, the next refresh comes in time, and ages are right again with it."""
        behind = [0.0]
        keeper = Keeper()

        async def work(poller: Poller, holder: Holder, server: Server) -> Any:
            await poller.tick()
            await poller.idle()
            behind[0] = 3_600.0
            await poller.tick()
            await poller.idle()
            return holder.current(time.time() - behind[0])

        found = polling(work, clock=lambda: time.time() - behind[0], ledger=keeper)

        assert 2 == found.number
        assert 60 == pytest.approx(found.statuses[0].provenance.age, abs=5)
        assert 2 == len(keeper.points)


class TestStop:
    def test_during_a_reading_is_no_failed_job(self, caplog: pytest.LogCaptureFixture) -> None:
        """The scheduler logs what its jobs raise, and this is nobody's mistake."""

        async def work(poller: Poller, holder: Holder, server: Server) -> None:
            poller.start()
            while not server.requests:
                await asyncio.sleep(0.01)
            await poller.stop()
            await asyncio.sleep(0.05)

        with caplog.at_level(logging.WARNING):
            polling(work, lambda form: None)

        assert [] == [record for record in caplog.records if record.name.startswith("apscheduler")]


class TestSubscribe:
    def test_slow_reader(self) -> None:
        """A slow reader gets the latest one, and misses those between."""

        async def work(poller: Poller, holder: Holder, server: Server) -> list[int]:
            numbers = []
            async for snapshot in holder.subscribe():
                numbers.append(snapshot.number)
                if len(numbers) == 2:
                    return numbers
                await poller.refresh()
                await poller.refresh()
            return numbers

        async def start(poller: Poller, holder: Holder, server: Server) -> list[int]:
            await poller.refresh()
            found: list[int] = await work(poller, holder, server)
            return found

        assert [1, 3] == polling(start)


class TestLedger:
    def test_points(self) -> None:
        """The leader writes how budgets stood; twice in a stretch would be the same points."""
        keeper = Keeper()
        now = [10_000_003.0]

        async def work(poller: Poller, holder: Holder, server: Server) -> None:
            for _ in range(4):
                await poller.refresh()
                await poller.idle()
                now[0] += 5.0

        polling(work, ledger=keeper, clock=lambda: now[0])

        assert [9_999_990.0, 10_000_000.0] == [point.at for point in keeper.points]
        (first, _) = keeper.points
        assert ("shop/requests", 10.0, 100.0) == (first.slo, first.seconds, first.total)
        assert 0.04 == pytest.approx(first.bad)
        assert 0.6 == pytest.approx(first.remaining)

    def test_freezes(self) -> None:
        """A freeze of the ledger freezes."""
        keeper = Keeper()
        keeper.frozen = [Freeze("f", Target("shop/*"), 0, 9e9, "sale", "me", 0)]

        async def work(poller: Poller, holder: Holder, server: Server) -> Any:
            await poller.refresh()
            return holder.current(time.time())

        assert State.FROZEN is polling(work, ledger=keeper).statuses[0].state

    @pytest.mark.parametrize("how", ["fails", "hangs"])
    def test_ledger_that_does_not_answer(self, how: str) -> None:
        """Reading goes on without the ledger, with what was last known of it."""
        keeper = Keeper()
        keeper.frozen = [Freeze("f", Target("shop/*"), 0, 9e9, "sale", "me", 0)]

        async def work(poller: Poller, holder: Holder, server: Server) -> Any:
            await poller.refresh()
            if how == "fails":
                keeper.fails = True
            else:
                keeper.hangs.clear()
            for _ in range(2):
                await poller.refresh()
            found = holder.current(time.time())
            keeper.hangs.set()
            return found

        found = polling(work, ledger=keeper, pace=QUICK)

        assert 3 == found.number
        (status,) = found.statuses
        assert State.FROZEN is status.state
        if how == "fails":
            assert "ledger does not answer" in status.provenance.warnings[0]


class TestLease:
    def two(self, work: Callable[[Poller, Poller, Keeper], Awaitable[Any]]) -> Any:
        """Return what *work* returns with two replicas that share a ledger."""
        keeper = Keeper()

        async def with_one(first: Poller, holder: Holder, server: Server) -> Any:
            failover = Failover([HttpSource(Connection(server.url, timeout=seconds(20)))])
            second = Poller(failover, Holder(), ledger=keeper, name="two", pace=PACE)
            try:
                return await work(first, second, keeper)
            finally:
                await second.stop()
                await failover.aclose()

        return polling(with_one, ledger=keeper, name="one")

    def test_one_leads(self) -> None:
        """One of two replicas leads, and only that one writes."""

        async def work(first: Poller, second: Poller, keeper: Keeper) -> Any:
            for _ in range(2):
                await first.tick()
                await second.tick()
            await first.idle()
            await second.idle()
            return first.leads, second.leads, len(keeper.points)

        assert (True, False, 1) == self.two(work)

    def test_takeover(self) -> None:
        """When the leader gives up the lease the other one has it at its next turn."""

        async def work(first: Poller, second: Poller, keeper: Keeper) -> bool:
            await first.tick()
            await second.tick()
            assert not second.leads
            await first.stop()
            await second.tick()
            return second.leads

        assert self.two(work)

    def test_lease_is_shorter_than_two_refreshes(self) -> None:
        """A leader that dies is replaced within two refreshes."""
        assert Pace().lease < 2 * Pace().interval

    def test_database_that_is_gone(self) -> None:
        """Without the database the leader goes on, and so does the other."""

        async def work(first: Poller, second: Poller, keeper: Keeper) -> tuple[bool, bool]:
            await first.tick()
            await second.tick()
            keeper.fails = True
            await first.tick()
            await second.tick()
            return first.leads, second.leads

        assert (True, False) == self.two(work)
