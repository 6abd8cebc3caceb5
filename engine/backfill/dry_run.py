"""Say what a backfill would ask for and write."""

from __future__ import annotations

from collections.abc import Iterable

from slo.alerts.event_rates import counted
from slo.alerts.model import RecordingRule
from slo.engine.backfill.run import Job, days_of
from slo.engine.sources.protocol import MetricsSource
from slo.promql import render

__all__ = ["preview"]


def preview(
    source: MetricsSource, jobs: Iterable[Job], since: int, until: int
) -> list[tuple[str, int, int, int]]:
    """
    Return for each SLO its id, groups, queries of raw series, and samples at most.

    Groups are counted as they are now. Samples that the server has already are left out when
    it comes to writing.
    """
    found = []
    for job in jobs:
        raw = counted(job.plan)
        groups, queries = 1, 0
        if raw is not None:
            templates = [t for t in (raw.total, raw.error, raw.good) if t is not None]
            queries = len(templates) * sum(1 for _ in days_of(since, until))
            groups = max(1, len(source.instant(render(templates[0], job.timing.base)).series))
        samples = 0
        for group in job.groups:
            interval = group.interval or job.timing.fast
            steps = (until - since) * 1000 // interval.milliseconds
            for rule in group.rules:
                if isinstance(rule, RecordingRule):
                    alone = rule.expr.startswith("vector(")
                    samples += steps * (1 if alone else groups)
        found.append((job.plan.id, groups, queries, samples))
    return found
