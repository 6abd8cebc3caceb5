"""Read times as people write them: so long ago, or a date."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from slo.duration import Duration

__all__ = ["read_moment", "read_span"]


def read_moment(text: str, now: float, zone: tzinfo = UTC) -> float:
    """
    Return the Unix time that *text* means: `now`, `30d` for so long ago, or an ISO 8601 date.

    Args:
        zone: That of a date that names none.

    Raises:
        ValueError: It is none of these, lies in the future or before 1970.

    >>> read_moment("1h", 7200), read_moment("1970-01-01T00:10", 7200)
    (3600.0, 600.0)
    """
    if text == "now":
        return now
    found = _ago(text, now)
    if found is None:
        found = _date(text, zone)
    if found > now:
        raise ValueError(f"{text} lies in the future")
    if found < 0:
        raise ValueError(f"{text} reaches back to before 1970")
    return found


def read_span(since: str, until: str, now: float, zone: tzinfo = UTC) -> tuple[float, float]:
    """
    Return the Unix times from *since* until *until*, as `read_moment` reads them.

    Raises:
        ValueError: One of them is no such time, or nothing lies between them.
    """
    first, last = read_moment(since, now, zone), read_moment(until, now, zone)
    if first >= last:
        raise ValueError(f"--since {since} is not before --until {until}")
    return first, last


def _ago(text: str, now: float) -> float | None:
    try:
        return now - Duration.parse(text).seconds
    except ValueError:
        return None


def _date(text: str, zone: tzinfo) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a length such as 30d nor a date") from None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()
