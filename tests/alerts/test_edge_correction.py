"""
State what the sum of records in docs/exact-profile.md is, and play arbitrary events to break it.

The compiled expression is read and evaluated here over records that are counted event by event.
Times are whole seconds before the evaluation, which happens together with the newest record.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo.alerts.exact_rules import events_in_window
from slo.duration import Duration, minutes, seconds

BASE = 300
TERM = re.compile(
    r"(?P<factor>[\d.]+) \* \(?rate(?: offset (?P<far>\w+))?(?= |$|\n)"
    r"|sum_over_time\(rate\[(?P<range>\w+)\](?: offset (?P<offset>\w+))?\)"
)


@dataclass(frozen=True)
class Timing:
    """Stand for the part of the profile's timing that the expression needs."""

    base: Duration


@dataclass(frozen=True)
class Estimate:
    """
    Hold the expression for one window as numbers, all in seconds.

    Args:
        exact: Offsets of the records that are taken whole, with their factors.
        offset: Age of the newest record of the sum; `oldest` likewise.
        left_open: A record exactly as old as `oldest` is left out, as from Prometheus 3 on.
    """

    window: int
    interval: int
    exact: tuple[tuple[int, Fraction], ...]
    offset: int
    oldest: int
    left_open: bool = False

    def ages(self) -> range:
        """Return the ages of the records that are summed."""
        last = self.oldest - 1 if self.left_open else self.oldest
        first = -(-self.offset // self.interval) * self.interval
        return range(first, last + 1, self.interval)

    def events(
        self, ages: Iterable[int], missed: Callable[[int], bool] = lambda _: False
    ) -> Fraction:
        """
        Return what the expression makes of events that happened at *ages*.

        Args:
            missed: Tells for the age of a record whether it was never made.
        """
        records = self.ages()
        found = Fraction(0)
        for event in ages:
            # A record holds the events of the base window before it.
            found += sum(factor for age, factor in self.exact if age <= event < age + BASE)
            holding = records[bisect_right(records, event - BASE) : bisect_right(records, event)]
            found += sum(not missed(age) for age in holding)
        return found * Fraction(self.interval, BASE)

    def weight(self, age: int) -> Fraction:
        """Return for how many events one of *age* counts."""
        return self.events([age])


def estimate(window: int, interval: int, left_open: bool = False) -> Estimate:
    """Return the compiled expression of *window* as numbers."""
    lag = seconds(BASE / 2)
    text = events_in_window(
        "rate",
        "rate",
        seconds(window),
        Timing(minutes(5)),
        seconds(interval),
        lag,  # type: ignore[arg-type]
    )
    exact: list[tuple[int, Fraction]] = []
    summed = (0, -1)
    for term in TERM.finditer(text):
        if term["range"]:
            offset = Duration.parse(term["offset"] or "0").milliseconds // 1000
            summed = (offset, offset + Duration.parse(term["range"]).milliseconds // 1000)
        elif Fraction(term["factor"]):
            far = Duration.parse(term["far"] or "0").milliseconds // 1000
            exact.append((far, Fraction(term["factor"])))
    return Estimate(window, interval, tuple(exact), *summed, left_open)


QUICK = settings(deadline=None, max_examples=80)
WINDOWS = st.sampled_from([900, 1800, 3600, 7200, 21_600])
INTERVALS = st.sampled_from([15, 30, 60, 120])
LEFT_OPEN = st.booleans()
# Intervals at which the records of the sum begin late enough, but not too late.
EVEN = st.sampled_from([15, 30, 60])


def test_the_expression_is_the_one_that_the_page_derives() -> None:
    hour = estimate(3600, 30)

    assert (0, Fraction(10)) == hour.exact[0]
    assert 150 == hour.offset


class TestOneEvent:
    @QUICK
    @given(WINDOWS, INTERVALS, LEFT_OPEN, st.integers(0, BASE // 2 - 1))
    def test_of_the_newest_half_base_window_counts_exactly_once(
        self, window: int, interval: int, left_open: bool, age: int
    ) -> None:
        assert 1 == estimate(window, interval, left_open).weight(age)

    @QUICK
    @given(st.data(), WINDOWS, st.sampled_from([15, 30, 60]), LEFT_OPEN)
    def test_of_the_middle_counts_exactly_once(
        self, data: st.DataObject, window: int, interval: int, left_open: bool
    ) -> None:
        """Hold wherever the base window is a multiple of the interval."""
        if window < 4 * BASE:
            window = 4 * BASE
        age = data.draw(st.integers(BASE * 3 // 2 + interval, window - BASE * 3 // 2 - interval))

        assert 1 == estimate(window, interval, left_open).weight(age)

    @QUICK
    @given(WINDOWS, INTERVALS, LEFT_OPEN, st.data())
    def test_never_counts_for_less_than_half_or_more_than_one_and_a_half(
        self, window: int, interval: int, left_open: bool, data: st.DataObject
    ) -> None:
        """Leave out the far edge, and add a record's share for the grid."""
        age = data.draw(st.integers(0, window - BASE // 2 - interval))
        slack = Fraction(interval, BASE)
        weight = estimate(window, interval, left_open).weight(age)

        assert Fraction(1, 2) - slack <= weight <= Fraction(3, 2) + slack

    @QUICK
    @given(WINDOWS, INTERVALS, LEFT_OPEN, st.integers(1, 10_000))
    def test_is_forgotten_half_a_base_window_after_the_window(
        self, window: int, interval: int, left_open: bool, more: int
    ) -> None:
        assert 0 == estimate(window, interval, left_open).weight(window + BASE // 2 + more)

    @QUICK
    @given(WINDOWS, st.sampled_from([15, 30, 60]), LEFT_OPEN, st.integers(0, 119))
    def test_counts_over_its_life_for_as_long_as_the_window_is(
        self, window: int, interval: int, left_open: bool, first: int
    ) -> None:
        """Sum its weights: exact but for the two ends of a closed range."""
        each = estimate(window, interval, left_open)
        ages = range(first % interval, window + 2 * BASE, interval)
        lived = sum(each.weight(age) for age in ages) * interval

        assert abs(lived - window) <= interval


class TestOutage:
    """One rising edge: everything younger than the outage is bad, one event a second."""

    def error(self, window: int, interval: int, age: int) -> Fraction:
        """Return by how many seconds the outage seems longer than it is."""
        return estimate(window, interval).events(range(age)) - age

    @QUICK
    @given(WINDOWS, EVEN, st.data())
    def test_never_seems_shorter_and_at_most_an_eighth_of_the_base_window_longer(
        self, window: int, interval: int, data: st.DataObject
    ) -> None:
        age = data.draw(st.integers(0, window - 2 * BASE))
        error = self.error(window, interval, age)

        assert 0 <= error <= Fraction(BASE, 8) + Fraction(interval, 4)

    @QUICK
    @given(WINDOWS, st.data())
    def test_at_two_minutes_a_third_of_an_interval_is_lost_at_most(
        self, window: int, data: st.DataObject
    ) -> None:
        """Show that half of the base window, 2m30s, is then served by a record of four minutes."""
        age = data.draw(st.integers(0, window - 2 * BASE))
        error = self.error(window, 120, age)

        assert -Fraction(120, 3) <= error <= Fraction(BASE, 8) + Fraction(120, 4)

    @pytest.mark.parametrize(
        ("age", "longer"), [(0, 0), (60, 0), (150, 0), (300, 45), (450, 15), (1200, 15)]
    )
    def test_the_worst_is_when_it_is_one_base_window_old(self, age: int, longer: int) -> None:
        assert longer == self.error(3600, 30, age)

    def test_a_plain_sum_of_records_would_see_it_late(self) -> None:
        """Three minutes of outage pass for the 52 s that page: its square, over twice the base."""
        plain = Estimate(3600, 30, (), 0, 3600)

        assert plain.events(range(120)) < 52 <= plain.events(range(180))
        assert 52 <= estimate(3600, 30).events(range(52))


class TestFarEdge:
    """One falling edge: everything older than some age is bad, and leaves the window."""

    @QUICK
    @given(WINDOWS, EVEN, LEFT_OPEN, st.integers(-BASE // 2, BASE // 2))
    def test_an_outage_leaves_gradually_but_never_counts_much_longer(
        self, window: int, interval: int, left_open: bool, left: int
    ) -> None:
        """*left* seconds of the outage still lie in the window."""
        each = estimate(window, interval, left_open)
        counted = each.events(range(window - left, window + BASE))

        assert counted >= max(left, 0) - interval
        assert counted - max(left, 0) <= Fraction(BASE, 8) + Fraction(interval, 2)

    @QUICK
    @given(WINDOWS, INTERVALS, LEFT_OPEN)
    def test_an_outage_has_left_half_a_base_window_after_theory(
        self, window: int, interval: int, left_open: bool
    ) -> None:
        outage = range(window + BASE // 2 + 1, window + 2 * BASE)

        assert 0 == estimate(window, interval, left_open).events(outage)


class TestRatio:
    @QUICK
    @given(
        WINDOWS,
        INTERVALS,
        st.lists(st.integers(0, 22_000), min_size=1, max_size=60),
        st.integers(1, 5),
        st.integers(0, 5),
        st.sets(st.integers(0, 800), max_size=200),
    )
    def test_of_a_constant_share_is_exact_whatever_the_traffic_and_the_missed_evaluations(
        self,
        window: int,
        interval: int,
        moments: list[int],
        bad: int,
        good: int,
        missed: set[int],
    ) -> None:
        each = estimate(window, interval)
        every = each.events(moments * (bad + good), lambda age: age // interval in missed)
        wrong = each.events(moments * bad, lambda age: age // interval in missed)

        assert wrong * (bad + good) == every * bad

    @QUICK
    @given(WINDOWS, INTERVALS, st.integers(0, 149))
    def test_of_records_younger_than_half_a_base_window_is_that_of_the_newest(
        self, window: int, interval: int, born: int
    ) -> None:
        """Sum nothing where there is nothing so old yet."""
        each = estimate(window, interval)
        events = range(0, born, 7)

        assert len(events) == each.events(events, lambda age: age > born)

    @QUICK
    @given(
        st.lists(st.integers(0, 3_299), max_size=80),
        st.lists(st.integers(0, 3_299), min_size=1, max_size=80),
    )
    def test_of_any_events_is_off_by_a_factor_of_four_at_most(
        self, bad: list[int], good: list[int]
    ) -> None:
        """Bound the worst that bursts around the seam can do; constant rates are exact."""
        each = estimate(3600, 30)
        wrong, right = each.events(bad), each.events(good)
        least, most = Fraction(1, 2), Fraction(8, 5)

        assert least * len(bad) <= wrong <= most * len(bad)
        assert least * len(good) <= right <= most * len(good)
