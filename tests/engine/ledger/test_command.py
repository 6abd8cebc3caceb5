"""`slo ledger` checks, repairs and moves a ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slo.engine.cli import program
from slo.engine.ledger import chain
from slo.engine.ledger.retention import Retention
from slo.engine.ledger.sql import open_ledger
from slo.errors import LedgerError

from .samples import DAY, HASH, NOW, decision, freeze, point, token
from .test_chain import run


def slo(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["ledger", *arguments])


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Return the address of a ledger on SQLite that holds something of everything."""
    url = f"sqlite:///{tmp_path}/source.db"
    ledger = open_ledger(url, retention=Retention(raw=3_600.0))
    ledger.add_decisions([decision(f"d{i}", at=NOW + i) for i in range(20)])
    ledger.add_freeze(freeze(), "key")
    ledger.cancel_freeze("f1", "bob", NOW + 1)
    ledger.add_token(token(), HASH)
    ledger.note_token_use("t1", NOW)
    ledger.add_budget_points([point(at=NOW + 60 * i) for i in range(200)])
    ledger.add_budget_points([point("cart/latency", at=NOW, labels={"region": "eu"})])
    ledger.roll_up(NOW + 7_200)
    ledger.close()
    return url


class TestVerify:
    def test_prints_the_last_record_and_takes_it_again(self, source: str) -> None:
        first = slo("verify", source)
        again = slo("verify", source, "--known", first.stdout.strip())

        assert (0, 0) == (first.exit_code, again.exit_code)
        assert first.stdout == again.stdout
        assert first.stdout.startswith("23:")

    def test_says_what_is_wrong_and_how_to_repair_it(self, source: str) -> None:
        ledger = open_ledger(source)
        run(ledger, "DELETE FROM records WHERE id = 'd3'")
        ledger.close()
        found = slo("verify", source)

        assert 1 == found.exit_code
        assert "event 4: the index lacks this record" in found.stderr
        assert 0 == slo("rebuild", source).exit_code
        assert 0 == slo("verify", source).exit_code

    def test_sees_what_is_missing(self, source: str) -> None:
        found = slo("verify", source, "--known", "24:" + "0" * 64)

        assert 1 == found.exit_code
        assert "event 24 is missing: there were 24 before" in found.stderr

    def test_makes_no_ledger(self, tmp_path: Path) -> None:
        found = slo("verify", f"sqlite:///{tmp_path}/none.db")

        assert 1 == found.exit_code
        assert f"Error: there is no ledger {tmp_path}/none.db\n" == found.stderr
        assert [] == list(tmp_path.iterdir())

    def test_refuses_a_head_that_is_none(self, source: str) -> None:
        assert 2 == slo("verify", source, "--known", "12").exit_code


class TestCopy:
    def test_moves_everything(self, source: str, ledger_url: str) -> None:
        copied = slo("copy", source, ledger_url)

        assert 0 == copied.exit_code, copied.output
        assert slo("verify", source).stdout == copied.stdout == slo("verify", ledger_url).stdout
        old, new = open_ledger(source), open_ledger(ledger_url)
        assert old.decisions(slo="checkout") == new.decisions(slo="checkout")
        assert old.freezes(0, NOW + DAY, cancelled=True) == new.freezes(
            0, NOW + DAY, cancelled=True
        )
        assert old.tokens() == new.tokens()
        for name in ("checkout/availability", "cart/latency"):
            assert old.budget_points(name, 0, 1e10) == new.budget_points(name, 0, 1e10)
        assert new.add_freeze(freeze("f2"), "key").id == "f1"
        new.add_decision(decision("next"))
        assert new.verify() is None
        for each in (old, new):
            each.close()

    def test_refuses_a_target_with_records(self, source: str) -> None:
        found = slo("copy", source, source)

        assert 1 == found.exit_code
        assert "copy to a ledger without any" in found.stderr

    def test_refuses_a_target_with_other_points(self, source: str, tmp_path: Path) -> None:
        target = open_ledger(f"sqlite:///{tmp_path}/target.db")
        target.add_budget_points([point("search/latency")])
        target.close()
        found = slo("copy", source, f"sqlite:///{tmp_path}/target.db")

        assert 1 == found.exit_code
        assert "holds budget points; copy to a new ledger" in found.stderr

    def test_goes_on_where_it_was_interrupted(
        self, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = f"sqlite:///{tmp_path}/target.db"
        with monkeypatch.context() as patch:
            patch.setattr(chain, "rebuild", interrupt)
            assert 1 == slo("copy", source, target).exit_code
        assert slo("verify", target).stdout.startswith("0:")

        assert slo("verify", source).stdout == slo("copy", source, target).stdout


def interrupt(_connection: object) -> None:
    raise LedgerError("the server went away")
