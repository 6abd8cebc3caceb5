"""Know when the clocks of a time zone change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

__all__ = ["FIRST_YEAR", "LAST_YEAR", "is_time_zone", "offset_changes", "time_zones"]

# Fixed, so that the same spec compiles to the same bytes in any year.
FIRST_YEAR = 2025
LAST_YEAR = 2037


def time_zones() -> set[str]:
    """Return the names of all time zones that are named after places, and UTC."""
    return {name for name in available_timezones() if "/" in name} | {"UTC"}


def is_time_zone(name: str) -> bool:
    """Tell whether *name* is a time zone of the IANA database, such as `Europe/Berlin`."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@lru_cache(maxsize=64)
def offset_changes(name: str) -> tuple[int, tuple[tuple[int, int], ...]]:
    """
    Return the offset from UTC before `FIRST_YEAR`, and each change of it up to `LAST_YEAR`.

    Offsets are in seconds; a change is its Unix time and by how much local time jumps.
    """
    zone = ZoneInfo(name)
    now = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    end = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
    first = before = _offset(zone, now)
    changes: list[tuple[int, int]] = []
    while now < end:
        following = now + timedelta(days=1)
        after = _offset(zone, following)
        if after != before:
            changes.append((_moment(zone, now, following), after - before))
        now, before = following, after
    return first, tuple(changes)


def _offset(zone: ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _moment(zone: ZoneInfo, before: datetime, after: datetime) -> int:
    """Return the first second in which the offset is that of *after*."""
    low, high = int(before.timestamp()), int(after.timestamp())
    wanted = _offset(zone, after)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == wanted:
            high = middle
        else:
            low = middle
    return high
