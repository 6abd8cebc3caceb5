"""Write down how budgets stood, for burn-downs and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slo.engine.ledger.records import BudgetPoint
from slo.engine.status.model import SloStatus, Snapshot, State
from slo.engine.status.reading import Key, Reading
from slo.engine.status.snapshots import window_seconds

__all__ = ["budget_points"]


def budget_points(
    snapshot: Snapshot, readings: Mapping[Key, Reading], seconds: float
) -> Sequence[BudgetPoint]:
    """
    Return one point an SLO for the last *seconds*, from the current rates of events.

    Points begin at multiples of *seconds*, so that two replicas write the same ones.
    """
    end = snapshot.taken_at // seconds * seconds
    return [
        _point(status, readings.get((status.id, tuple(sorted(status.group.items())))), end, seconds)
        for status in snapshot.statuses
        if status.state not in (State.STALE, State.NO_DATA)
    ]


def _point(status: SloStatus, reading: Reading | None, end: float, seconds: float) -> BudgetPoint:
    total = bad = None
    shortest = _shortest(reading) if reading is not None else None
    if reading is not None and reading.traffic is not None:
        total = reading.traffic * seconds
        if status.events.unit == "slices" and shortest is not None:
            total = seconds / shortest[0]
        # Without traffic there is no ratio, and nothing bad either.
        bad = total * shortest[1] if shortest is not None else 0.0
    return BudgetPoint(
        slo=f"{status.service}/{status.name}",
        at=end - seconds,
        seconds=seconds,
        bad=bad,
        total=total,
        remaining=status.budget.remaining,
        labels=dict(status.group),
    )


def _shortest(reading: Reading) -> tuple[float, float] | None:
    """Return length and error ratio of the shortest window."""
    return min(
        (
            (length, ratio)
            for window, ratio in reading.ratios.items()
            if (length := window_seconds(window)) is not None
        ),
        default=None,
    )
