"""
Say how often chance alone pages a service with little traffic, and which guard prevents it.

At ten requests an hour and an objective of 99.9 % a single failure burns a thousand times too
fast. A guard asks for a number of bad events in the long window as well. The model is that of
the rules: bad and good events come at random, each at a constant rate, and the service spends
exactly its budget. docs/detection.md shows the figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from itertools import pairwise
from math import ceil, erfc, exp, floor, lgamma, log, pi, sqrt
from typing import NamedTuple

from slo.burnrate import AlertPolicy, BurnWindow
from slo.duration import Duration, days

__all__ = [
    "COUNTED_PERIOD",
    "MOST_FALSE_PAGES",
    "expected_false_pages",
    "smallest_guard",
    "time_to_collect",
]

COUNTED_PERIOD = days(30)
"""The time for which false pages are counted."""

MOST_FALSE_PAGES = 0.25
"""Pages by chance in 30 days that are bearable: one in four months, with the budget just spent."""

_HOUR_MS = 3_600_000
_COUNTED_HOURS = COUNTED_PERIOD.milliseconds / _HOUR_MS
# One in eighty years is none.
_NONE = 1e-3
# Traffic swings: a guard must also do for hours with a half and a quarter of what is expected.
_SWINGS = (Decimal(1), Decimal("0.5"), Decimal("0.25"))
# Few good events make pages frequent, many make them rare, so the lower side is cut later: at so
# many standard deviations, and at this chance.
_FEW, _MANY = 4.5, 1e-3
# Above so many bad events the long window of one pair decides alone.
_COUNTABLE = 60
# Above so many expected events the normal law is as good, and takes no time.
_REGULAR = 500


class _Pair(NamedTuple):
    """
    Hold one page as numbers.

    Args:
        short: Bad events expected in the short window; `long` likewise.
        good: Good events in the long window, at their fewest while the short one lasts.
        bad_per_good: Bad events for each good one above which a window exceeds its limit.
        needed_short: Bad events in the short window that are enough.
    """

    short: float
    long: float
    good: float
    bad_per_good: float
    needed_short: int

    def needed(self, good: float) -> int:
        """Return the bad events in the long window that are enough beside *good* ones."""
        return floor(self.bad_per_good * good) + 1


_Needed = tuple[tuple[int, float], ...]
"""Numbers of bad events that are enough, least first, each with its chance."""


@lru_cache(maxsize=4096)
def expected_false_pages(
    policy: AlertPolicy,
    error_budget: Decimal,
    events_per_hour: Decimal,
    min_bad_events: int = 0,
) -> float:
    """
    Return how many pages 30 days bring by chance to a service that spends exactly its budget.

    A page is counted whenever a bad event makes the alerts fire that did not before. Both page
    pairs firing for the same event are one page.

    Args:
        error_budget: Share of events that may be bad, in [0, 1).
        min_bad_events: The guard: bad events without which a long window does not count.
    """
    bad_per_hour = float(error_budget * events_per_hour)
    if bad_per_hour <= 0:
        return 0.0
    found = (_pair(w, policy, error_budget, events_per_hour) for w in policy.pages)
    pairs = [pair for pair in found if pair is not None]
    pages_per_chance = bad_per_hour * _COUNTED_HOURS
    least = [max(pair.needed(_few(pair.good)), min_bad_events) for pair in pairs]
    # An event can only fire a pair that lacks no more than one.
    at_most = sum(_at_least(n - 1, pair.long) for n, pair in zip(least, pairs, strict=True))
    if at_most * pages_per_chance < _NONE:
        return 0.0
    if max(least) > _COUNTABLE:
        chance = sum(
            _exactly(max(pair.needed(pair.good), min_bad_events) - 1, pair.long) for pair in pairs
        )
        return chance * pages_per_chance
    needed = [tuple(_needed(pair, min_bad_events)) for pair in pairs]
    chance = sum(
        p * (_fires(pair, n, lacking=1) - _fires(pair, n, lacking=0))
        for pair, each in zip(pairs, needed, strict=True)
        for n, p in each
    )
    if len(pairs) == 2:
        chance -= _both(pairs[0], needed[0], pairs[1], needed[1])
    return chance * pages_per_chance


@lru_cache(maxsize=4096)
def smallest_guard(
    policy: AlertPolicy,
    error_budget: Decimal,
    events_per_hour: Decimal,
    most_false_pages: float = MOST_FALSE_PAGES,
) -> int:
    """
    Return the least `min_bad_events` that leaves at most *most_false_pages* in 30 days.

    Zero where none is needed. The guard also does for quiet hours, down to a quarter of the
    expected traffic. It may be more than a full outage brings in a long window; then there is
    too little traffic to page on.

    Raises:
        ValueError: *most_false_pages* is not above zero.
    """
    if most_false_pages <= 0:
        raise ValueError("no guard rules out every false page")

    traffic = _two_digits(events_per_hour)

    def is_enough(guard: int) -> bool:
        return all(
            expected_false_pages(policy, error_budget, traffic * swing, guard) <= most_false_pages
            for swing in _SWINGS
        )

    if is_enough(0):
        return 0
    # One bad event is what every alert needs anyway.
    too_few, enough = 1, 2
    while not is_enough(enough):
        too_few, enough = enough, 2 * enough
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if is_enough(middle):
            enough = middle
        else:
            too_few = middle
    return enough


def time_to_collect(min_bad_events: int, events_per_hour: Decimal) -> Duration:
    """
    Return how long a full outage takes to bring *min_bad_events*.

    Args:
        events_per_hour: Expected traffic, above zero.
    """
    return Duration(ceil(min_bad_events * _HOUR_MS / events_per_hour))


def _two_digits(value: Decimal) -> Decimal:
    """
    Return *value* rounded down to two significant digits.

    A guess is no better than that, and thousands of SLOs then share their answers.
    """
    return value.quantize(Decimal(1).scaleb(value.adjusted() - 1), ROUND_FLOOR) if value else value


def _pair(
    window: BurnWindow, policy: AlertPolicy, error_budget: Decimal, events_per_hour: Decimal
) -> _Pair | None:
    """Return *window* as numbers, or `None` where no error ratio is above its limit."""
    limit = float(window.threshold(policy.time_window) * error_budget)
    if limit >= 1:
        return None
    # bad > limit * (bad + good), solved for the bad events.
    bad_per_good = limit / (1 - limit)
    short, long = (
        w.milliseconds / _HOUR_MS * float(events_per_hour)
        for w in (window.short_window, window.long_window)
    )
    bad, good = float(error_budget), float(1 - error_budget)
    # Good events come and go while the short window remembers a bad one, and the fewest decide:
    # a random walk of so many steps falls so far below its start on average.
    fewest = max(long * good - 2 * sqrt(short * good / pi), 0.0)
    needed_short = floor(bad_per_good * short * good) + 1
    return _Pair(short * bad, long * bad, fewest, bad_per_good, needed_short)


def _needed(pair: _Pair, guard: int) -> Iterator[tuple[int, float]]:
    """Yield the entries of `_Needed` for *pair*."""
    below = 0.0
    needed = pair.needed(_few(pair.good))
    while below < 1:
        needed = max(needed, guard)
        # The most good events beside which `needed` bad ones are still enough.
        most_good = ceil(needed / pair.bad_per_good) - 1
        up_to = _at_most(most_good, pair.good)
        up_to = 1.0 if up_to > 1 - _MANY else up_to
        if up_to > below:
            yield needed, up_to - below
            below = up_to
        needed += 1


def _fires(pair: _Pair, needed: int, lacking: int) -> float:
    """Return the chance that both windows hold enough bad events, but for *lacking*."""
    in_long, in_short = needed - lacking, pair.needed_short - lacking
    between = pair.long - pair.short
    quiet = sum(
        _exactly(count, pair.short) * _at_least(in_long - count, between)
        for count in range(in_short)
    )
    return _at_least(in_long, pair.long) - quiet


def _both(one: _Pair, needed_one: _Needed, other: _Pair, needed_other: _Needed) -> float:
    """
    Return the chance that the next bad event makes both pairs true that were not both before.

    The good events of their long windows are taken to be many in both or few in both.
    """
    found = 0.0
    for in_one, in_other, chance in _together(needed_one, needed_other):
        wanted = (
            (one.short, one.needed_short),
            (other.short, other.needed_short),
            (one.long, in_one),
            (other.long, in_other),
        )
        found += chance * (_all(wanted, lacking=1) - _all(wanted, lacking=0))
    return found


def _together(one: _Needed, other: _Needed) -> Iterator[tuple[int, int, float]]:
    """Yield values of both distributions that are reached at equal chances."""
    first, second = 0, 0
    up_to_one, up_to_other, below = one[0][1], other[0][1], 0.0
    while True:
        up_to = min(up_to_one, up_to_other)
        yield one[first][0], other[second][0], up_to - below
        below = up_to
        if up_to_one <= up_to_other:
            first += 1
            if first == len(one):
                return
            up_to_one += one[first][1]
        else:
            second += 1
            if second == len(other):
                return
            up_to_other += other[second][1]


def _all(wanted: Sequence[tuple[float, int]], lacking: int) -> float:
    """
    Return the chance that windows with a common end hold enough bad events, but for *lacking*.

    Args:
        wanted: For each window, the bad events that it holds on average and those it needs.
    """
    windows = sorted((mean, max(needed - lacking, 0)) for mean, needed in wanted)
    most = max(needed for _, needed in windows)
    # By the number of bad events so far; the last entry stands for all that are enough.
    chances = [1.0] + [0.0] * most
    for (before, _), (mean, needed) in pairwise([(0.0, 0), *windows]):
        more = [_exactly(count, mean - before) for count in range(most + 1)]
        reached = [
            sum(chances[count - new] * more[new] for new in range(count + 1))
            for count in range(most)
        ]
        rest = sum(chances) - sum(reached)
        chances = [0.0 if count < needed else c for count, c in enumerate([*reached, rest])]
    return sum(chances)


def _exactly(count: int, mean: float) -> float:
    """Return the chance of *count* events where *mean* are expected (Poisson)."""
    if count < 0:
        return 0.0
    if mean <= 0:
        return 1.0 if count == 0 else 0.0
    return exp(count * log(mean) - mean - lgamma(count + 1))


def _at_least(count: int, mean: float) -> float:
    """Return the chance of *count* events or more where *mean* are expected."""
    if count <= 0:
        return 1.0
    if mean > _REGULAR:
        return erfc((count - 0.5 - mean) / sqrt(2 * mean)) / 2
    if count <= mean:
        return 1 - sum(_exactly(fewer, mean) for fewer in range(count))
    # Terms fall from here on, each by more than the one before.
    term = total = _exactly(count, mean)
    while term > total * 1e-12:
        count += 1
        term *= mean / count
        total += term
    return total


def _at_most(count: int, mean: float) -> float:
    """Return the chance of *count* events or fewer where *mean* are expected."""
    return 1 - _at_least(count + 1, mean)


def _few(mean: float) -> int:
    """Return how many events there are at least, but for a chance of about `_FEW`."""
    return max(0, floor(mean - _FEW * sqrt(mean)))
