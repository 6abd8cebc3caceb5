"""Records that make no sense are refused, with the name of the field and a way out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.engine.ledger.payloads import canonical, decode, encode
from slo.engine.ledger.records import Target
from slo.engine.ledger.sql import SqlLedger
from slo.engine.ledger.validation import check_record
from slo.errors import InvalidRecord

from .samples import DAY, HASH, NOW, correction, decision, freeze, override, token


class TestCheckRecord:
    @pytest.mark.parametrize(
        "record", [correction(), freeze(), override(), decision(), token()], ids=lambda r: r.id
    )
    def test_lets_the_samples_pass(self, record: Any) -> None:
        check_record(record)

    @pytest.mark.parametrize(
        ("record", "words"),
        [
            (correction(""), "id must not be empty"),
            (correction("x" * 201), "id must not be longer than 200"),
            (correction("a\0b"), "id must not hold control characters"),
            (correction(reason=" \n"), "reason must not be empty"),
            (correction(reason="x" * 5_000), "reason must not be longer"),
            (correction(reason="\ud800"), "control characters"),
            (correction(created_by=""), "created_by must not be empty"),
            (correction(end=correction().start), "end must lie after start"),
            (correction(end=NOW + 500 * DAY), "at most 400 days after start"),
            (correction(start=float("nan")), "start must be a time in Unix seconds"),
            (correction(start=NOW * 1000, end=NOW * 1000 + 1), "start must be a time in Unix"),
            (correction(start="now"), "start must be a time"),
            (correction(effect="ignore"), "effect must be one of exclude, credit, got 'ignore'"),
            (correction(category="bug"), "category must be one of maintenance, outside_hours"),
            (correction(time_zone="Mars"), "no time zone is called 'Mars'"),
            (correction(target=Target(slo="")), "the target's slo must not be empty"),
            (correction(cancelled_at=NOW), "cancelled_at must be empty"),
            (correction(recurrence="FREQ=SECONDLY"), "once an hour"),
            (override(verdict="maybe"), "verdict must be one of allow, deny, unknown"),
            (override(expires_at=NOW), "expires_at must lie after created_at"),
            (decision(verdict="yes"), "verdict must be one of"),
            (decision(actor=""), "actor must not be empty"),
            (token(scopes=()), "a token needs a scope: read, gate, write, admin"),
            (token(scopes=("root",)), "scopes must be one of"),
            (token(expires_at=NOW - 1), "expires_at must lie after created_at"),
        ],
    )
    def test_says_what_is_wrong(self, record: Any, words: str) -> None:
        with pytest.raises(InvalidRecord, match=words):
            check_record(record)

    def test_comes_before_anything_is_written(self, ledger: SqlLedger) -> None:
        for add, record in [
            (ledger.add_correction, correction(effect="x")),
            (ledger.add_decision, decision(evidence={"x": object()})),
            (ledger.add_decision, decision(evidence={"x": "y" * 300_000})),
            (ledger.add_decision, decision(evidence={"x": "\ud800"})),
        ]:
            with pytest.raises(InvalidRecord):
                add(record)  # type: ignore[operator]
        with pytest.raises(InvalidRecord, match="idempotency key must not be empty"):
            ledger.add_freeze(freeze(), "")
        with pytest.raises(InvalidRecord, match="64 hexadecimal digits"):
            ledger.add_token(token(), HASH.upper())
        with pytest.raises(InvalidRecord, match="actor must not be empty"):
            ledger.cancel_freeze("f1", "", NOW)

        assert 0 == ledger.head().sequence


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class TestPayloads:
    @given(st.dictionaries(st.text(), JSON, max_size=4))
    def test_have_one_form(self, evidence: dict[str, Any]) -> None:
        try:
            text = encode(decision(evidence=evidence))
        except InvalidRecord:
            assert any(0xD800 <= ord(letter) < 0xE000 for letter in repr(evidence))
            return
        found = decode("decision", text)

        assert text == encode(found)

    def test_do_not_depend_on_order_or_kind_of_number(self) -> None:
        assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1})
        assert encode(freeze(start=10, end=20)) == encode(freeze(start=10.0, end=20.0))
