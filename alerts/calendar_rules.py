"""
Make the rules of calendar periods: weeks, months and quarters of a time zone.

PromQL has no range "since the first of the month". So each record of events is labelled with
the first day of the period it belongs to, and the sum over the longest such period picks the
series of the present one. Nothing is carried from one evaluation to the next: restarts, missed
evaluations and backfilled history change nothing.
"""

from __future__ import annotations

from slo import conventions as names
from slo.alerts.event_rates import block
from slo.duration import Duration
from slo.plan import Calendar, SloPlan
from slo.time_zones import offset_changes

__all__ = [
    "current_period",
    "days_in_period",
    "elapsed",
    "local_time",
    "of_current_period",
    "period_start",
    "seconds_elapsed",
    "series",
    "with_period",
]

_DAY = 86_400
# Unix time began on a Thursday; the first Monday was the fifth of January.
_FIRST_MONDAY = 4 * _DAY


def series(plan: SloPlan, name: str, calendar: Calendar) -> str:
    """Return the selector of one of an SLO's series for *calendar*."""
    return f'{name}{{{names.LABEL_ID}="{plan.id}",{names.LABEL_WINDOW}="{calendar.unit}"}}'


def local_time(calendar: Calendar, lag: Duration) -> str:
    """
    Return the expression of local time in seconds, *lag* ago.

    The offset from UTC and each of its changes up to 2037 are written out: the server knows no
    time zones.
    """
    offset, changes = offset_changes(calendar.time_zone)
    before = int(lag.seconds)
    terms = [f"time() - {before}"]
    if offset:
        terms.append(f"{'-' if offset < 0 else '+'} {abs(offset)}")
    for moment, jump in changes:
        sign = "-" if jump < 0 else "+"
        terms.append(f"{sign} {abs(jump)} * (time() >= bool {moment + before})")
    lines = [" ".join(terms[:2])] + [f"  {term}" for term in terms[2:]]
    return "vector(\n  " + "\n".join(lines) + "\n)"


def period_start(plan: SloPlan, calendar: Calendar) -> str:
    """Return the expression of the present period's first day, as the number YYYYMMDD."""
    now = series(plan, names.LOCAL_TIME, calendar)
    if calendar.unit == "week":
        monday = f"({now} - {_DAY} * ((day_of_week({now}) + 6) % 7))"
        return f"10000 * year({monday})\n+ 100 * month({monday})\n+ day_of_month({monday})"
    if calendar.unit == "month":
        return f"10000 * year({now}) + 100 * month({now}) + 1"
    first_month = f"(3 * floor((month({now}) - 1) / 3) + 1)"
    return f"10000 * year({now}) + 100 * {first_month} + 1"


def _leap(now: str) -> str:
    """Return 1 in leap years; the next exception is the year 2100."""
    return f"(year({now}) % 4 == bool 0)"


def days_in_period(plan: SloPlan, calendar: Calendar) -> str:
    """Return the expression of the present period's length in days."""
    now = series(plan, names.LOCAL_TIME, calendar)
    if calendar.unit == "week":
        return f"0 * {now} + 7"
    if calendar.unit == "month":
        return f"days_in_month({now})"
    # 90 (91 in leap years), 91, 92 and 92 days.
    month = f"month({now})"
    return f"90 + ({month} > bool 3) + ({month} > bool 6)\n+ {_leap(now)} * ({month} <= bool 3)"


def elapsed(plan: SloPlan, calendar: Calendar) -> str:
    """Return the expression of the share of the present period that is over."""
    passed, length = seconds_elapsed(plan, calendar), days_in_period(plan, calendar)
    return f"(\n{block(passed)}\n)\n/\n({_DAY} * ({length}))"


def seconds_elapsed(plan: SloPlan, calendar: Calendar) -> str:
    """Return the expression of the present period's time so far, in days of 24 h."""
    now = series(plan, names.LOCAL_TIME, calendar)
    if calendar.unit == "week":
        return f"({now} - {_FIRST_MONDAY}) % {7 * _DAY}"
    whole_days = f"day_of_month({now}) - 1"
    if calendar.unit == "quarter":
        month = f"month({now})"
        # Days of the quarter's months before this one: by the second month, by the third.
        second = f"31 * ({month} == bool 2) + 30 * ({month} == bool 5)"
        second += f" + 31 * ({month} == bool 8) + 31 * ({month} == bool 11)"
        third = f"(59 + {_leap(now)}) * ({month} == bool 3) + 61 * ({month} == bool 6)"
        third += f" + 62 * ({month} == bool 9) + 61 * ({month} == bool 12)"
        whole_days = f"{whole_days}\n  + {second}\n  + {third}"
    return f"(\n  {whole_days}\n) * {_DAY} + {now} % {_DAY}"


def current_period(plan: SloPlan, calendar: Calendar) -> str:
    """Return one series whose label is the present period's first day."""
    start = series(plan, names.PERIOD_START, calendar)
    return f'count_values by ({names.LABEL_ID}) ("{names.LABEL_PERIOD}", {start})'


def with_period(plan: SloPlan, calendar: Calendar, selected: str) -> str:
    """Return *selected* with the present period's first day as a label."""
    present = current_period(plan, calendar)
    return f"{selected}\n+ on ({names.LABEL_ID}) group_left ({names.LABEL_PERIOD})\n0 * {present}"


def of_current_period(plan: SloPlan, calendar: Calendar, summed: str) -> str:
    """Return what *summed* has for the present period, without the label that says so."""
    present = current_period(plan, calendar)
    return (
        f"sum without ({names.LABEL_PERIOD}) (\n  {summed}\n"
        f"  and on ({names.LABEL_ID}, {names.LABEL_PERIOD})\n  {present}\n)"
    )
