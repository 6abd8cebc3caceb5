"""What is added is found again, once, and what is taken back stays in the chain."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slo.engine.ledger.records import Decision
from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.engine.ledger.tokens import hash_token, is_token, new_token
from slo.errors import InvalidRecord, LedgerConflict, LedgerError, UnknownRecord

from .samples import DAY, HASH, HOUR, NOW, correction, decision, freeze, override, token


class TestAdding:
    @pytest.mark.parametrize("make", [correction, freeze, override, decision])
    def test_returns_what_a_new_reader_finds(
        self, make: Callable[..., Any], open_new: Callable[[], SqlLedger]
    ) -> None:
        record = make()
        kind = type(record).__name__.lower()
        added = getattr(open_new(), f"add_{kind}")(record)

        assert record == added == getattr(open_new(), kind)(record.id)

    def test_keeps_numbers_that_json_has_no_name_for(self, ledger: SqlLedger) -> None:
        ledger.add_decision(decision(evidence={"burn": float("inf"), "sli": float("nan")}))

        assert {"burn": "+Inf", "sli": "NaN"} == ledger.decision("d1").evidence

    def test_keeps_any_letter(self, ledger: SqlLedger) -> None:
        reason = "Ümlaut, 数据库, 🔥, \"quotes\" and 'others'\nin two lines"
        ledger.add_freeze(freeze(reason=reason))

        assert reason == ledger.freeze("f1").reason
        assert ledger.verify() is None

    def test_many_at_once_are_all_or_none(self, ledger: SqlLedger) -> None:
        ledger.add_decisions([decision(f"d{i}", at=NOW + i) for i in range(50)])
        bad = [decision("new"), decision("d7", verdict="allow")]

        with pytest.raises(LedgerConflict):
            ledger.add_decisions(bad)
        assert [f"d{i}" for i in reversed(range(50))] == [d.id for d in ledger.decisions()]
        assert 50 == ledger.head().sequence

    def test_same_id_with_the_same_content_is_there_once(self, ledger: SqlLedger) -> None:
        """So that an attempt whose answer was lost can be repeated."""
        ledger.add_override(override())

        assert override() == ledger.add_override(override())
        assert 1 == ledger.head().sequence

    def test_same_id_with_other_content_is_refused(self, ledger: SqlLedger) -> None:
        ledger.add_override(override())

        with pytest.raises(LedgerConflict, match="another override with the id 'o1'"):
            ledger.add_override(override(verdict="deny"))


class TestIdempotencyKeys:
    def test_return_the_record_of_the_first_request(self, ledger: SqlLedger) -> None:
        first = ledger.add_correction(correction("c1"), "key")
        again = ledger.add_correction(correction("c2", created_at=NOW + 5), "key")

        assert first == again
        assert 1 == ledger.head().sequence

    def test_return_it_as_it_is_now(self, ledger: SqlLedger) -> None:
        ledger.add_correction(correction("c1"), "key")
        cancelled = ledger.cancel_correction("c1", "bob", NOW + 1)

        assert cancelled == ledger.add_correction(correction("c2"), "key")

    def test_times_counted_from_now_move_with_the_request(self, ledger: SqlLedger) -> None:
        first = ledger.add_override(override("o1"), "key")
        later = override("o2", created_at=NOW + 5, expires_at=NOW + 5 + HOUR)

        assert first == ledger.add_override(later, "key")

    @pytest.mark.parametrize(
        "other",
        [{"reason": "Another one"}, {"created_by": "bob"}, {"end": NOW - 1}, {"effect": "credit"}],
        ids=lambda fields: next(iter(fields)),
    )
    def test_refuse_other_content(self, other: dict[str, Any], ledger: SqlLedger) -> None:
        ledger.add_correction(correction("c1"), "key")

        with pytest.raises(LedgerConflict, match="take a new key for each new request"):
            ledger.add_correction(correction("c2", **other), "key")
        assert (correction("c1"),) == ledger.corrections(NOW - DAY, NOW)

    def test_of_decisions_compare_what_was_asked(self, ledger: SqlLedger) -> None:
        first = ledger.add_decision(decision("d1"), "key")
        later = decision("d2", at=NOW + 60, verdict="allow", reasons=("ok",))

        assert first == ledger.add_decision(later, "key")

    def test_are_each_kind_s_own(self, ledger: SqlLedger) -> None:
        ledger.add_correction(correction(), "key")
        ledger.add_freeze(freeze(), "key")

        assert 2 == ledger.head().sequence

    def test_hold_against_a_race(self, open_new: Callable[[], SqlLedger]) -> None:
        replicas = [open_new() for _ in range(4)]
        with ThreadPoolExecutor(8) as pool:
            added = list(
                pool.map(
                    lambda i: replicas[i % 4].add_freeze(freeze(f"f{i}"), f"key{i % 5}"), range(40)
                )
            )

        assert 5 == len({record.id for record in added})
        assert 5 == replicas[0].head().sequence
        assert replicas[0].verify() is None


class TestTakingBack:
    def test_of_a_correction_leaves_it_for_the_audit_only(self, ledger: SqlLedger) -> None:
        ledger.add_correction(correction())
        taken = ledger.cancel_correction("c1", "bob", NOW + 7)

        assert replace(correction(), cancelled_at=NOW + 7, cancelled_by="bob") == taken
        assert () == ledger.corrections(NOW - DAY, NOW)
        assert (taken,) == ledger.corrections(NOW - DAY, NOW, cancelled=True)

    def test_of_a_freeze_ends_it(self, ledger: SqlLedger) -> None:
        ledger.add_freeze(freeze())
        ended = ledger.cancel_freeze("f1", "bob", NOW + HOUR)

        assert (ended,) == ledger.freezes(NOW, NOW + 1)
        assert () == ledger.freezes(NOW + HOUR, NOW + 2 * HOUR)

    def test_of_an_override_ends_it(self, ledger: SqlLedger) -> None:
        ledger.add_override(override())
        ledger.revoke_override("o1", "bob", NOW + 60)

        assert ["o1"] == [o.id for o in ledger.overrides(NOW + 59)]
        assert () == ledger.overrides(NOW + 60)
        assert "bob" == ledger.override("o1").revoked_by
        assert ["o1"] == [o.id for o in ledger.overrides_between(NOW, NOW + DAY)]

    def test_twice_keeps_the_first_time(self, ledger: SqlLedger) -> None:
        ledger.add_freeze(freeze())
        first = ledger.cancel_freeze("f1", "bob", NOW + 1)

        assert first == ledger.cancel_freeze("f1", "eve", NOW + 2)
        assert 2 == ledger.head().sequence

    def test_of_what_is_not_there_says_so(self, ledger: SqlLedger) -> None:
        with pytest.raises(UnknownRecord, match="no freeze with the id 'f9'"):
            ledger.cancel_freeze("f9", "bob", NOW)
        with pytest.raises(UnknownRecord, match="no override"):
            ledger.override("o9")


class TestFinding:
    def test_corrections_by_time(self, ledger: SqlLedger) -> None:
        start, end = correction().start, correction().end
        ledger.add_correction(correction())

        assert 1 == len(ledger.corrections(start - 1, start + 1))
        assert 1 == len(ledger.corrections(end - 1, end + DAY))
        assert 1 == len(ledger.corrections(start, start))
        assert () == ledger.corrections(start - DAY, start)
        assert () == ledger.corrections(end, end + DAY)

    def test_recurring_freezes_by_their_occurrences(self, ledger: SqlLedger) -> None:
        """Fridays 16:00 to midnight, from 2026-09-25 on."""
        friday = 1_790_352_000.0
        ledger.add_freeze(
            freeze(start=friday, end=friday + 8 * HOUR, recurrence="FREQ=WEEKLY;BYDAY=FR")
        )

        assert 1 == len(ledger.freezes(friday + 70 * DAY + HOUR, friday + 70 * DAY + HOUR))
        assert () == ledger.freezes(friday + 71 * DAY, friday + 72 * DAY)

    def test_overrides_in_force(self, ledger: SqlLedger) -> None:
        ledger.add_override(override())

        assert 1 == len(ledger.overrides(NOW))
        assert () == ledger.overrides(NOW - 1)
        assert () == ledger.overrides(NOW + HOUR)

    def test_decisions_newest_first(self, ledger: SqlLedger) -> None:
        for i in (2, 0, 1):
            ledger.add_decision(decision(f"d{i}", at=NOW + i))

        assert ["d2", "d1", "d0"] == [d.id for d in ledger.decisions()]
        assert ["d1", "d0"] == [d.id for d in ledger.decisions(before=NOW + 2)]
        assert ["d2"] == [d.id for d in ledger.decisions(limit=1)]

    @pytest.mark.parametrize(
        ("slo", "wanted"),
        [
            ("checkout/availability", ["whole", "named"]),
            ("checkout/latency", ["whole"]),
            ("checkout", ["whole", "named"]),
            ("cart", ["two"]),
            ("search/latency", ["two"]),
            ("check", []),
        ],
    )
    def test_decisions_by_slo(self, slo: str, wanted: list[str], ledger: SqlLedger) -> None:
        requests: dict[str, dict[str, Any]] = {
            "named": {"service": "checkout", "slos": ["availability"]},
            "two": {"slos": ["cart/latency", "search/latency"]},
            "whole": {"service": "checkout"},
        }
        for name, request in requests.items():
            ledger.add_decision(decision(name, request=request))

        assert wanted == [d.id for d in ledger.decisions(slo=slo)]


class TestTokens:
    def test_are_kept_by_the_hash_of_their_secret(self, ledger: SqlLedger) -> None:
        secret, secret_hash = new_token()
        ledger.add_token(token(), secret_hash)
        ledger.note_token_use("t1", NOW + 9)
        ledger.note_token_use("t1", NOW + 3)
        ((found, kept),) = ledger.tokens()

        assert replace(token(), last_used_at=NOW + 9) == found
        assert is_token(secret, kept)
        assert not is_token(secret + "x", kept)

    def test_taken_back_say_so(self, ledger: SqlLedger) -> None:
        ledger.add_token(token(), HASH)
        ledger.revoke_token("t1", "ada", NOW + 1)

        assert [NOW + 1] == [found.revoked_at for found, _ in ledger.tokens()]
        assert ledger.verify() is None

    def test_secrets_never_reach_the_file(self, tmp_path: Path) -> None:
        secret, _ = new_token()
        with pytest.raises(InvalidRecord) as caught:
            open_ledger(f"sqlite:///{tmp_path}/l.db").add_token(token(), secret)

        assert secret not in str(caught.value)
        assert not any(secret.encode() in path.read_bytes() for path in tmp_path.iterdir())

    def test_secrets_are_long_and_all_different(self) -> None:
        secrets = {new_token()[0] for _ in range(1000)}

        assert 1000 == len(secrets)
        assert all(s.startswith("slo_") and len(s) >= 47 for s in secrets)
        assert 64 == len(hash_token("slo_x"))


class TestOpening:
    def test_makes_file_and_folder_for_the_owner_only(self, tmp_path: Path) -> None:
        open_ledger(f"sqlite:///{tmp_path}/new/ledger.db").add_freeze(freeze())

        assert 0o700 == (tmp_path / "new").stat().st_mode & 0o777
        assert {0o600} == {p.stat().st_mode & 0o777 for p in (tmp_path / "new").iterdir()}

    def test_makes_commits_durable(self, tmp_path: Path) -> None:
        ledger = open_ledger(f"sqlite:///{tmp_path}/l.db")
        settings = ledger._database.read(
            lambda c: [
                c.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            ]
        )

        assert ["wal", 2, 1, 5000] == settings

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("sqlite://", "a ledger is a file"),
            ("sqlite:///:memory:", "a ledger is a file"),
            ("mysql://root:hunter2@db/x", "cannot be kept in 'mysql'"),
            ("postgres hunter2", "cannot be read"),
        ],
    )
    def test_refuses_other_addresses_without_showing_secrets(self, url: str, words: str) -> None:
        with pytest.raises(LedgerError, match=words) as caught:
            open_ledger(url)

        assert "hunter2" not in str(caught.value)

    def test_refuses_a_file_that_is_something_else(self, tmp_path: Path) -> None:
        path = tmp_path / "shop.db"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE orders (id)")

        with pytest.raises(LedgerError, match="holds no ledger, or something else"):
            open_ledger(f"sqlite:///{path}")

    def test_makes_none_where_one_must_be(self, ledger_url: str) -> None:
        with pytest.raises(LedgerError, match="no ledger"):
            open_ledger(ledger_url, create=False)
        open_ledger(ledger_url).close()
        open_ledger(ledger_url, create=False).close()

    def test_refuses_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(LedgerError, match="is not a file"):
            open_ledger(f"sqlite:///{tmp_path}")

    def test_decisions_are_typed(self, ledger: SqlLedger) -> None:
        ledger.add_decision(decision())

        assert isinstance(ledger.decision("d1"), Decision)
        with pytest.raises(UnknownRecord):
            ledger.freeze("d1")
