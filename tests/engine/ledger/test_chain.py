"""Nobody changes what was recorded without `verify` naming the place."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import pytest

from slo.engine.ledger.chain import Head
from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.errors import LedgerError

from .samples import HASH, NOW, correction, decision, freeze, override, token


@pytest.fixture
def filled(ledger: SqlLedger) -> SqlLedger:
    """Return a ledger with seven events of every kind."""
    ledger.add_correction(correction(), "key")
    ledger.add_freeze(freeze())
    ledger.cancel_freeze("f1", "bob", NOW)
    ledger.add_override(override())
    ledger.add_decision(decision())
    ledger.add_token(token(), HASH)
    ledger.revoke_override("o1", "bob", NOW)
    return ledger


def run(ledger: SqlLedger, *statements: str) -> None:
    """Change the tables as somebody would who has the database's password."""
    database = ledger._database
    if database.is_sqlite:
        off = ["DROP TRIGGER events_no_update", "DROP TRIGGER events_no_delete"]
    else:
        off = ["ALTER TABLE events DISABLE TRIGGER USER"]
    for statement in [*off, *statements]:
        database.write(lambda c, sql=statement: c.exec_driver_sql(sql))


class TestVerify:
    def test_finds_nothing_wrong_with_a_whole_chain(self, filled: SqlLedger) -> None:
        assert 7 == filled.head().sequence
        assert filled.verify() is None
        assert filled.verify(filled.head()) is None

    def test_finds_nothing_wrong_with_an_empty_one(self, ledger: SqlLedger) -> None:
        assert ledger.verify() is None
        assert Head(0, "0" * 64) == ledger.head()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ("actor = 'eve'", "event 4 was changed"),
            ("payload = replace(payload, 'allow', 'deny')", "event 4 was changed"),
            ("at = at + 1", "event 4 was changed"),
            ("record_id = 'o2'", "event 4 was changed"),
            ("idempotency_key = 'x'", "event 4 was changed"),
            ("previous_hash = hash", "event 4 does not follow event 3"),
        ],
        ids=lambda text: text.split(" =")[0],
    )
    def test_names_an_event_that_was_changed(
        self, change: str, words: str, filled: SqlLedger
    ) -> None:
        run(filled, f"UPDATE events SET {change} WHERE sequence = 4")

        assert words in str(filled.verify())

    def test_names_an_event_that_is_missing(self, filled: SqlLedger) -> None:
        run(
            filled,
            "DELETE FROM decision_slos WHERE sequence = 5",
            "DELETE FROM records WHERE sequence = 5",
            "DELETE FROM events WHERE sequence = 5",
        )

        assert "event 5 is missing: the next one is 6" == filled.verify()

    def test_needs_a_head_to_see_that_the_end_is_missing(self, filled: SqlLedger) -> None:
        head = filled.head()
        run(
            filled,
            "UPDATE records SET ended_sequence = NULL, ended_at = NULL, ended_by = NULL "
            "WHERE ended_sequence = 7",
            "DELETE FROM events WHERE sequence = 7",
        )

        assert filled.verify() is None
        assert "event 7 is missing: there were 7 before" == filled.verify(head)

    def test_needs_a_head_to_see_that_all_was_rewritten(self, filled: SqlLedger) -> None:
        known = Head(3, "f" * 64)

        assert "event 3 is another one than before" in str(filled.verify(known))

    @pytest.mark.parametrize(
        ("statement", "words"),
        [
            ("UPDATE records SET until = until + 1 WHERE kind = 'override'", "event 4"),
            ("DELETE FROM decision_slos", "event 5: the index lacks an SLO"),
            ("DELETE FROM records WHERE kind = 'token'", "event 6: the index lacks this record"),
            ("UPDATE records SET ended_at = 1 WHERE id = 'o1'", "event 7: the index lacks this"),
            (
                "INSERT INTO records (kind, id, sequence, since) VALUES ('freeze', 'f9', 3, 1)",
                "records that no event added",
            ),
        ],
    )
    def test_names_what_is_wrong_with_the_index_and_rebuilding_repairs_it(
        self, statement: str, words: str, filled: SqlLedger
    ) -> None:
        before = filled.decisions(slo="checkout"), filled.tokens(), filled.overrides(NOW - 1)
        run(filled, statement)

        assert words in str(filled.verify())
        assert 7 == filled.rebuild()
        assert filled.verify() is None
        assert before == (
            filled.decisions(slo="checkout"),
            filled.tokens(),
            filled.overrides(NOW - 1),
        )


class TestEvents:
    @pytest.mark.parametrize(
        "statement", ["UPDATE events SET actor = 'eve'", "DELETE FROM events"], ids=str.split
    )
    def test_are_not_changed_by_mistake(self, statement: str, filled: SqlLedger) -> None:
        with pytest.raises(LedgerError, match="events are never changed"):
            filled._database.write(lambda c: c.exec_driver_sql(statement))
        assert filled.verify() is None


def add_many(url: str, name: str, number: int) -> None:
    ledger = open_ledger(url, seconds=30)
    for i in range(number):
        ledger.add_decision(decision(f"{name}-{i}", at=NOW + i))
    ledger.close()


class TestWriters:
    def test_in_several_processes_make_one_chain(
        self, ledger_url: str, open_new: Callable[[], SqlLedger]
    ) -> None:
        """They also make the ledger, all at once."""
        context = multiprocessing.get_context("spawn")
        workers = [
            context.Process(target=add_many, args=(ledger_url, f"w{w}", 25)) for w in range(3)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)

        assert [0, 0, 0] == [worker.exitcode for worker in workers]
        ledger = open_new()
        assert 75 == ledger.head().sequence
        assert ledger.verify() is None
        assert {f"w{w}-{i}" for w in range(3) for i in range(25)} == {
            d.id for d in ledger.decisions()
        }
