"""One replica at a time has a lease."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable

import pytest

from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.errors import InvalidRecord


def age(ledger: SqlLedger, seconds: float) -> None:
    """Let all leases be so much older, so that no test waits for them."""
    ledger._database.write(
        lambda c: c.exec_driver_sql(f"UPDATE leases SET expires_at = expires_at - {seconds}")
    )


class TestLease:
    def test_has_one_holder(self, open_new: Callable[[], SqlLedger]) -> None:
        first, second = open_new(), open_new()

        assert first.acquire_lease("poller", "a", 60)
        assert not second.acquire_lease("poller", "b", 60)
        assert second.acquire_lease("another", "b", 60)

    def test_is_renewed_by_its_holder(self, ledger: SqlLedger) -> None:
        ledger.acquire_lease("poller", "a", 60)
        age(ledger, 50)
        assert ledger.acquire_lease("poller", "a", 60)
        age(ledger, 50)

        assert not ledger.acquire_lease("poller", "b", 60)

    def test_is_taken_over_once_it_has_expired(self, ledger: SqlLedger) -> None:
        ledger.acquire_lease("poller", "a", 60)
        age(ledger, 61)

        assert ledger.acquire_lease("poller", "b", 60)
        assert not ledger.acquire_lease("poller", "a", 60)

    def test_is_given_back_by_its_holder_only(self, ledger: SqlLedger) -> None:
        ledger.acquire_lease("poller", "a", 60)
        ledger.release_lease("poller", "b")
        assert not ledger.acquire_lease("poller", "b", 60)
        ledger.release_lease("poller", "a")

        assert ledger.acquire_lease("poller", "b", 60)

    def test_goes_by_the_clock_of_the_database(self, ledger: SqlLedger) -> None:
        """Both servers run on this machine, so their clocks say what ours says."""
        now = ledger._database.read(lambda c: c.execute(_now(ledger)).scalar_one())

        assert math.isclose(time.time(), now, rel_tol=0, abs_tol=60)

    @pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
    def test_refuses_a_length_that_makes_no_sense(self, seconds: float, ledger: SqlLedger) -> None:
        with pytest.raises(InvalidRecord):
            ledger.acquire_lease("poller", "a", seconds)


def _now(ledger: SqlLedger):  # type: ignore[no-untyped-def]
    from sqlalchemy import select

    return select(ledger._database.now())


def compete(url: str, holder: str, rounds: int, answers) -> None:  # type: ignore[no-untyped-def]
    ledger = open_ledger(url, seconds=30)
    answers.put([ledger.acquire_lease(f"job {i}", holder, 600) for i in range(rounds)])
    ledger.close()


class TestReplicas:
    def test_in_several_processes_never_hold_the_same_lease(
        self, ledger_url: str, ledger: SqlLedger
    ) -> None:
        context = multiprocessing.get_context("spawn")
        answers = context.Queue()
        workers = [
            context.Process(target=compete, args=(ledger_url, name, 20, answers))
            for name in ("a", "b", "c")
        ]
        for worker in workers:
            worker.start()
        found = [answers.get(timeout=60) for _ in workers]
        for worker in workers:
            worker.join(30)

        assert [1] * 20 == [sum(held) for held in zip(*found, strict=True)]

    def test_that_are_killed_lose_theirs(self, ledger_url: str, ledger: SqlLedger) -> None:
        context = multiprocessing.get_context("spawn")
        answers = context.Queue()
        worker = context.Process(target=hold, args=(ledger_url, answers))
        worker.start()
        assert answers.get(timeout=60)
        worker.kill()
        worker.join()

        assert not ledger.acquire_lease("poller", "us", 60)
        age(ledger, 601)
        assert ledger.acquire_lease("poller", "us", 60)


def hold(url: str, answers) -> None:  # type: ignore[no-untyped-def]
    answers.put(open_ledger(url).acquire_lease("poller", "them", 600))
    time.sleep(600)
