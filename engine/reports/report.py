"""Gather a report, and give it as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any

from slo.engine.ledger.records import BudgetPoint, Correction, Decision
from slo.engine.reports.attainment import Incident, SloReport, report_of
from slo.engine.reports.spans import Span
from slo.engine.status.model import SloStatus

__all__ = ["History", "Report", "as_dict", "make_report"]

# Returns how an SLO stood from one moment to another, oldest first.
History = Callable[[SloStatus, float, float], Sequence[BudgetPoint]]


@dataclass(frozen=True, slots=True)
class Report:
    """
    Hold a report.

    Args:
        slos: Those first that spent most of their budget.
        source: Where the numbers come from.
        notes: What the reader should know about them.
    """

    span: Span
    made_at: float
    source: str
    slos: tuple[SloReport, ...]
    incidents: tuple[Incident, ...]
    corrections: tuple[Correction, ...]
    decisions: tuple[Decision, ...]
    notes: tuple[str, ...] = ()

    @property
    def met(self) -> int:
        """Return how many objectives were met."""
        return sum(slo.met is True for slo in self.slos)

    @property
    def missed(self) -> int:
        """Return how many objectives were not met."""
        return sum(slo.met is False for slo in self.slos)


def make_report(
    statuses: Sequence[SloStatus],
    history: History,
    span: Span,
    *,
    made_at: float,
    source: str,
    corrections: Sequence[Correction] = (),
    decisions: Sequence[Decision] = (),
    notes: Sequence[str] = (),
) -> Report:
    """Return the report about *statuses* in *span*."""
    slos = [
        report_of(status, history(status, span.previous_start, span.end), span)
        for status in statuses
    ]
    slos.sort(key=lambda slo: (-_spent(slo), slo.status.key))
    named = {f"{status.service}/{status.name}" for status in statuses}
    services = {status.service for status in statuses}
    return Report(
        span,
        made_at,
        source,
        tuple(slos),
        tuple(
            sorted((i for slo in slos for i in slo.incidents), key=lambda i: (-i.share, i.start))
        ),
        tuple(c for c in corrections if any(fnmatchcase(name, c.target.slo) for name in named)),
        tuple(d for d in decisions if d.request.get("service") in services),
        tuple(notes),
    )


def _spent(slo: SloReport) -> float:
    return -math.inf if slo.now.spent is None else slo.now.spent


def as_dict(report: Report) -> dict[str, Any]:
    """Return the report for machines; shares are ratios, times Unix seconds."""
    return {
        "period": asdict(report.span),
        "made_at": report.made_at,
        "source": report.source,
        "notes": list(report.notes),
        "slos": [_slo(slo) for slo in report.slos],
        "incidents": [asdict(incident) for incident in report.incidents],
        "corrections": [asdict(correction) for correction in report.corrections],
        "decisions": [_decision(decision) for decision in report.decisions],
    }


def _slo(slo: SloReport) -> dict[str, Any]:
    status = slo.status
    return {
        "slo": status.key,
        "service": status.service,
        "name": status.name,
        "group": dict(status.group),
        "owner": status.owner,
        "tier": status.tier,
        "objective": status.objective,
        "met": slo.met,
        "attained": asdict(slo.now),
        "before": asdict(slo.before),
        "trend": slo.trend,
        "incidents": len(slo.incidents),
        "budget_remaining": status.budget.remaining,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "id": decision.id,
        "at": decision.at,
        "verdict": decision.verdict,
        "reasons": list(decision.reasons),
        "request": dict(decision.request),
        "actor": decision.actor,
        "dry_run": decision.dry_run,
    }
