"""Find the incidents of a period, and what each of them spent of the error budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from slo.engine.ledger.records import BudgetPoint
from slo.engine.status.model import SloStatus

__all__ = ["Incident", "incidents_in_period", "incidents_of", "with_reviews"]

# Quieter than this for so long, and what follows is another incident.
_GAP = 3_600.0


@dataclass(frozen=True, slots=True)
class Incident:
    """
    Hold a stretch of time in which the budget burned faster than it may.

    Args:
        slo: Key of the SLO.
        share: Of the budget of the whole period that it spent.
        review: Reference of its review.
    """

    slo: str
    start: float
    end: float
    share: float
    review: str | None = None

    @property
    def id(self) -> str:
        """Return what names the incident also when more of it becomes known."""
        return f"{self.slo}@{int(self.start)}"


def incidents_of(
    slo: str, points: Sequence[BudgetPoint], budget: float, gap: float = _GAP
) -> list[Incident]:
    """
    Return the incidents in *points*, oldest first.

    An incident is made of points that burn faster than 1, with at most *gap* seconds between
    them; what is spent in between counts too. Its share is of the budget that the events of
    all *points* allow.

    Args:
        slo: Key of the SLO.
        points: Of one period, oldest first.
        budget: Share of events that may be bad.
    """
    measured = [(p, p.bad, p.total) for p in points if p.bad is not None and p.total is not None]
    allowed = budget * sum(total for _, _, total in measured)
    if allowed <= 0:
        return []
    found: list[Incident] = []
    between = 0.0
    for point, bad, total in measured:
        end = point.at + point.seconds
        last = found[-1] if found else None
        if bad <= budget * total:
            between += bad
        elif last is not None and point.at - last.end <= gap:
            share = last.share + (between + bad) / allowed
            found[-1] = replace(last, end=end, share=share)
            between = 0.0
        else:
            found.append(Incident(slo, point.at, end, bad / allowed))
            between = 0.0
    return found


def incidents_in_period(status: SloStatus, points: Sequence[BudgetPoint]) -> list[Incident]:
    """
    Return the incidents of the present period of *status*, oldest first.

    Args:
        points: How it stood since the period began, oldest first.
    """
    found = incidents_of(status.key, points, status.budget.ratio)
    if status.period.kind != "calendar":
        return found
    # The budget of the whole period is that of the events so far and of those to come.
    elapsed = min(1.0, status.period.elapsed)
    return [replace(incident, share=incident.share * elapsed) for incident in found]


def with_reviews(
    incidents: Iterable[Incident], reviews: Iterable[Mapping[str, str]]
) -> tuple[Incident, ...]:
    """
    Return *incidents* with the references of their reviews.

    Args:
        reviews: As in the field of decisions; see `GateDecision`.
    """
    known = {key: reference for entry in reviews for key, reference in entry.items()}
    return tuple(replace(incident, review=known.get(incident.id)) for incident in incidents)
