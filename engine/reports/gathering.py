"""Gather what a report is made of, from an engine or straight from a metrics server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import isfinite

from slo import conventions as names
from slo.duration import Duration
from slo.engine.ledger.records import BudgetPoint
from slo.engine.reports.engine_client import EngineClient
from slo.engine.reports.report import Report, make_report
from slo.engine.reports.server_reader import read_standing
from slo.engine.reports.spans import Span
from slo.engine.sources.connection import Connection
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import Answer
from slo.engine.status.model import SloStatus

__all__ = ["Wanted", "from_engine", "from_server"]

# Says of a service and an owner whether the report is about them.
Wanted = Callable[[str, str | None], bool]

_HOUR = 3_600.0
_RATE = "rate([0-9]+[a-z]+)+"
_BAD = f'avg_over_time({{__name__=~"{names.ERROR_EVENTS}:{_RATE}"}}[1h]) * 3600'
_TOTAL = f'avg_over_time({{__name__=~"{names.TOTAL_EVENTS}:{_RATE}"}}[1h]) * 3600'
_RATIO = "slo:sli_error:ratio_rate1h"
_WITHOUT_LEDGER = (
    "Read from a metrics server: corrections and decisions are known to an engine only."
)
_UNWEIGHTED = (
    "Some SLOs record no events, only ratios: each of their hours counts the same, however much "
    "traffic it had."
)
_SLICES = "SLOs that count slices of time are reported by their events; an engine knows the slices."


def from_engine(connection: Connection, token: str | None, span: Span, wanted: Wanted) -> Report:
    """
    Return the report from an engine.

    Raises:
        ToolError: It cannot be read.
    """
    with EngineClient(connection, token) as client:
        snapshot = client.snapshot()
        statuses = [s for s in snapshot.statuses if wanted(s.service, s.owner)]
        return make_report(
            statuses,
            client.history,
            span,
            made_at=client.now(),
            source=client.url,
            corrections=client.corrections(span.start, span.end),
            decisions=client.decisions(span.start, span.end),
        )


def from_server(connection: Connection, span: Span, wanted: Wanted) -> Report:
    """
    Return the report from the recorded series of a metrics server, hour by hour.

    Raises:
        ToolError: It cannot be read.
    """
    snapshot = read_standing(connection)
    statuses = [s for s in snapshot.statuses if wanted(s.service, s.owner)]
    past = asyncio.run(_past(connection, span))

    # All at once: only then is it known what has to be noted.
    histories = {status.key: past.points(status) for status in statuses}
    notes = [_WITHOUT_LEDGER]
    if past.unweighted:
        notes.append(_UNWEIGHTED)
    if any(status.events.unit == "slices" for status in statuses):
        notes.append(_SLICES)
    return make_report(
        statuses,
        lambda status, start, end: histories[status.key],
        span,
        made_at=snapshot.taken_at,
        source=connection.url,
        notes=notes,
    )


async def _past(connection: Connection, span: Span) -> _Past:
    source = HttpSource(connection)
    # Evaluated at the end of each hour, looking back over it.
    first, last = span.previous_start + _HOUR, span.end
    step = Duration(int(_HOUR * 1000))
    try:
        bad, total, ratio = [
            await source.range(query, first, last, step) for query in (_BAD, _TOTAL, _RATIO)
        ]
    finally:
        await source.aclose()
    return _Past(bad, total, ratio)


class _Past:
    """Hold the hours of all SLOs."""

    def __init__(self, bad: Answer, total: Answer, ratio: Answer) -> None:
        self._bad, self._total, self._ratio = map(_by_id, (bad, total, ratio))
        self.unweighted = False

    def points(self, status: SloStatus) -> Sequence[BudgetPoint]:
        """Return the hours of *status*, oldest first."""
        slo = f"{status.service}/{status.name}"
        bad, total = self._of(self._bad, status), self._of(self._total, status)
        if not total:
            ratio = self._of(self._ratio, status)
            self.unweighted |= bool(ratio)
            bad, total = ratio, dict.fromkeys(ratio, 1.0)
        return [
            BudgetPoint(slo, at - _HOUR, _HOUR, bad.get(at, 0.0), count, None, status.group)
            for at, count in sorted(total.items())
        ]

    def _of(
        self, found: dict[str, list[tuple[dict[str, str], dict[float, float]]]], status: SloStatus
    ) -> dict[float, float]:
        for labels, samples in found.get(status.id, ()):
            if all(labels.get(label) == value for label, value in status.group.items()):
                return samples
        return {}


def _by_id(answer: Answer) -> dict[str, list[tuple[dict[str, str], dict[float, float]]]]:
    found: dict[str, list[tuple[dict[str, str], dict[float, float]]]] = {}
    for series in answer.series:
        labels = dict(series.labels)
        samples = {at: value for at, value in series.samples if isfinite(value)}
        found.setdefault(labels.get(names.LABEL_ID, ""), []).append((labels, samples))
    return found
