"""Read and show moments of time, as the command line gives them."""

from __future__ import annotations

from datetime import UTC, datetime

from slo.duration import Duration

__all__ = ["day_text", "minute_text", "parse_moment"]


def parse_moment(text: str, now: float) -> float:
    """
    Return the Unix time that *text* means.

    It is `now`, so long ago (`30d`), or a date with or without time, in UTC where it names no
    offset.

    Raises:
        ValueError: It is none of these.

    >>> parse_moment("1h", 7200.0), parse_moment("1970-01-02", 0.0)
    (3600.0, 86400.0)
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
        message = f"{text!r} is neither `now`, nor a duration such as 30d, nor a date"
        raise ValueError(message) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def day_text(at: float) -> str:
    """Return the date of *at* in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def minute_text(at: float) -> str:
    """Return date and minute of *at* in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
