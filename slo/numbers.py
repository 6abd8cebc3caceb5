"""Print numbers the way Go does, since sloth's output is full of them."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

__all__ = ["decimal_text", "go_float"]

# Bounds of plain notation in Go's `strconv.FormatFloat(value, 'g', -1, 64)`.
_SMALLEST_EXPONENT = -4
_LARGEST_EXPONENT = 5


@lru_cache(maxsize=4096)
def go_float(value: float) -> str:
    """
    Return *value* as Go's `%g` prints it: shortest digits, exponent below 1e-4 and from 1e6.

    Python's `repr` finds the same digits, but keeps a trailing `.0` and switches to an
    exponent at other magnitudes.

    >>> go_float(99.0), go_float(0.0009999999999999432), go_float(1e6), go_float(1e-5)
    ('99', '0.0009999999999999432', '1e+06', '1e-05')
    """
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(digits) + int(exponent) - 1
    prefix = "-" if sign else ""
    if _SMALLEST_EXPONENT <= point <= _LARGEST_EXPONENT:
        return prefix + format(Decimal(repr(abs(value))).normalize(), "f")
    mantissa = text[0] + ("." + text[1:] if len(text) > 1 else "")
    return f"{prefix}{mantissa}e{'-' if point < 0 else '+'}{abs(point):02d}"


@lru_cache(maxsize=4096)
def decimal_text(value: Decimal) -> str:
    """
    Return *value* in plain notation, without trailing zeros.

    >>> decimal_text(Decimal("99.90")), decimal_text(Decimal("1E+2"))
    ('99.9', '100')
    """
    return format(value.normalize(), "f")
