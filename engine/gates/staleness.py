"""
Bound what can have happened since the numbers were taken.

The worst case is that every event since then was bad, at the average traffic of the period.
In *a* seconds that spends `a / (B * W)` of the budget, where *B* is its share of the events and
*W* the part of the period that was measured.
"""

from __future__ import annotations

import math

__all__ = ["safe_seconds", "worst_case"]


def worst_case(remaining: float, age: float, budget: float, measured: float) -> float:
    """
    Return what is left of a budget at worst, *age* seconds after *remaining* was left.

    Args:
        budget: Share of events that may be bad.
        measured: Seconds of the period that its count covers.
    """
    if age <= 0:
        return remaining
    whole = budget * measured
    return remaining - age / whole if whole > 0 else -math.inf


def safe_seconds(remaining: float, floor: float, budget: float, measured: float) -> float:
    """Return for how many seconds the worst case leaves more than *floor*."""
    return max(0.0, (remaining - floor) * budget * measured)
