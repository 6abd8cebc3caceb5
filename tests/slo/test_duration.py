from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.duration import Duration, days, hours, minutes, seconds


class TestParse:
    @pytest.mark.parametrize(
        ("text", "milliseconds"),
        [
            ("0", 0),
            ("0s", 0),
            ("1ms", 1),
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("90m", 5_400_000),
            ("1d", 86_400_000),
            ("4w", 28 * 86_400_000),
            ("1y2w3d4h5m6s7ms", (365 + 14 + 3) * 86_400_000 + 4 * 3_600_000 + 306_007),
        ],
    )
    def test_accepts_what_prometheus_accepts(self, text: str, milliseconds: int) -> None:
        assert Duration(milliseconds) == Duration.parse(text)

    @pytest.mark.parametrize(
        "text",
        ["", "5", "m", "5 m", "-5m", "1.5h", "30m1h", "5m5m", "1M", "5min", "5m\n", "\u0663m"],
    )
    def test_refuses_what_prometheus_refuses(self, text: str) -> None:
        with pytest.raises(ValueError, match="not a duration"):
            Duration.parse(text)


class TestPrint:
    @pytest.mark.parametrize(
        ("length", "text"),
        [
            (seconds(0), "0s"),
            (Duration(1), "1ms"),
            (seconds(90), "1m30s"),
            (minutes(120), "2h"),
            (hours(36), "1d12h"),
            (days(7), "1w"),
            (days(28), "4w"),
            (days(30), "30d"),
            (days(365), "1y"),
            (days(366), "366d"),
            (days(372), "372d"),
            (days(371), "53w"),
            (days(730), "2y"),
        ],
    )
    def test_years_and_weeks_only_where_nothing_is_left_over(
        self, length: Duration, text: str
    ) -> None:
        assert text == str(length)

    @given(st.integers(0, 10**13))
    def test_reading_back_gives_the_same_length(self, milliseconds: int) -> None:
        length = Duration(milliseconds)

        assert length == Duration.parse(str(length))


class TestArithmetic:
    def test_lengths_are_ordered_by_time_not_by_text(self) -> None:
        assert [minutes(5), hours(1), days(1)] == sorted([days(1), hours(1), minutes(5)])

    def test_sum_and_difference(self) -> None:
        assert minutes(90) == hours(1) + minutes(30)
        assert minutes(55) == hours(1) - minutes(5)

    def test_fractions_of_a_unit_are_whole_milliseconds(self) -> None:
        assert Duration(216_000_000) == days(2.5)
        assert 0.1 == seconds(0.1).seconds
