"""Remember the events of every hour, as far back as the longest rolling period."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.turns import in_turns
from slo.engine.status.corrections import Taken
from slo.engine.status.event_reader import Counted, EventReader
from slo.engine.status.exhaustion import HOUR, Expiring
from slo.engine.status.reading import Key, Reading

__all__ = ["EventHistory", "Hours"]

# An hour is read when the records of its last events are there.
_SETTLED_SECONDS = 600.0
_MOST_POINTS = 400_000
_MOST_HOURS = 1_000
# An SLO that appears later may have a history, which is read with that of all others.
_READ_ANEW_SECONDS = 6 * HOUR
_MOST_BUILT_AT_ONCE = 1_000
# SLOs that are dealt with before others get a turn: a millisecond of work.
_AT_ONCE = 50
_NOTHING = Counted(0.0, 0.0)

# Returns what corrections take out of an SLO's count.
TakenOf = Callable[[Key], Iterable[Taken]]


@dataclass(frozen=True, slots=True)
class Hours:
    """
    Hold bad and all events of each hour, corrections applied.

    Args:
        first: Unix time at which the first one begins.
    """

    first: float
    bad: Sequence[float]
    total: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Known:
    """Hold the hours since 1970 that are known, from *first* up to before *end*."""

    first: int = 0
    end: int = 0
    bad: Mapping[Key, array[float]] = field(default_factory=dict)
    total: Mapping[Key, array[float]] = field(default_factory=dict)


class EventHistory:
    """
    Hold the events of the past by hour; they are read a stretch at a time, newest first.

    Args:
        scale: Returns how many events of an SLO one counted event is; `None` for unknown yet.
        taken: Says what corrections take out.
        most_points: Numbers that one query may ask for.
    """

    def __init__(
        self,
        reader: EventReader,
        scale: Callable[[Key], float | None] = lambda key: 1.0,
        taken: TakenOf = lambda key: (),
        *,
        most_points: int = _MOST_POINTS,
    ) -> None:
        self._reader, self._scale, self._taken = reader, scale, taken
        self._most_points = most_points
        # Replaced, never changed: others read it while a refresh goes on.
        self._known = _Known()
        self._oldest = 0
        self._began = -math.inf
        self._built: dict[Key, tuple[object, Expiring]] = {}
        self._budget_of_builds = 0

    @property
    def complete(self) -> bool:
        """Tell whether everything that was wanted is there."""
        return self._known.end > 0 and self._known.first <= self._oldest

    async def read(
        self,
        source: HttpSource,
        readings: Mapping[Key, Reading],
        depth: float,
        now: float,
        most: int,
        within: float,
    ) -> int:
        """
        Read what is not known yet, by at most *most* queries; return how many it took.

        Args:
            depth: Seconds to look back.
        """
        counted = [key for key, reading in readings.items() if reading.unit != "none"]
        if not counted or depth <= 0:
            return 0
        self._budget_of_builds = _MOST_BUILT_AT_ONCE
        settled = int((now - _SETTLED_SECONDS) // HOUR)
        self._oldest = settled - math.ceil(depth / HOUR)
        if self._outdated(counted, now):
            self._known, self._built, self._began = _Known(), {}, now
        at_once = max(1, min(_MOST_HOURS, self._most_points // (2 * len(counted))))
        queries = 0
        while queries < most:
            known = self._known
            if known.end == 0:
                first, end = max(self._oldest, settled - at_once), settled
            elif known.end < settled:
                first, end = known.end, min(settled, known.end + at_once)
            elif known.first > self._oldest:
                first, end = max(self._oldest, known.first - at_once), known.first
            else:
                break
            found = await self._reader.between(
                source,
                HOUR,
                [(hour + 1) * HOUR for hour in range(first, end)],
                readings,
                within=within,
            )
            self._known = await asyncio.to_thread(_joined, known, counted, found, first, end)
            queries += 1
        self._known = await asyncio.to_thread(_trimmed, self._known, self._oldest)
        return queries

    def hours(self, key: Key) -> Hours | None:
        """Return the events of *key* by hour; `None` where they are not known."""
        known, scale = self._known, self._scale(key)
        if key not in known.total or scale is None:
            return None
        bad, total = known.bad[key], known.total[key]
        if scale != 1:
            bad, total = (array("d", [scale * n for n in every]) for every in (bad, total))
        taken = list(self._taken(key))
        if taken:
            bad, total = _without(taken, known.first, array("d", bad), array("d", total))
        return Hours(known.first * HOUR, bad, total)

    def counted_since(self, key: Key, start: float) -> float | None:
        """Return what was counted from *start* on, neither scaled nor corrected."""
        known = self._known
        if not self.complete or key not in known.total:
            return None
        return sum(known.total[key][max(0, int(start // HOUR) - known.first) :])

    def expiring(self, key: Key, budget: float, window: float, stamp: object) -> Expiring | None:
        """
        Return what a rolling window will lose; `None` where that is not known.

        Args:
            stamp: Changes with the corrections.
        """
        known = self._known
        if not self.complete:
            return None
        wanted = (stamp, known.first, known.end, budget, window)
        built = self._built.get(key)
        if built is not None and (built[0] == wanted or self._budget_of_builds <= 0):
            # One that lacks the newest hour is right about all but the far end.
            return built[1]
        found = self.hours(key)
        if found is None:
            return None
        self._budget_of_builds -= 1
        expiring = Expiring(found.first, found.bad, found.total, budget, window)
        self._built[key] = wanted, expiring
        return expiring

    def _outdated(self, counted: Sequence[Key], now: float) -> bool:
        known = self._known.total
        late = now - self._began > _READ_ANEW_SECONDS
        return late and any(key not in known for key in counted)


def _joined(
    known: _Known,
    counted: Sequence[Key],
    found: Mapping[Key, Mapping[float, Counted]],
    first: int,
    end: int,
) -> _Known:
    """Return *known* with the hours from *first* to *end*, which are older or newer."""
    started = known.end > 0
    newer = started and first >= known.end
    every_bad: dict[Key, array[float]] = {}
    every_total: dict[Key, array[float]] = {}
    for key in in_turns(counted, _AT_ONCE):
        # One that comes later has no past yet: it must not fall out of step.
        if started and key not in known.total:
            continue
        counts = found.get(key, {})
        hours = [counts.get((hour + 1) * HOUR, _NOTHING) for hour in range(first, end)]
        bad = array("d", [hour.bad for hour in hours])
        total = array("d", [hour.total for hour in hours])
        if started:
            old_bad, old_total = known.bad[key], known.total[key]
            bad = old_bad + bad if newer else bad + old_bad
            total = old_total + total if newer else total + old_total
        every_bad[key], every_total[key] = bad, total
    first = min(first, known.first) if started else first
    return _Known(first, max(end, known.end), every_bad, every_total)


def _trimmed(known: _Known, oldest: int) -> _Known:
    surplus = oldest - known.first
    if surplus <= 0 or not known.end:
        return known
    bad, total = (
        {key: values[surplus:] for key, values in in_turns(every.items(), _AT_ONCE)}
        for every in (known.bad, known.total)
    )
    return _Known(oldest, known.end, bad, total)


def _without(
    taken: Iterable[Taken], first: int, bad: array[float], total: array[float]
) -> tuple[array[float], array[float]]:
    """Take corrected events out of the hours that they lie in, evenly over their time."""
    for start, end, off_bad, off_total in taken:
        for hour in range(int(start // HOUR), math.ceil(end / HOUR)):
            number = hour - first
            if 0 <= number < len(total):
                inside = min(end, (hour + 1) * HOUR) - max(start, hour * HOUR)
                share = inside / (end - start)
                total[number] = max(0.0, total[number] - share * off_total)
                bad[number] = min(total[number], max(0.0, bad[number] - share * off_bad))
    return bad, total
