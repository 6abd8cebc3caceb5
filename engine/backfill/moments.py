"""Show moments of time."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["day_text", "minute_text"]


def day_text(at: float) -> str:
    """Return the date of *at* in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def minute_text(at: float) -> str:
    """Return date and minute of *at* in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
