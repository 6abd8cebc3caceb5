"""Characters of the status table."""

from __future__ import annotations

import pytest

from slo.engine.reports.status_table import short_length, spark, table
from slo.engine.status.model import Snapshot


class TestSpark:
    def test_falls_with_the_budget(self) -> None:
        assert "█▆▄▁" == spark([1.0, 0.7, 0.4, 0.0], 4)

    def test_leaves_gaps_and_never_runs_out_of_levels(self) -> None:
        assert "█ ▁" == spark([1.7, None, -3.0], 3)

    def test_is_as_wide_as_asked_and_ends_with_the_last_value(self) -> None:
        found = spark([1.0] * 99 + [0.0], 16)

        assert 16 == len(found)
        assert "▁" == found[-1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m"), (3_600, "1h"), (90_000, "1d1h"), (864_000, "10d")],
)
def test_lengths(seconds: float, text: str) -> None:
    assert text == short_length(seconds)


@pytest.mark.parametrize(
    ("number", "words"), [(0, "no metrics server has answered yet"), (1, "answered only a part")]
)
def test_says_what_has_been_read(number: int, words: str) -> None:
    found = Snapshot(number, 100.0, (), (), complete=False)

    lines = list(table(found, (), now=101.0, width=80, paint=lambda text, _: text, trends=None))

    assert words in lines[-1]
