"""Read the history of a service from a metrics server, and find the incidents in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from slo import conventions as names
from slo.duration import Duration, minutes, seconds
from slo.engine.gates.incidents import Incident, incidents_in_period
from slo.engine.ledger.records import BudgetPoint
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import Answer, SourceSeries
from slo.engine.status.model import SloStatus

__all__ = ["read_incidents"]

# The recorded rates look back so far: points that far apart count each event once.
_RATE = minutes(5)
# Servers answer with at most 11,000 points a series.
_MOST_POINTS = 10_000


async def read_incidents(
    source: HttpSource, statuses: Iterable[SloStatus], now: float, within: float
) -> dict[str, list[Incident]]:
    """
    Return the incidents of those of *statuses* that count events, by key.

    Args:
        statuses: Of one service.
        within: Seconds that each of two queries may take.

    Raises:
        ToolError: There is no usable answer.
    """
    counted = [s for s in statuses if s.method == "occurrences" and s.period.seconds > 0]
    if not counted:
        return {}
    start = min(_start(status, now) for status in counted)
    step = max(_RATE, seconds((now - start) / _MOST_POINTS))
    chosen = f'{{{names.LABEL_SERVICE}="{counted[0].service}"}}'
    bad, total = [
        await source.range(f"{series}{chosen}", start, now, step, within=within)
        for series in (names.error_events_rate(_RATE), names.total_events_rate(_RATE))
    ]
    found: dict[str, list[Incident]] = {}
    for status in counted:
        points = _points(status, bad, total, step, _start(status, now))
        if points:
            found[status.key] = incidents_in_period(status, points)
    return found


def _start(status: SloStatus, now: float) -> float:
    return status.period.start if status.period.start is not None else now - status.period.seconds


def _points(
    status: SloStatus, bad: Answer, total: Answer, step: Duration, start: float
) -> list[BudgetPoint]:
    errors = _samples(status, bad.series)
    return [
        BudgetPoint(
            slo=status.key,
            at=at - step.seconds,
            seconds=step.seconds,
            bad=errors.get(at, 0.0) * step.seconds,
            total=rate * step.seconds,
            remaining=None,
        )
        for at, rate in sorted(_samples(status, total.series).items())
        if at > start
    ]


def _samples(status: SloStatus, series: Sequence[SourceSeries]) -> Mapping[float, float]:
    wanted = {names.LABEL_ID: status.id, **status.group}
    for found in series:
        if wanted.items() <= found.labels.items():
            return dict(found.samples)
    return {}
