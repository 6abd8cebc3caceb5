"""Remember the events of every hour, as far back as the longest rolling period."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from slo.engine.sources.http_source import HttpSource
from slo.engine.status.corrections import Corrected
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
_NOTHING = Counted(0.0, 0.0)

# Returns what corrections take out of an SLO's count between two moments.
Correct = Callable[[Key, float, float], Corrected | None]


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


class EventHistory:
    """
    Hold the events of the past by hour; they are read a stretch at a time, newest first.

    Args:
        scale: Returns how many events of an SLO one counted event is; `None` for unknown yet.
        most_points: Numbers that one query may ask for.
    """

    def __init__(
        self,
        reader: EventReader,
        scale: Callable[[Key], float | None] = lambda key: 1.0,
        *,
        most_points: int = _MOST_POINTS,
    ) -> None:
        self._reader, self._scale, self._most_points = reader, scale, most_points
        self._bad: dict[Key, array[float]] = {}
        self._total: dict[Key, array[float]] = {}
        # Hours since 1970: those from `_first` up to before `_end` are known.
        self._first = self._end = 0
        self._oldest = 0
        self._began = -math.inf
        self._built: dict[Key, tuple[object, Expiring]] = {}
        self._budget_of_builds = 0

    @property
    def complete(self) -> bool:
        """Tell whether everything that was wanted is there."""
        return self._end > 0 and self._first <= self._oldest

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
            self._forget(now)
        at_once = max(1, min(_MOST_HOURS, self._most_points // (2 * len(counted))))
        queries = 0
        while queries < most:
            if self._end == 0:
                first, end = max(self._oldest, settled - at_once), settled
            elif self._end < settled:
                first, end = self._end, min(settled, self._end + at_once)
            elif self._first > self._oldest:
                first, end = max(self._oldest, self._first - at_once), self._first
            else:
                break
            found = await self._reader.between(
                source,
                HOUR,
                [(hour + 1) * HOUR for hour in range(first, end)],
                readings,
                within=within,
            )
            self._join(counted, found, first, end)
            queries += 1
        self._trim()
        return queries

    def hours(self, key: Key, correct: Correct) -> Hours | None:
        """Return the events of *key* by hour; `None` where they are not known."""
        scale = self._scale(key)
        if key not in self._total or scale is None:
            return None
        bad, total = self._bad[key], self._total[key]
        if scale != 1:
            bad, total = (array("d", [scale * n for n in every]) for every in (bad, total))
        first = self._first * HOUR
        corrected = correct(key, first, first + len(total) * HOUR)
        if corrected is not None:
            bad, total = array("d", bad), array("d", total)
            for number in range(len(total)):
                start = first + number * HOUR
                off = correct(key, start, start + HOUR)
                if off is not None:
                    total[number] = max(0.0, total[number] - off.total)
                    bad[number] = min(total[number], max(0.0, bad[number] - off.bad))
        return Hours(first, bad, total)

    def counted_since(self, key: Key, start: float) -> float | None:
        """Return what was counted from *start* on, neither scaled nor corrected."""
        if not self.complete or key not in self._total:
            return None
        return sum(self._total[key][max(0, int(start // HOUR) - self._first) :])

    def expiring(
        self, key: Key, budget: float, window: float, correct: Correct, stamp: object
    ) -> Expiring | None:
        """
        Return what a rolling window will lose; `None` where that is not known.

        Args:
            stamp: Changes with the corrections.
        """
        if not self.complete or key not in self._total or self._scale(key) is None:
            return None
        wanted = (stamp, self._first, self._end, budget, window)
        built = self._built.get(key)
        if built is not None and (built[0] == wanted or self._budget_of_builds <= 0):
            # One that lacks the newest hour is right about all but the far end.
            return built[1]
        self._budget_of_builds -= 1
        found = self.hours(key, correct)
        assert found is not None
        expiring = Expiring(found.first, found.bad, found.total, budget, window)
        self._built[key] = wanted, expiring
        return expiring

    def _outdated(self, counted: Sequence[Key], now: float) -> bool:
        return now - self._began > _READ_ANEW_SECONDS and any(
            key not in self._total for key in counted
        )

    def _forget(self, now: float) -> None:
        self._bad, self._total, self._built = {}, {}, {}
        self._first = self._end = 0
        self._began = now

    def _join(
        self,
        counted: Sequence[Key],
        found: Mapping[Key, Mapping[float, Counted]],
        first: int,
        end: int,
    ) -> None:
        newer = self._end > 0 and first >= self._end
        started = self._end > 0
        for key in counted:
            if started and key not in self._total:
                continue
            counts = found.get(key, {})
            hours = [counts.get((hour + 1) * HOUR, _NOTHING) for hour in range(first, end)]
            bad = array("d", [hour.bad for hour in hours])
            total = array("d", [hour.total for hour in hours])
            if started:
                old_bad, old_total = self._bad[key], self._total[key]
                bad = old_bad + bad if newer else bad + old_bad
                total = old_total + total if newer else total + old_total
            self._bad[key], self._total[key] = bad, total
        # An SLO that is gone for a while must not fall out of step.
        for key in self._total.keys() - set(counted):
            del self._total[key], self._bad[key]
            self._built.pop(key, None)
        self._first = min(first, self._first) if started else first
        self._end = max(end, self._end)

    def _trim(self) -> None:
        surplus = self._oldest - self._first
        if surplus > 0 and self._end:
            # Not in place: somebody may be reading the old ones.
            self._bad = {key: values[surplus:] for key, values in self._bad.items()}
            self._total = {key: values[surplus:] for key, values in self._total.items()}
            self._first += surplus
