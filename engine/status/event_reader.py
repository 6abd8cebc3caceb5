"""
Count the events of a stretch of time, for all SLOs in one query.

Profile `exact` keeps thinned records: averages of the event rates, one every few minutes. Their
names say how many seconds each stands for, so that a sum of them is a number of events, the same
one that the rules make budgets of. SLOs that count slices of time record one value a slice.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slo import conventions as names
from slo.duration import Duration
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import Answer, SourceSeries
from slo.engine.sources.turns import in_turns
from slo.engine.status.reading import Key, Reading, group_of

__all__ = ["Counted", "EventReader"]

_LENGTH = "([0-9]+[a-z]+)+"
_RECORDS = f"slo:(error|total)_events:rate{_LENGTH}_avg{_LENGTH}"
_TOTAL_RECORD = re.compile(rf"{names.TOTAL_EVENTS}:rate(?P<base>[0-9a-z]+)_avg(?P<step>[0-9a-z]+)")
# Names seldom change; new ones appear with a spec that is recorded at another pace.
_NAMES_SECONDS = 3_600.0
# Series that are sorted before others get a turn: a millisecond of work.
_AT_ONCE = 100
# VictoriaMetrics shows samples half a minute after they came.
_INGESTION_SECONDS = 30.0
# Tells the parts of the answer apart; sums have no names.
_PART = "slo_part"


class Counted(NamedTuple):
    """Hold bad and all events, or slices, of a stretch of time."""

    bad: float
    total: float


class _Record(NamedTuple):
    """Name a thinned record by the window of its rate and by the time that it stands for."""

    base: Duration
    step: Duration

    @property
    def lag(self) -> float:
        """Return by how many seconds the middle of what it counts lies back."""
        return (self.base.seconds + self.step.seconds) / 2


class EventReader:
    """Read counts of events from what profile `exact` records."""

    def __init__(self) -> None:
        self._records: tuple[_Record, ...] = ()
        self._known_until = -math.inf

    @property
    def behind(self) -> float:
        """Return by how many seconds the latest budgets may lie behind the present."""
        steps = [record.step.seconds + record.lag for record in self._records]
        return max(steps, default=0.0) + _INGESTION_SECONDS

    async def between(
        self,
        source: HttpSource,
        length: float,
        ends: Sequence[float],
        readings: Mapping[Key, Reading],
        *,
        matchers: str = "",
        within: float | None = None,
    ) -> Mapping[Key, Mapping[float, Counted]]:
        """
        Return what was counted in the *length* seconds up to each of *ends*.

        Args:
            ends: Unix seconds, evenly spaced.
            readings: SLOs to look for; others are left out.
            matchers: PromQL matchers that choose SLOs.

        Raises:
            ToolError: There is no usable answer.
        """
        lag = max((record.lag for record in self._records), default=0.0)
        query = self._query(length, matchers, lag)
        step = ends[1] - ends[0] if len(ends) > 1 else 60.0
        answer = await source.range(
            query,
            ends[0] + lag,
            ends[-1] + lag,
            Duration(round(step * 1000)),
            within=within,
        )
        return await asyncio.to_thread(_sorted, answer, lag, readings)

    async def learn(self, source: HttpSource, now: float, within: float | None = None) -> bool:
        """Find out under which names events are recorded, now and then; tell if it asked."""
        if now < self._known_until:
            return False
        answer = await source.instant(
            f'group by (__name__) ({{__name__=~"{_RECORDS}"}})', within=within
        )
        found = {
            _Record(Duration.parse(match["base"]), Duration.parse(match["step"]))
            for series in answer.series
            if (match := _TOTAL_RECORD.fullmatch(series.labels.get("__name__", "")))
        }
        self._records = tuple(sorted(found, key=lambda record: record.step, reverse=True))
        self._known_until = now + _NAMES_SECONDS
        return True

    def _query(self, length: float, matchers: str, lag: float) -> str:
        window = Duration(round(length * 1000))

        def over(series: str, behind: float) -> str:
            offset = f" offset {Duration(round(behind * 1000))}" if behind else ""
            return f"{series}{{{matchers}}}[{window}]{offset}"

        slices = over(names.SLICE_ERROR, lag)
        parts: dict[str, list[str]] = {
            "bad_slices": [f"sum_over_time({slices})"],
            "all_slices": [f"count_over_time({slices})"],
        }
        # The one that is thinned most comes first, and wins: it is the one that budgets are of.
        for record in self._records:
            for part, name in (
                ("bad", names.error_events_thinned(record.base, record.step)),
                ("all", names.total_events_thinned(record.base, record.step)),
            ):
                summed = f"sum_over_time({over(name, lag - record.lag)})"
                parts.setdefault(part, []).append(f"{record.step.seconds:g} * {summed}")
        return "\nor\n".join(
            f'label_replace({" or ".join(sums)}, "{_PART}", "{part}", "", "")'
            for part, sums in parts.items()
        )


def _sorted(
    answer: Answer,
    lag: float,
    readings: Mapping[Key, Reading],
) -> Mapping[Key, Mapping[float, Counted]]:
    labels_of = {slo_id: reading.labels for (slo_id, _), reading in readings.items()}
    parts: dict[tuple[Key, str], SourceSeries] = {}
    for series in in_turns(answer.series, _AT_ONCE):
        slo_id = series.labels.get(names.LABEL_ID, "")
        if slo_id not in labels_of:
            continue
        rest = {name: value for name, value in series.labels.items() if name != _PART}
        key = (slo_id, group_of(rest, labels_of[slo_id]))
        parts[key, series.labels[_PART]] = series
    found: dict[Key, Mapping[float, Counted]] = {}
    for (key, part), every in in_turns(parts.items(), _AT_ONCE):
        reading = readings.get(key)
        wanted = "all_slices" if reading is not None and reading.unit == "slices" else "all"
        if reading is None or part != wanted:
            continue
        bad_series = parts.get((key, part.replace("all", "bad")))
        bad = dict(bad_series.samples) if bad_series else {}
        found[key] = {
            round(at - lag, 3): Counted(bad.get(at, 0.0), total) for at, total in every.samples
        }
    return found
