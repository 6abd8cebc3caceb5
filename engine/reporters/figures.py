"""Print times, shares and counts for people."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from slo.duration import Duration
from slo.numbers import decimal_text

__all__ = [
    "BOLD",
    "DIM",
    "GREEN",
    "RED",
    "YELLOW",
    "Paint",
    "count_text",
    "days_text",
    "factor_text",
    "objective_text",
    "painter",
    "percent_text",
    "time_text",
]

Paint = Callable[[str, str], str]
BOLD = "1"
DIM = "2"
RED = "31"
GREEN = "32"
YELLOW = "33"

_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000


def painter(color: bool) -> Paint:
    """Return a function that paints a text in a style, or leaves it alone."""

    def paint(text: str, style: str) -> str:
        return f"\033[{style}m{text}\033[0m" if color and text else text

    return paint


def time_text(length: Duration) -> str:
    """
    Return *length* with as many digits as a person wants.

    >>> time_text(Duration(51_840)), time_text(Duration(0)), time_text(Duration(129_720_000))
    ('52s', '0s', '1d12h2m')
    """
    unit = 1000 if length.milliseconds < 10 * _HOUR else _MINUTE
    rounded = (length.milliseconds + unit // 2) // unit * unit
    return days_text(Duration(rounded))


def days_text(length: Duration) -> str:
    """
    Return *length* without weeks: `4w` is no name for a period of 28 days.

    >>> days_text(Duration(28 * 86_400_000)), days_text(Duration(90_000))
    ('28d', '1m30s')
    """
    days, rest = divmod(length.milliseconds, _DAY)
    if not days:
        return str(length)
    return f"{days}d{Duration(rest) if rest else ''}"


def percent_text(share: Decimal | float, digits: int = 3) -> str:
    """
    Return *share* in percent, with about three digits.

    >>> percent_text(Decimal("0.023148")), percent_text(1.0648), percent_text(0)
    ('2.31 %', '106 %', '0 %')
    """
    value = Decimal(str(share)) * 100
    if not value:
        return "0 %"
    places = max(0, digits - 1 - value.adjusted())
    if places > 4:
        return "<0.0001 %" if value > 0 else ">-0.0001 %"
    return f"{_without_zeros(f'{value:.{places}f}')} %"


def factor_text(value: float) -> str:
    """
    Return a burn rate with about three digits.

    >>> factor_text(14.4), factor_text(999.6), factor_text(0.0512)
    ('14.4x', '1,000x', '0.051x')
    """
    if value >= 100:
        return f"{value:,.0f}x"
    return f"{_without_zeros(f'{value:.{1 if value >= 10 else 2 if value >= 1 else 3}f}')}x"


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def count_text(number: int, noun: str) -> str:
    """
    Return *number* with its noun.

    >>> count_text(1, "page"), count_text(1200, "page")
    ('1 page', '1,200 pages')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def objective_text(objective: Decimal, period: str) -> str:
    """
    Return an objective in words.

    >>> objective_text(Decimal("99.9"), "30d")
    '99.9 % over 30d'
    """
    return f"{decimal_text(objective)} % over {period}"
