"""Read and print durations in the notation of Prometheus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Duration", "days", "hours", "minutes", "seconds"]

_UNITS_MS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_PATTERN = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """Hold a length of time in whole milliseconds."""

    milliseconds: int

    @classmethod
    def parse(cls, text: str) -> Duration:
        """
        Read a Prometheus duration such as `5m`, `1h30m` or `30d`.

        Raises:
            ValueError: *text* is empty, or not units in descending order.

        >>> Duration.parse("1h30m").seconds
        5400.0
        """
        return _parse(text)

    @property
    def seconds(self) -> float:
        """Return the length in seconds."""
        return self.milliseconds / 1000

    def __str__(self) -> str:
        """
        Print as Prometheus does: years and weeks only where nothing is left over.

        >>> str(days(28)), str(days(30)), str(hours(36))
        ('4w', '30d', '1d12h')
        """
        return _format(self.milliseconds)

    def __add__(self, other: Duration) -> Duration:
        return Duration(self.milliseconds + other.milliseconds)

    def __sub__(self, other: Duration) -> Duration:
        return Duration(self.milliseconds - other.milliseconds)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Duration:
    if text == "0":
        return Duration(0)
    match = _PATTERN.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"not a duration: {text!r}")
    amounts = zip(match.groups(), _UNITS_MS.values(), strict=True)
    return Duration(sum(int(amount) * unit for amount, unit in amounts if amount))


@lru_cache(maxsize=4096)
def _format(milliseconds: int) -> str:
    if milliseconds == 0:
        return "0s"
    rest = milliseconds
    parts: list[str] = []
    for unit, size in _UNITS_MS.items():
        # Prometheus prints years and weeks only when they divide the rest exactly.
        if unit in ("y", "w") and rest % size:
            continue
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts)


def seconds(amount: float) -> Duration:
    """Return a duration of *amount* seconds."""
    return Duration(round(amount * 1000))


def minutes(amount: float) -> Duration:
    """Return a duration of *amount* minutes."""
    return seconds(amount * 60)


def hours(amount: float) -> Duration:
    """Return a duration of *amount* hours."""
    return seconds(amount * 3600)


def days(amount: float) -> Duration:
    """Return a duration of *amount* days."""
    return seconds(amount * 86_400)
