"""Say shares, lengths and moments as people do."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

__all__ = ["length", "moment", "percent", "rate"]

_MOST_DIGITS = 8
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def percent(share: float, beside: float | None = None) -> str:
    """
    Return a share in percent.

    Args:
        beside: Share that is shown next to it; digits are added until the two differ.

    >>> percent(-0.12), percent(0.0042), percent(0.3333), percent(-53.2)
    ('-12 %', '0.42 %', '33 %', '-5320 %')
    >>> percent(0.2004, beside=0.2)
    '20.04 %'
    """
    value = 100 * share
    digits = 0 if abs(value) >= 10 else 1 if abs(value) >= 1 else 2
    if beside is not None and beside != share:
        while digits < _MOST_DIGITS and f"{value:.{digits}f}" == f"{100 * beside:.{digits}f}":
            digits += 1
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{'0' if text == '-0' else text} %"


def rate(value: float, beside: float) -> str:
    """
    Return a burn rate that is shown next to another one; digits are added until they differ.

    >>> rate(21.04, 14.4), rate(14.402, 14.4)
    ('21', '14.402')
    """
    digits = 3
    while digits < _MOST_DIGITS and f"{value:.{digits}g}" == f"{beside:.{digits}g}":
        digits += 1
    return f"{value:.{digits}g}"


def length(seconds: float) -> str:
    """
    Return a length of time in its two largest units.

    >>> length(273_600), length(59.4), length(7_200)
    ('3 d 4 h', '59 s', '2 h')
    """
    rest = round(max(0.0, seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(f"{amount} {unit}")
        if len(parts) == 2 or (parts and not amount):
            break
    return " ".join(parts) or "0 s"


def moment(at: float, time_zone: str = "UTC") -> str:
    """
    Return a moment in the local time of a zone.

    >>> moment(1_796_000_000, "Europe/Berlin")
    '2026-11-30 01:53 Europe/Berlin'
    """
    return f"{datetime.fromtimestamp(at, ZoneInfo(time_zone)):%Y-%m-%d %H:%M} {time_zone}"
