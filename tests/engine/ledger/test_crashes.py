"""Writers that are killed at any moment lose nothing that they acknowledged, and double nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.errors import LedgerError

from .postgres import Postgres
from .samples import NOW, correction, decision, freeze

# More than enough for the default run; benchmarks/ledger.py kills a thousand.
KILLS = 60
LONGEST_LIFE_SECONDS = 0.12


def write_until_killed(url: str, path: str, run: int) -> None:
    """Add records without end, and note in *path* each one that was acknowledged."""
    ledger = open_ledger(url)
    acknowledged = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(acknowledged, b"ready\n")
    for i in range(10**9):
        name = f"{run}-{i}"
        if i % 3 == 0:
            ledger.add_decision(decision(name, at=NOW + i), f"key {name}")
        elif i % 3 == 1:
            ledger.add_correction(correction(name))
        else:
            ledger.add_freeze(freeze(name))
            os.write(acknowledged, f"{name}\n".encode())
            ledger.cancel_freeze(name, "bob", NOW)
            name = f"end of {name}"
        os.write(acknowledged, f"{name}\n".encode())


def server() -> ForkServerContext:
    """Return a context whose processes start at once, with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "slo.engine.ledger.sql"])
    return context


def kill_a_writer(
    context: ForkServerContext, url: str, folder: Path, run: int, life: float
) -> list[str]:
    """Return what a writer acknowledged before it was killed."""
    path = folder / f"{run}.txt"
    worker = context.Process(target=write_until_killed, args=(url, str(path), run))
    worker.start()
    deadline = time.monotonic() + 60
    while not path.exists() or not path.read_bytes():
        assert worker.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(life)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    *whole, _torn = path.read_text().split("\n")
    return whole[1:]


def recorded(ledger: SqlLedger) -> list[str]:
    """Return what the chain holds, in order, in the words of the writer."""
    rows = ledger._database.read(
        lambda c: c.exec_driver_sql(
            "SELECT kind, record_id, payload FROM events ORDER BY sequence"
        ).all()
    )
    for kind, record_id, payload in rows:
        assert kind.endswith(".cancelled") or record_id == json.loads(payload)["id"]
    return [f"end of {name}" if kind.endswith(".cancelled") else name for kind, name, _ in rows]


class TestKilledWriters:
    def test_lose_and_double_nothing(
        self, ledger_url: str, open_new: Callable[[], SqlLedger], tmp_path: Path
    ) -> None:
        context, chance = server(), random.Random(4)
        kills = KILLS if ledger_url.startswith("sqlite") else KILLS // 3
        ledger = open_new()
        acknowledged: list[str] = []
        for run in range(kills):
            life = chance.uniform(0, LONGEST_LIFE_SECONDS)
            acknowledged += kill_a_writer(context, ledger_url, tmp_path, run, life)
        found = recorded(ledger)

        assert ledger.verify() is None
        assert len(found) == len(set(found))
        assert set(acknowledged) <= set(found)
        # Of each writer, at most the record that it was about to acknowledge.
        assert len(found) - len(acknowledged) <= kills
        assert acknowledged

    def test_that_write_again_after_a_new_start_double_nothing(
        self, ledger_url: str, open_new: Callable[[], SqlLedger], tmp_path: Path
    ) -> None:
        """A client whose answer was lost sends the same request again."""
        context = server()
        for run in range(5):
            kill_a_writer(context, ledger_url, tmp_path, run, 0.03)
        ledger = open_new()
        before = recorded(ledger)
        for name in before:
            if not name.startswith("end") and int(name.partition("-")[2]) % 3 == 0:
                again = decision(f"{name} again", at=NOW)
                assert name == ledger.add_decision(again, f"key {name}").id

        assert before == recorded(ledger)


@pytest.mark.servers
class TestPostgres:
    def test_that_crashes_keeps_what_was_acknowledged(self, postgres: Postgres) -> None:
        url = postgres.new_database()
        ledger = open_ledger(url)
        acknowledged: list[str] = []
        over = threading.Event()

        def write() -> None:
            for i in range(10**6):
                if over.is_set():
                    return
                try:
                    acknowledged.append(ledger.add_freeze(freeze(f"f{i}")).id)
                except LedgerError:
                    time.sleep(0.01)

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(3):
            reach(acknowledged, len(acknowledged) + 30)
            with postgres.crashed():
                pass
        reach(acknowledged, len(acknowledged) + 30)
        over.set()
        writer.join()

        found = recorded(ledger)
        assert len(found) == len(set(found))
        assert set(acknowledged) <= set(found)
        assert ledger.verify() is None
        ledger.close()

    def test_that_was_away_between_two_calls_goes_unnoticed(self, postgres: Postgres) -> None:
        """The connections that were kept open are dead; new ones are made without an error."""
        ledger = open_ledger(postgres.new_database())
        ledger.add_freeze(freeze())
        with postgres.crashed():
            pass

        ledger.add_freeze(freeze("f2"))
        assert 2 == ledger.head().sequence
        ledger.close()

    def test_that_is_stopped_is_an_error_until_it_starts(self, postgres: Postgres) -> None:
        ledger = open_ledger(postgres.new_database())
        ledger.add_freeze(freeze())
        with postgres.stopped():
            for call in (
                ledger.head,
                lambda: ledger.add_freeze(freeze("f2")),
                lambda: ledger.acquire_lease("poller", "us", 60),
            ):
                with pytest.raises(LedgerError, match=r"the ledger postgresql://127.* reach"):
                    call()

        assert (freeze(),) == ledger.freezes(NOW, NOW + 1)
        ledger.add_freeze(freeze("f2"))
        assert ledger.verify() is None
        ledger.close()

    def test_that_hangs_is_an_error_in_time(self, postgres: Postgres) -> None:
        """Its connections stay open and nothing comes: only our own deadline helps."""
        ledger = open_ledger(postgres.new_database(), seconds=2)
        ledger.add_freeze(freeze())
        with postgres.frozen():
            with pytest.raises(LedgerError, match=r"did not answer within 2 s"):
                ledger.head()
            with pytest.raises(LedgerError):
                ledger.add_freeze(freeze("f2"))

        assert (freeze(),) == ledger.freezes(NOW, NOW + 1)[:1]
        assert ledger.verify() is None
        ledger.close()


def reach(items: list[str], length: int) -> None:
    deadline = time.monotonic() + 60
    while len(items) < length:
        assert time.monotonic() < deadline, "the writer does not come forward"
        time.sleep(0.005)
