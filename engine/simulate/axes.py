"""Place values on the axes of plots, and choose the marks that a person wants to read there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, log10

__all__ = ["LogAxis", "Mark", "percent_marks", "power_marks", "time_marks"]

# Lengths of time that people think in, in seconds.
_LENGTHS = (
    (1, "1s"),
    (10, "10s"),
    (60, "1m"),
    (600, "10m"),
    (3600, "1h"),
    (6 * 3600, "6h"),
    (86_400, "1d"),
    (3 * 86_400, "3d"),
    (10 * 86_400, "10d"),
    (30 * 86_400, "30d"),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Hold a value that an axis names."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class LogAxis:
    """
    Place values between two bounds on a logarithmic scale.

    Args:
        low: Value at place 0, above zero.
        high: Value at place 1.
    """

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where *value* lies: 0 at the lower bound and below, 1 at the upper and above."""
        if value <= self.low:
            return 0.0
        if value >= self.high:
            return 1.0
        return (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))

    def value(self, place: float) -> float:
        """Return the value at *place*, in [0, 1]."""
        low, high = log10(self.low), log10(self.high)
        return float(10 ** (low + place * (high - low)))

    def within(self, marks: Iterable[Mark]) -> list[Mark]:
        """Return those of *marks* that lie between the bounds."""
        slack = 1 + 1e-9
        return [m for m in marks if self.low / slack <= m.value <= self.high * slack]


def time_marks(axis: LogAxis) -> list[Mark]:
    """Return lengths of time on *axis*, which is in seconds."""
    return axis.within(Mark(value, text) for value, text in _LENGTHS)


def percent_marks(axis: LogAxis) -> list[Mark]:
    """Return shares on *axis* in percent: 1, 2 and 5 of each power of ten."""
    low, high = floor(log10(axis.low)), floor(log10(axis.high)) + 1
    found = []
    for power in range(low, high + 1):
        for digit in (1, 2, 5):
            value = digit * 10.0**power
            found.append(Mark(value, f"{_plain(value * 100)} %"))
    return axis.within(found)


def power_marks(axis: LogAxis) -> list[Mark]:
    """Return the powers of ten on *axis*."""
    powers = range(floor(log10(axis.low)), floor(log10(axis.high)) + 2)
    return axis.within(Mark(10.0**p, _plain(10.0**p)) for p in powers)


def _plain(value: float) -> str:
    text = f"{value:,.6f}"
    return text.rstrip("0").rstrip(".")
