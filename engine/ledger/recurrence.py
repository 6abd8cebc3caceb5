"""
Say when corrections and freezes apply: once, or again and again by an RRULE (RFC 5545).

A rule is read in the local time of its zone: 9:00 stays 9:00 when clocks change. Each occurrence
lasts as many seconds as the first. A local time that a clock change skips is taken an hour
later; one that happens twice is taken once, the first time, except by a rule for every hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from slo.engine.ledger.records import Correction, Freeze
from slo.errors import InvalidRecord
from slo.time_zones import is_time_zone

__all__ = ["MOST_REPETITIONS", "check_recurrence", "occurrences"]

MOST_REPETITIONS = 5_000
_LONGEST_RULE = 500
_DAY = timedelta(days=1)
# Rules with these units can be started anew at any multiple of them without a change.
_STEPS = {"HOURLY": timedelta(hours=1), "DAILY": _DAY, "WEEKLY": 7 * _DAY}
_FREQUENCIES = (*_STEPS, "MONTHLY", "YEARLY")
_PARTS = frozenset(
    (
        *("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYSETPOS"),
        *("BYDAY", "BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYHOUR", "BYMINUTE"),
    )
)
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
# The calendar repeats every 400 years, weekdays included. Searching in the last such stretch
# that dates can express ends soon, also for a rule that never applies.
_SHIFT_YEARS = 7_600
_SHIFTABLE = (1970, 2399)


@dataclass(frozen=True, slots=True)
class _Rule:
    """
    Hold a rule that was read.

    Args:
        text: Its parts but UNTIL.
        until: Last local time at which it may start.
    """

    text: str
    frequency: str
    interval: int
    counted: bool
    until: datetime | None

    def starting(self, first: datetime) -> rrule:
        found = rrulestr(self.text, dtstart=first)
        assert isinstance(found, rrule)
        return found


def occurrences(
    record: Correction | Freeze, start: float, end: float, *, clip: bool = False
) -> tuple[tuple[float, float], ...]:
    """
    Return when *record* applies, as far as it touches the time from *start* to *end*.

    Intervals are half open, merged where they meet, and in order. A correction that was taken
    back never applies; a freeze that was ended applies until then. With *end* equal to *start*
    the answer is about that moment.

    Args:
        clip: Cut the intervals at *start* and *end*.
    """
    ended = record.cancelled_at
    if ended is not None and isinstance(record, Correction):
        return ()
    spans: Iterable[tuple[float, float]] = ((record.start, record.end),)
    if record.recurrence is not None:
        spans = _repeated(record, record.recurrence, start, end)
    if ended is not None:
        spans = [(first, min(last, ended)) for first, last in spans if first < ended]
    merged = _merged(
        (first, last)
        for first, last in spans
        if last > start and (first < end or first == start == end)
    )
    if clip:
        return tuple((max(first, start), min(last, end)) for first, last in merged)
    return merged


def check_recurrence(text: str, first: float, time_zone: str) -> None:
    """
    Refuse a rule that cannot be read, never applies, or applies more than once an hour.

    Raises:
        InvalidRecord: The message says what to write instead.
    """
    if not is_time_zone(time_zone):
        raise InvalidRecord(f"no time zone is called {time_zone!r}; write one like Europe/Berlin")
    rule = _read(text, time_zone)
    local = datetime.fromtimestamp(first, ZoneInfo(time_zone)).replace(tzinfo=None, microsecond=0)
    years = _SHIFT_YEARS if _SHIFTABLE[0] <= local.year <= _SHIFTABLE[1] else 0
    try:
        found = next(iter(rule.starting(local.replace(year=local.year + years))), None)
    except (ValueError, OverflowError) as error:
        raise InvalidRecord(f"recurrence {text!r} cannot be read: {error}") from error
    if found is None:
        raise InvalidRecord(f"recurrence {text!r} never applies: no date matches all its parts")
    if rule.until is not None and found.replace(year=found.year - years) > rule.until:
        raise InvalidRecord(f"recurrence {text!r} ends before it first applies")


def _repeated(
    record: Correction | Freeze, text: str, start: float, end: float
) -> Iterator[tuple[float, float]]:
    zone = ZoneInfo(record.time_zone)
    rule = _read(text, record.time_zone)
    length = record.end - record.start
    first = datetime.fromtimestamp(record.start, zone).replace(tzinfo=None)
    fraction = first.microsecond / 1e6
    first = first.replace(microsecond=0)
    # A day is more than any clock change.
    low = datetime.fromtimestamp(start - length, zone).replace(tzinfo=None) - _DAY
    high = datetime.fromtimestamp(end, zone).replace(tzinfo=None) + _DAY
    if rule.until is not None:
        high = min(high, rule.until)
    step = _STEPS.get(rule.frequency, _DAY) * rule.interval
    if rule.frequency in _STEPS and not rule.counted and low > first:
        first += (low - first) // step * step
    twice = rule.frequency == "HOURLY" and rule.interval == 1
    for local in takewhile(lambda at: at <= high, rule.starting(first)):
        if local < low:
            continue
        moments = {local.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, int(twice))}
        # Around the skipped hour, a moment may come before the previous one; merging sorts.
        for moment in moments:
            yield moment + fraction, moment + fraction + length


@lru_cache(maxsize=1024)
def _read(text: str, time_zone: str) -> _Rule:
    if len(text) > _LONGEST_RULE:
        raise InvalidRecord(f"the recurrence is longer than {_LONGEST_RULE} characters")
    parts: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").split(";"):
        name, equals, value = part.strip().partition("=")
        if not equals or not value or name not in _PARTS:
            raise InvalidRecord(
                f"recurrence {text!r} holds {part!r}; write an RRULE of RFC 5545 such as "
                "FREQ=WEEKLY;BYDAY=MO,TU"
            )
        if name in parts:
            raise InvalidRecord(f"recurrence {text!r} holds {name} twice")
        parts[name] = value
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise InvalidRecord(
            f"recurrence {text!r} needs FREQ, one of {', '.join(_FREQUENCIES)}; "
            "nothing recurs more often than once an hour"
        )
    if "," in parts.get("BYMINUTE", ""):
        raise InvalidRecord(f"recurrence {text!r} applies more often than once an hour")
    if "BYSETPOS" in parts and frequency in _STEPS:
        raise InvalidRecord(f"recurrence {text!r}: BYSETPOS needs FREQ=MONTHLY or FREQ=YEARLY")
    if "COUNT" in parts and "UNTIL" in parts:
        raise InvalidRecord(f"recurrence {text!r} holds COUNT and UNTIL; keep one of them")
    interval = _number(text, parts, "INTERVAL", 10_000) if "INTERVAL" in parts else 1
    if "COUNT" in parts:
        _number(text, parts, "COUNT", MOST_REPETITIONS)
    until = parts.pop("UNTIL", None)
    return _Rule(
        text=";".join(f"{name}={value}" for name, value in parts.items()),
        frequency=frequency,
        interval=interval,
        counted="COUNT" in parts,
        until=None if until is None else _until(text, until, time_zone),
    )


def _number(text: str, parts: dict[str, str], name: str, most: int) -> int:
    value = parts[name]
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= most:
        raise InvalidRecord(f"recurrence {text!r}: {name} must lie between 1 and {most}")
    return int(value)


def _until(text: str, value: str, time_zone: str) -> datetime:
    match = _UNTIL.fullmatch(value)
    try:
        if match is None:
            raise ValueError
        found = datetime.strptime(match[1] + (match[2] or "235959"), "%Y%m%d%H%M%S")
    except ValueError:
        raise InvalidRecord(
            f"recurrence {text!r}: UNTIL is a date like 20261231, a local time like "
            "20261231T180000, or one in UTC like 20261231T180000Z"
        ) from None
    if match[3]:
        found = found.replace(tzinfo=UTC).astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)
    return found


def _merged(spans: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    merged: list[tuple[float, float]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)
