"""Say when a compliance period begins and ends."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from slo.duration import days as days_long
from slo.engine.status.model import Period
from slo.plan import Calendar

__all__ = ["calendar_bounds", "period_of"]

_DAY = 86_400.0
_QUARTER = 900.0
_MONTHS = {"month": 1, "quarter": 3}


def calendar_bounds(calendar: Calendar, now: float) -> tuple[float, float]:
    """Return where the present period of *calendar* begins and ends, in Unix seconds."""
    zone = ZoneInfo(calendar.time_zone)
    # Whole seconds: the last fraction of a period would be rounded into the next.
    local = datetime.fromtimestamp(math.floor(now), zone)
    today = local.replace(hour=0, minute=0, second=0)
    # Arithmetic on local dates, so that a day is a day where clocks change.
    if calendar.unit == "week":
        first = today - timedelta(days=today.weekday())
        after = first + timedelta(days=7)
    else:
        months = _MONTHS[calendar.unit]
        first = today.replace(month=today.month - (today.month - 1) % months, day=1)
        # A month is 28 to 31 days long, a quarter 90 to 92: four days later it is the next one.
        inside = first + timedelta(days=28 if months == 1 else 89)
        after = (inside + timedelta(days=4)).replace(day=1)
    return first.timestamp(), after.timestamp()


def period_of(
    days: float | None, elapsed: Mapping[str, float], calendar: Calendar | None, now: float
) -> Period | None:
    """
    Return the period that a budget is for; `None` where nobody knows.

    Args:
        now: Unix time, of what was recorded.
        days: As recorded; a day is 24 hours long there.
        elapsed: As recorded, by unit; empty for a rolling period.
        calendar: From the spec, where there is one; only it knows the time zone.
    """
    if calendar is not None:
        start, end = calendar_bounds(calendar, now)
        share = (now - start) / (end - start)
        return Period(calendar.unit, "calendar", end - start, start, end, share)
    if days is None:
        return None
    seconds = days * _DAY
    unit = _unit(days)
    if unit in elapsed:
        # Rules count what lies some minutes back; all time zones begin at a quarter of an hour.
        start = round((now - elapsed[unit] * seconds) / _QUARTER) * _QUARTER
        return Period(unit, "calendar", seconds, start, start + seconds, elapsed[unit])
    return Period(str(days_long(days)), "rolling", seconds, now - seconds)


def _unit(days: float) -> str:
    return "week" if days < 8 else "month" if days < 32 else "quarter"
