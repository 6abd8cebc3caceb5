"""Read times as people write them: so long ago, or a date."""

from __future__ import annotations

from datetime import datetime, tzinfo

from slo.duration import Duration

__all__ = ["read_moment"]


def read_moment(text: str, now: float, zone: tzinfo) -> float:
    """
    Return the Unix time that *text* means: `now`, `30d` for so long ago, or an ISO 8601 date.

    Args:
        zone: That of a date that names none.

    Raises:
        ValueError: It is none of these, or lies in the future.

    >>> from datetime import UTC
    >>> read_moment("1h", 7200, UTC), read_moment("1970-01-01T00:10", 7200, UTC)
    (3600.0, 600.0)
    """
    if text == "now":
        return now
    try:
        return now - Duration.parse(text).seconds
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a length such as 30d nor a date") from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone)
    if found.timestamp() > now:
        raise ValueError(f"{text} lies in the future")
    return found.timestamp()
