"""Know the past of all SLOs: corrected time, and the events of every hour."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slo.alerts.event_rates import rates_count_per_window
from slo.alerts.timing import DEFAULT_INTERVAL, Timing
from slo.engine.ledger.records import Correction
from slo.engine.ledger.recurrence import occurrences
from slo.engine.sources.http_source import HttpSource
from slo.engine.status.corrections import Corrected, Corrections
from slo.engine.status.declared import Declared
from slo.engine.status.event_history import EventHistory
from slo.engine.status.event_reader import EventReader
from slo.engine.status.exhaustion import HOUR, Expiring
from slo.engine.status.model import SloStatus
from slo.engine.status.periods import period_of
from slo.engine.status.reading import Key, Reading
from slo.engine.status.targets import targets
from slo.errors import ToolError

__all__ = ["LONGEST_PERIOD", "MOST_QUERIES", "BurnDown", "Past"]

MOST_QUERIES = 4
"""What one refresh may ask about the past; what is left waits for the next one."""

_DAY = 86_400.0
# The base window is fifteen seconds at least, so that the other case lies far below.
_CERTAINLY_EVENTS = 0.5
LONGEST_PERIOD = 93 * _DAY
"""A quarter of 92 days, and the hour that it is longer where summer time ends."""

_log = logging.getLogger(__name__)


class BurnDown(NamedTuple):
    """
    Hold how a budget was spent, as points of time and share left.

    Args:
        method: `events`, or `recorded` where only the ratios of then are known.
    """

    points: Sequence[tuple[float, float]]
    method: str


class Past:
    """Read the past a few queries at a time, and remember it."""

    def __init__(self) -> None:
        self._reader = EventReader()
        self._corrections = Corrections(
            self._reader,
            occurrences,
            lambda correction, slo: targets(correction.target, slo),
            self._scale,
        )
        self._history = EventHistory(self._reader, self._scale, self._corrections.taken)
        self._scales: dict[str, float] = {}
        self._readings: Mapping[Key, Reading] = {}
        self._declared: Mapping[str, Declared] = {}

    async def read(
        self,
        source: HttpSource,
        readings: Mapping[Key, Reading],
        declared: Mapping[str, Declared],
        corrections: Sequence[Correction],
        now: float,
        within: float,
    ) -> None:
        """
        Read what is not known yet, by at most `MOST_QUERIES` queries.

        What cannot be read now is read later; nothing is raised.
        """
        self._readings = readings
        if declared is not self._declared:
            self._declared = declared
            self._scales = dict(await asyncio.to_thread(_scales, declared))
        depth = max((_DAY * r.days for r in readings.values() if r.days), default=0.0)
        depth = min(depth, LONGEST_PERIOD)
        left = MOST_QUERIES
        try:
            async with asyncio.timeout(within):
                left -= await self._reader.learn(source, now, within)
                await asyncio.to_thread(
                    self._corrections.plan, corrections, readings, now - depth, now
                )
                left -= await self._corrections.read(source, readings, now, left, within)
                await self._history.read(source, readings, depth, now, left, within)
        except (ToolError, TimeoutError) as error:
            _log.warning("the past is read later: %s", error or "it took too long")

    def corrected(self, key: Key, start: float, end: float) -> Corrected | None:
        """Return what corrections take out of the count of *key* from *start* to *end*."""
        return self._corrections.of(key, start, end)

    def expiring(self, key: Key, budget: float, window: float) -> Expiring | None:
        """Return what a rolling window of *window* seconds will lose, where that is known."""
        return self._history.expiring(key, budget, window, self._corrections.stamp(key))

    def _scale(self, key: Key) -> float | None:
        """
        Return how many events one counted event is.

        One, unless the query counts the events of a window instead of events per second. Specs
        say so; without them it shows when the whole period is known: the rules count right.
        """
        known = self._scales.get(key[0])
        reading = self._readings.get(key)
        if known is not None or reading is None:
            return known
        if reading.unit == "slices":
            return 1.0
        period = period_of(reading.days, reading.elapsed, None, reading.evaluated_at or 0.0)
        total = reading.total.get(period.name) if period is not None else None
        if period is None or period.start is None or total is None:
            return None
        counted = self._history.counted_since(key, period.start)
        if counted is None:
            return None
        share = total / counted if counted else 1.0
        scale = 1.0 if share > _CERTAINLY_EVENTS else share
        if total:
            self._scales[key[0]] = scale
        return scale

    def burn_down(self, status: SloStatus) -> BurnDown | None:
        """
        Return how the budget of the present period was spent, hour by hour.

        It begins with the whole budget at the start of the period and ends with what is left
        now: each point is `1 - bad(start, t) / (B * total(start, now))`, corrections applied.
        `None` where the events of the period are not known.
        """
        start = status.period.start
        found = self._history.hours(_key_of(status))
        if found is None or start is None or not self._history.complete:
            return None
        inside = [
            (found.first + number * HOUR, bad, total)
            for number, (bad, total) in enumerate(zip(found.bad, found.total, strict=True))
            if found.first + number * HOUR >= start - HOUR
        ]
        counted = status.events.total or sum(total for _, _, total in inside)
        allowed = status.budget.ratio * counted
        if allowed <= 0:
            return None
        points, spent = [(max(start, inside[0][0]), 1.0)], 0.0
        for at, bad, _ in inside:
            spent += bad
            points.append((at + HOUR, 1 - spent / allowed))
        remaining, now = status.budget.remaining, status.provenance.evaluated_at
        if remaining is not None and now is not None and now > points[-1][0]:
            points.append((now, remaining))
        return BurnDown(points, "events")


def _key_of(status: SloStatus) -> Key:
    return status.id, tuple(sorted(status.group.items()))


def _scales(declared: Mapping[str, Declared]) -> Mapping[str, float]:
    """Return how many events one counted event is, by id."""
    return {
        slo_id: 1 / Timing.of(known.plan, DEFAULT_INTERVAL).base.seconds
        if rates_count_per_window(known.plan)
        else 1.0
        for slo_id, known in declared.items()
    }
