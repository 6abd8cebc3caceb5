from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.alert_windows import builtin_policies, policy_for
from slo.burnrate import (
    AlertPolicy,
    BurnWindow,
    burn_rate_threshold,
    detection_time,
    reset_time,
    scaled_policy,
)
from slo.duration import Duration, days, hours, minutes, seconds

BUDGET = Decimal("0.001")
PAIRS = ("page_quick", "page_slow", "ticket_quick", "ticket_slow")


def pairs(policy: AlertPolicy) -> list[BurnWindow]:
    return [*policy.pages, *policy.tickets]


class TestThreshold:
    @pytest.mark.parametrize(
        ("period", "expected"),
        [
            (30, ("14.4", "6", "3", "1")),
            (28, ("13.44", "5.6", "2.8", "0.9333")),
            (90, ("43.2", "18", "9", "3")),
            (7, ("3.36", "1.4", "0.7", "0.2333")),
        ],
    )
    def test_workbook_table(self, period: int, expected: tuple[str, ...]) -> None:
        """A threshold is the budget share times the period over the long window."""
        rows = ((2, hours(1)), (5, hours(6)), (10, days(1)), (10, days(3)))

        found = [burn_rate_threshold(Decimal(p) / 100, w, days(period)) for p, w in rows]

        assert [Decimal(text) for text in expected] == found

    @pytest.mark.parametrize("window", [Duration(0), days(31)])
    def test_refuses_a_window_that_does_not_fit(self, window: Duration) -> None:
        with pytest.raises(ValueError, match="does not fit into 30d"):
            burn_rate_threshold(Decimal("0.02"), window, days(30))

    @given(
        st.integers(1, 100), st.integers(1, 30 * 24), st.integers(1, 30 * 24), st.integers(30, 90)
    )
    def test_a_longer_window_never_has_a_higher_threshold(
        self, percent: int, one: int, other: int, period: int
    ) -> None:
        short, long = sorted((one, other))
        share = Decimal(percent) / 100

        thresholds = [burn_rate_threshold(share, hours(h), days(period)) for h in (short, long)]

        assert thresholds[0] >= thresholds[1]

    @given(st.integers(1, 99), st.integers(1, 30 * 24), st.integers(30, 90))
    def test_a_larger_share_or_period_has_a_higher_threshold(
        self, percent: int, window: int, period: int
    ) -> None:
        share = Decimal(percent) / 100
        base = burn_rate_threshold(share, hours(window), days(period))

        assert base < burn_rate_threshold(share + Decimal("0.01"), hours(window), days(period))
        assert base < burn_rate_threshold(share, hours(window), days(period + 1))


class TestBuiltinPolicies:
    def test_are_the_workbook_windows_for_28_and_30_days(self) -> None:
        expected = [("5m", "1h"), ("30m", "6h"), ("2h", "1d"), ("6h", "3d")]

        policies = builtin_policies()

        assert {days(28), days(30)} == set(policies)
        for policy in policies.values():
            assert expected == [(str(p.short_window), str(p.long_window)) for p in pairs(policy)]
            assert [2, 5, 10, 10] == [p.budget_percent for p in pairs(policy)]

    def test_windows_are_distinct_and_sorted(self) -> None:
        windows = builtin_policies()[days(30)].windows

        assert ["5m", "30m", "1h", "2h", "6h", "1d", "3d"] == [str(w) for w in windows]

    def test_a_period_with_a_catalog_is_not_scaled(self) -> None:
        policies = builtin_policies()

        assert policies[days(30)] is policy_for(days(30), policies)
        assert scaled_policy(days(29)) == policy_for(days(29), policies)
        assert policy_for(days(6), policies) is None


class TestScaledPolicy:
    @pytest.mark.parametrize("period", range(7, 91))
    def test_every_whole_number_of_days_is_sound(self, period: int) -> None:
        """Windows nest, budget shares stay, and no alert fires inside the budget."""
        policy = scaled_policy(days(period))

        assert [2, 5, 10, 10] == [p.budget_percent for p in pairs(policy)]
        for pair in pairs(policy):
            assert minutes(5) <= pair.short_window < pair.long_window < days(period)
            assert pair.threshold(days(period)) >= 1

    @pytest.mark.parametrize("period", range(7, 91))
    def test_pairs_go_from_quick_to_slow(self, period: int) -> None:
        found = pairs(scaled_policy(days(period)))

        longs = [p.long_window for p in found]
        thresholds = [p.threshold(days(period)) for p in found]
        assert sorted(set(longs)) == longs
        assert sorted(thresholds, reverse=True) == thresholds

    @pytest.mark.parametrize("name", PAIRS)
    def test_windows_grow_with_the_period(self, name: str) -> None:
        windows = [getattr(scaled_policy(days(p)), name) for p in range(7, 91)]

        for before, after in pairwise(windows):
            assert before.long_window <= after.long_window
            assert before.short_window <= after.short_window

    @pytest.mark.parametrize(
        ("period", "windows"),
        [
            (7, "5m/15m 10m/1h30m 30m/6h 1h30m/15h"),
            (14, "5m/30m 15m/3h 1h/12h 3h/1d6h"),
            (21, "5m/45m 20m/4h 1h30m/18h 4h/2d"),
            (45, "10m/1h30m 45m/9h 3h/1d12h 8h/4d"),
            (90, "15m/3h 1h30m/18h 6h/3d 18h/9d"),
        ],
    )
    def test_windows_are_lengths_that_people_read_at_a_glance(
        self, period: int, windows: str
    ) -> None:
        found = pairs(scaled_policy(days(period)))

        assert windows == " ".join(f"{p.short_window}/{p.long_window}" for p in found)

    def test_thirty_days_scale_to_the_workbook_itself(self) -> None:
        scaled, workbook = scaled_policy(days(30)), builtin_policies()[days(30)]

        assert [(p.short_window, p.long_window) for p in pairs(workbook)] == [
            (p.short_window, p.long_window) for p in pairs(scaled)
        ]

    @pytest.mark.parametrize("period", [days(7) - seconds(1), days(90) + seconds(1)])
    def test_refuses_periods_out_of_range(self, period: Duration) -> None:
        with pytest.raises(ValueError, match="no alert windows for a period of"):
            scaled_policy(period)

    @given(st.integers(days(7).milliseconds, days(90).milliseconds))
    def test_odd_periods_are_sound_too(self, milliseconds: int) -> None:
        period = Duration(milliseconds)

        for pair in pairs(scaled_policy(period)):
            assert minutes(5) <= pair.short_window < pair.long_window < period
            assert pair.threshold(period) >= 1


class TestDetection:
    @pytest.mark.parametrize(
        ("error_percent", "detected"),
        [
            # Seconds until each of the four pairs fires, at 99.9 % over 30 days.
            ("100", (Decimal("51.84"), Decimal("129.6"), Decimal("259.2"), Decimal("259.2"))),
            ("10", (Decimal("518.4"), 1296, 2592, 2592)),
            ("2", (2592, 6480, 12960, 12960)),
            ("1", (None, 12960, 25920, 25920)),
            ("0.5", (None, None, 51840, 51840)),
            ("0.2", (None, None, None, 129600)),
            ("0.1", (None, None, None, None)),
        ],
    )
    def test_times_of_the_workbook(self, error_percent: str, detected: tuple[object, ...]) -> None:
        ratio = Decimal(error_percent) / 100
        policy = builtin_policies()[days(30)]

        found = [detection_time(p, days(30), BUDGET, ratio) for p in pairs(policy)]

        assert list(detected) == found

    @pytest.mark.parametrize(
        ("error_percent", "pair", "expected"),
        [
            ("100", "page_quick", "295.68"),
            ("100", "page_slow", "1789.2"),
            ("10", "page_quick", "256.8"),
            ("2", "page_quick", "84"),
            ("2", "page_slow", "1260"),
            ("1", "page_slow", "720"),
        ],
    )
    def test_reset_times_of_the_workbook(
        self, error_percent: str, pair: str, expected: str
    ) -> None:
        policy = builtin_policies()[days(30)]

        found = reset_time(getattr(policy, pair), days(30), BUDGET, Decimal(error_percent) / 100)

        assert Decimal(expected) == found

    @given(
        st.sampled_from(PAIRS),
        st.integers(7, 90),
        st.decimals("0.00001", "1", places=5),
        st.decimals("0.00001", "1", places=5),
    )
    def test_more_errors_are_never_found_later(
        self, name: str, period: int, one: Decimal, other: Decimal
    ) -> None:
        few, many = sorted((one, other))
        pair = getattr(scaled_policy(days(period)), name)
        late, soon = (detection_time(pair, days(period), BUDGET, e) for e in (few, many))

        if late is not None:
            assert soon is not None
            assert soon <= late

    @given(st.sampled_from(PAIRS), st.integers(7, 90), st.decimals("0.01", "1", places=5))
    def test_when_it_fires_the_declared_share_of_the_budget_is_spent(
        self, name: str, period: int, ratio: Decimal
    ) -> None:
        pair = getattr(scaled_policy(days(period)), name)
        found = detection_time(pair, days(period), BUDGET, ratio)

        if found is not None:
            spent = found * ratio / (BUDGET * Decimal(days(period).milliseconds) / 1000)
            assert abs(spent * 100 - pair.budget_percent) < Decimal("0.01")
