"""Decide how often the rules of profile `exact` run, and over what they record rates."""

from __future__ import annotations

from dataclasses import dataclass

from slo.duration import Duration, hours, minutes, seconds
from slo.plan import CompositeIndicator, SloPlan

__all__ = ["DEFAULT_INTERVAL", "Timing"]

DEFAULT_INTERVAL = seconds(30)
_BASE_WINDOW = minutes(5)
# Records older than the server's lookback of five minutes are stale; half of it leaves room
# for one missed evaluation.
_LONGEST_SLOW_INTERVAL = minutes(2)
_LONGEST_FAST_WINDOW = hours(6)


@dataclass(frozen=True, slots=True)
class Timing:
    """
    Hold how often the two groups run, and the window of the recorded rates.

    Args:
        base: Window of the recorded event rates.
        fast: Interval of the group that records them.
        slow: Interval of the group of long windows.
        partitions: The rates follow one another without overlap, each over a slice of its own.
    """

    base: Duration
    fast: Duration
    slow: Duration
    partitions: bool = False

    @classmethod
    def of(cls, plan: SloPlan, interval: Duration) -> Timing:
        """
        Return the timing for *plan* when the fast group runs every *interval*.

        Slices of time are recorded once each, whatever the interval.
        """
        if plan.timeslices is not None:
            length = plan.timeslices.length
            composite = isinstance(plan.indicator, CompositeIndicator)
            base = plan.policy.windows[0] if composite else length
            slow = max(length, _LONGEST_SLOW_INTERVAL)
            return cls(base, length, slow, partitions=base == length)
        base = min(_BASE_WINDOW, plan.policy.windows[0])
        slow = min(Duration(interval.milliseconds * 4), _LONGEST_SLOW_INTERVAL, base)
        return cls(base, interval, max(interval, slow))

    def is_fast(self, window: Duration) -> bool:
        """Tell whether *window* is computed in the fast group."""
        return window <= _LONGEST_FAST_WINDOW
