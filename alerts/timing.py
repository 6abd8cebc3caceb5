"""Decide how often the rules of profile `exact` run, and over what they record rates."""

from __future__ import annotations

from dataclasses import dataclass, replace

from slo.duration import Duration, minutes, seconds
from slo.plan import SloPlan

__all__ = ["DEFAULT_INTERVAL", "Timing"]

DEFAULT_INTERVAL = seconds(30)
_BASE_WINDOW = minutes(5)
# Records older than the server's lookback of five minutes are stale; half of it leaves room
# for one missed evaluation.
_LONGEST_SLOW_INTERVAL = minutes(2)
# A budget of weeks may be four minutes old; the sums over the whole period are the dearest.
_LONGEST_PERIOD_INTERVAL = minutes(4)


@dataclass(frozen=True, slots=True)
class Timing:
    """
    Hold how often the groups run, and the window of the recorded rates.

    Args:
        base: Window of the recorded event rates.
        fast: Interval of the group that records them, and the windows of pages.
        slow: Interval of the group of the windows that only tickets look at.
        pages: Windows that are computed in the fast group.
        partitions: The rates follow one another without overlap, each over a slice of its own.
    """

    base: Duration
    fast: Duration
    slow: Duration
    pages: tuple[Duration, ...] = ()
    partitions: bool = False

    @classmethod
    def of(cls, plan: SloPlan, interval: Duration) -> Timing:
        """
        Return the timing for *plan* when the fast group runs every *interval*.

        Slices of time are recorded once each, whatever the interval.
        """
        if plan.timeslices is not None:
            length = plan.timeslices.length
            slow = max(length, _LONGEST_SLOW_INTERVAL)
            return cls(length, length, slow, _page_windows(plan), partitions=True)
        base = min(_BASE_WINDOW, plan.policy.windows[0])
        slow = min(Duration(interval.milliseconds * 4), _LONGEST_SLOW_INTERVAL, base)
        return cls(base, interval, max(interval, slow), _page_windows(plan))

    @property
    def period(self) -> Duration:
        """Return the interval of the group that sums whole periods."""
        wanted = min(self.slow + self.slow, _LONGEST_PERIOD_INTERVAL)
        evaluations = wanted.milliseconds // self.fast.milliseconds
        return max(self.slow, Duration(evaluations * self.fast.milliseconds))

    def interval(self, group: str) -> Duration:
        """Return the interval of *group*: `fast`, `slow` or `period`."""
        return {"fast": self.fast, "slow": self.slow, "period": self.period}[group]

    def is_fast(self, window: Duration) -> bool:
        """Tell whether *window* is computed in the fast group."""
        return window == self.base or window in self.pages

    def with_intervals(self, fast: Duration, slow: Duration) -> Timing:
        """Return the same with other intervals of the first two groups; slices keep theirs."""
        if self.partitions:
            return self
        return replace(self, fast=fast, slow=slow)


def _page_windows(plan: SloPlan) -> tuple[Duration, ...]:
    """Return the windows that must be fresh: those of pages, and that of the current burn rate."""
    pairs = plan.policy.pages
    found = {window for pair in pairs for window in (pair.short_window, pair.long_window)}
    return tuple(sorted(found | {plan.policy.windows[0]}))
