"""Choose the stretch of time that a report is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

__all__ = ["PERIODS", "Span", "span_of"]

PERIODS = ("week", "month", "quarter")


@dataclass(frozen=True, slots=True)
class Span:
    """
    Hold a stretch of time, in Unix seconds, and the one before it.

    Args:
        title: What people call it, such as `October 2026`.
    """

    title: str
    start: float
    end: float
    previous_start: float

    @property
    def seconds(self) -> float:
        """Return its length."""
        return self.end - self.start


def span_of(period: str, now: float, zone: tzinfo, *, current: bool = False) -> Span:
    """
    Return the last whole *period* before *now*; the running one up to *now* for *current*.

    Weeks begin on Monday; the clock is that of *zone*.
    """
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    begun = _begun(period, today)
    start = begun if current else _begun(period, begun - timedelta(days=1))
    before = _begun(period, start - timedelta(days=1))
    end = now if current else begun.timestamp()
    return Span(_title(period, start), start.timestamp(), end, before.timestamp())


def _begun(period: str, day: datetime) -> datetime:
    """Return the midnight with which the *period* of *day* begins."""
    # Whole days by the calendar: midnight stays midnight where the clocks change.
    if period == "week":
        return day - timedelta(days=day.weekday())
    first = day.replace(day=1)
    return first if period == "month" else first.replace(month=3 * ((day.month - 1) // 3) + 1)


def _title(period: str, start: datetime) -> str:
    if period == "week":
        year, week, _ = start.isocalendar()
        return f"Week {week} of {year}"
    if period == "month":
        return f"{start:%B} {start.year}"
    return f"Quarter {(start.month + 2) // 3} of {start.year}"
