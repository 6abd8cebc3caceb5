"""Compute burn-rate thresholds and choose the alert windows for a compliance period."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from slo.duration import Duration, days, hours, minutes

__all__ = [
    "MAX_TIME_WINDOW",
    "MIN_TIME_WINDOW",
    "AlertPolicy",
    "BurnWindow",
    "burn_rate_threshold",
    "detection_time",
    "reset_time",
    "scaled_policy",
]

MIN_TIME_WINDOW = days(7)
MAX_TIME_WINDOW = days(90)

_WORKBOOK_PERIOD = days(30)
_SHORTEST = minutes(5)
# The ratio that the SRE workbook recommends between a long window and its short one.
_SHORT_WINDOW_DIVISOR = 12
# Lengths that a person reads at a glance; scaled windows are rounded to one of these.
_READABLE = tuple(
    [minutes(m) for m in (5, 10, 15, 20, 30, 45, 90)]
    + [hours(h) for h in (1, 2, 3, 4, 6, 8, 9, 12, 15, 18, 24, 30, 36, 42)]
    + [days(d) for d in (2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)]
)


@lru_cache(maxsize=4096)
def burn_rate_threshold(
    budget_fraction: Decimal, long_window: Duration, time_window: Duration
) -> Decimal:
    """
    Return the burn rate that spends *budget_fraction* within *long_window*.

    A burn rate of 1 spends the whole error budget in exactly one *time_window*
    (SRE workbook, chapter 5).

    Args:
        budget_fraction: Share of the error budget, in (0, 1].
        long_window: Look-back in which that share is spent.
        time_window: The SLO's compliance period.

    Raises:
        ValueError: *long_window* is empty or longer than *time_window*.

    >>> burn_rate_threshold(Decimal("0.02"), hours(1), days(30))
    Decimal('14.4')
    """
    if not 0 < long_window.milliseconds <= time_window.milliseconds:
        raise ValueError(f"long window {long_window} does not fit into {time_window}")
    threshold = budget_fraction * time_window.milliseconds / long_window.milliseconds
    return threshold.quantize(Decimal("0.0001")).normalize()


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """
    Pair two look-backs with the share of the budget that is spent when both exceed it.

    Args:
        budget_percent: Share of the error budget, in percent.
    """

    budget_percent: Decimal
    short_window: Duration
    long_window: Duration

    def threshold(self, time_window: Duration) -> Decimal:
        """Return the burn rate above which both windows must be."""
        return burn_rate_threshold(self.budget_percent / 100, self.long_window, time_window)


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """
    Hold the four window pairs of one compliance period.

    Args:
        source: Where the numbers come from, for messages.
        builtin: Whether the product ships them; the checks trust those.
    """

    time_window: Duration
    page_quick: BurnWindow
    page_slow: BurnWindow
    ticket_quick: BurnWindow
    ticket_slow: BurnWindow
    source: str
    builtin: bool = True

    @property
    def pages(self) -> tuple[BurnWindow, BurnWindow]:
        """Return the pairs that page, the quicker first."""
        return (self.page_quick, self.page_slow)

    @property
    def tickets(self) -> tuple[BurnWindow, BurnWindow]:
        """Return the pairs that open a ticket, the quicker first."""
        return (self.ticket_quick, self.ticket_slow)

    @property
    def windows(self) -> tuple[Duration, ...]:
        """Return the distinct look-backs, shortest first."""
        pairs = (*self.pages, *self.tickets)
        found = {p.short_window for p in pairs} | {p.long_window for p in pairs}
        return tuple(sorted(found))


def detection_time(
    pair: BurnWindow, time_window: Duration, error_budget: Decimal, error_ratio: Decimal
) -> Decimal | None:
    """
    Return the seconds until *pair* fires, errors having started from zero.

    `t = w * b * B / e`, and never unless `e > b * B` (SRE workbook, chapter 5).

    Args:
        error_budget: Share of events that may be bad, in (0, 1).
        error_ratio: Constant share of events that are bad, in (0, 1].
    """
    limit = pair.threshold(time_window) * error_budget
    if error_ratio <= limit:
        return None
    return pair.long_window.milliseconds * limit / error_ratio / 1000


def reset_time(
    pair: BurnWindow, time_window: Duration, error_budget: Decimal, error_ratio: Decimal
) -> Decimal:
    """Return the seconds until *pair* is silent again: `t = w_short * (1 - b * B / e)`."""
    limit = pair.threshold(time_window) * error_budget
    return pair.short_window.milliseconds * (1 - limit / error_ratio) / 1000


def _nearest(length: Duration) -> Duration:
    """Return the readable length whose ratio to *length* is closest to 1."""

    def distance(candidate: Duration) -> float:
        quotient = candidate.milliseconds / length.milliseconds
        return max(quotient, 1 / quotient)

    return min(_READABLE, key=distance)


def _at_most(length: Duration) -> Duration:
    return max(c for c in _READABLE if c <= length)


def _scaled_pair(
    budget_percent: int, workbook_window: Duration, time_window: Duration
) -> BurnWindow:
    scaled = Duration(
        workbook_window.milliseconds * time_window.milliseconds // _WORKBOOK_PERIOD.milliseconds
    )
    budget = Decimal(budget_percent)
    long_window = _nearest(scaled)
    if burn_rate_threshold(budget / 100, long_window, time_window) < 1:
        # A threshold below 1 would alert while the budget lasts: shorten instead.
        long_window = _at_most(scaled)
    long_window = max(long_window, minutes(15))
    short_window = max(
        _SHORTEST, _nearest(Duration(long_window.milliseconds // _SHORT_WINDOW_DIVISOR))
    )
    return BurnWindow(budget, short_window, long_window)


@lru_cache(maxsize=128)
def scaled_policy(time_window: Duration) -> AlertPolicy:
    """
    Return the SRE workbook's policy, its windows scaled from 30 days to *time_window*.

    The budget shares stay (2, 5, 10 and 10 %), so the burn rates stay close to 14.4, 6, 3 and
    1; each threshold is computed from the rounded window. A short window is a twelfth of its
    long one, and never under five minutes: a rate over less is noise at common scrape intervals.

    Raises:
        ValueError: *time_window* is not between 7 and 90 days.

    >>> policy = scaled_policy(days(7))
    >>> [(str(p.short_window), str(p.long_window)) for p in (*policy.pages, *policy.tickets)]
    [('5m', '15m'), ('10m', '1h30m'), ('30m', '6h'), ('1h30m', '15h')]
    """
    if not MIN_TIME_WINDOW <= time_window <= MAX_TIME_WINDOW:
        raise ValueError(f"no alert windows for a period of {time_window}")
    return AlertPolicy(
        time_window=time_window,
        page_quick=_scaled_pair(2, hours(1), time_window),
        page_slow=_scaled_pair(5, hours(6), time_window),
        ticket_quick=_scaled_pair(10, days(1), time_window),
        ticket_slow=_scaled_pair(10, days(3), time_window),
        source=f"SRE workbook, scaled to {time_window}",
    )
