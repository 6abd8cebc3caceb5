"""Work out from history whether objectives were met, and which incidents spent the budgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slo.engine.ledger.records import BudgetPoint
from slo.engine.reports.spans import Span
from slo.engine.status.model import SloStatus

__all__ = ["Attainment", "Incident", "SloReport", "attainment", "incidents", "report_of"]

# What spends less is no incident, and a pause shorter than this does not end one.
LEAST_SHARE = 0.01
LONGEST_PAUSE_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Attainment:
    """
    Say how a stretch of time went.

    Args:
        sli: Share of good events; `None` where nothing was counted.
        spent: Share of the budget of this very stretch that bad events took.
        measured: Share of its time that was measured.
    """

    bad: float
    total: float
    sli: float | None
    spent: float | None
    measured: float


@dataclass(frozen=True, slots=True)
class Incident:
    """
    Hold a stretch in which the budget burned faster than it lasts.

    Args:
        share: Share of the budget of the SLO's whole period that it spent.
        peak: Highest burn rate within.
    """

    slo: str
    start: float
    end: float
    bad: float
    share: float
    peak: float


@dataclass(frozen=True, slots=True)
class SloReport:
    """
    Hold one SLO's part of a report.

    Args:
        met: Whether the objective was met; `None` where nobody knows.
        points: What it is based on.
    """

    status: SloStatus
    now: Attainment
    before: Attainment
    met: bool | None
    incidents: tuple[Incident, ...]
    points: tuple[BudgetPoint, ...]

    @property
    def trend(self) -> float | None:
        """Return by how much more of the budget was spent than in the period before."""
        if self.now.spent is None or self.before.spent is None:
            return None
        return self.now.spent - self.before.spent


def attainment(points: Iterable[BudgetPoint], budget: float, seconds: float) -> Attainment:
    """
    Return how a stretch of *seconds* went.

    Args:
        points: Of that stretch.
        budget: Share of events that may be bad.
    """
    counted = [(p.seconds, p.bad, p.total) for p in points]
    known = [(s, b, t) for s, b, t in counted if b is not None and t is not None]
    bad = sum(b for _, b, _ in known)
    total = sum(t for _, _, t in known)
    measured = min(1.0, sum(s for s, _, _ in known) / seconds) if seconds > 0 else 0.0
    if not total:
        return Attainment(bad, total, None, None, measured)
    spent = bad / (budget * total) if budget else None
    return Attainment(bad, total, 1 - bad / total, spent, measured)


def incidents(
    points: Sequence[BudgetPoint], budget: float, events_per_period: float
) -> tuple[Incident, ...]:
    """
    Return the stretches of a burn rate above 1 that spent more than a hundredth of the budget.

    Args:
        points: Oldest first.
        budget: Share of events that may be bad.
        events_per_period: Events that the SLO's whole period holds.
    """
    allowed = budget * events_per_period
    if allowed <= 0:
        return ()
    found: list[Incident] = []
    for point in points:
        if point.bad is None or not point.total:
            continue
        rate = point.bad / point.total / budget
        if rate <= 1:
            continue
        end, share = point.at + point.seconds, point.bad / allowed
        last = found[-1] if found else None
        if last is not None and point.at - last.end <= LONGEST_PAUSE_SECONDS:
            found[-1] = Incident(
                last.slo,
                last.start,
                end,
                last.bad + point.bad,
                last.share + share,
                max(last.peak, rate),
            )
        else:
            found.append(Incident(point.slo, point.at, end, point.bad, share, rate))
    return tuple(incident for incident in found if incident.share > LEAST_SHARE)


def report_of(status: SloStatus, points: Sequence[BudgetPoint], span: Span) -> SloReport:
    """
    Return the report of one SLO.

    Args:
        points: Of *span* and of the stretch before it, oldest first.
    """
    budget = status.budget.ratio
    ours = tuple(p for p in points if span.start <= p.at < span.end)
    earlier = [p for p in points if span.previous_start <= p.at < span.start]
    now = attainment(ours, budget, span.seconds)
    before = attainment(earlier, budget, span.start - span.previous_start)
    met = None if now.sli is None else now.bad <= budget * now.total * (1 + 1e-9)
    return SloReport(
        status, now, before, met, incidents(ours, budget, _events(status, now, span)), ours
    )


def _events(status: SloStatus, now: Attainment, span: Span) -> float:
    """Return how many events a whole period of the SLO holds, at the traffic of *span*."""
    measured = now.measured * span.seconds
    length = status.period.seconds or span.seconds
    return now.total * length / measured if measured else 0.0
