"""
Take out of the count what the ledger's corrections name.

What a server has recorded cannot be changed, so the events of each corrected stretch of time are
read, for all SLOs at once, and subtracted. A stretch that is over is read once.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from slo import conventions as names
from slo.engine.ledger.records import Correction
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.turns import in_turns
from slo.engine.status.event_reader import Counted, EventReader
from slo.engine.status.model import AppliedCorrection
from slo.engine.status.reading import Key, Reading

__all__ = ["Corrected", "Corrections", "Piece", "Taken", "pieces_of"]

_NOTHING = Counted(0.0, 0.0)

_DAY = 86_400.0
# Long stretches are cut at multiples of this, so that what is over of them is read only once.
_LONGEST_PIECE = 6 * 3_600.0
# Records come late, and say what was minutes ago.
_SETTLED_SECONDS = 600.0
_MOST_IN_ONE_QUERY = 100
# SLOs that are looked at before others get a turn.
_AT_ONCE = 200
# What makes a shell pattern, or could break out of a PromQL string.
_PATTERN = re.compile(r"[^A-Za-z0-9_.:-]")


@dataclass(frozen=True, slots=True)
class Corrected:
    """
    Hold what corrections take out of an SLO's count for the period.

    Args:
        bad: Bad events to take off; *total* likewise.
        applied: One entry a correction.
        missing: Some stretches have not been read yet.
    """

    bad: float
    total: float
    applied: tuple[AppliedCorrection, ...]
    missing: bool = False


class Piece(NamedTuple):
    """Hold a stretch of time that one correction decides about."""

    start: float
    end: float
    correction: Correction


class Taken(NamedTuple):
    """Hold the events that are taken out of a stretch of time."""

    start: float
    end: float
    bad: float
    total: float


Occurrences = Callable[[Correction, float, float], Iterable[tuple[float, float]]]


def pieces_of(
    corrections: Sequence[Correction], start: float, end: float, occurrences: Occurrences
) -> tuple[Piece, ...]:
    """
    Return the corrected time from *start* to *end* in pieces that do not overlap.

    Where two corrections apply, the one that excludes does, and of those alike the older one:
    nothing is taken out twice.
    """
    ordered = sorted(corrections, key=lambda c: (c.effect != "exclude", c.created_at, c.id))
    taken: list[tuple[float, float]] = []
    pieces: list[Piece] = []
    for correction in ordered:
        for first, last in occurrences(correction, start, end):
            whole = (float(round(first)), float(min(round(last), math.floor(end))))
            for free in list(_without(*whole, taken)):
                pieces += [Piece(*cut, correction) for cut in _cut(*free) if cut[1] > start]
                taken.append(free)
    return tuple(sorted(pieces, key=lambda piece: piece.start))


def _without(
    start: float, end: float, taken: Iterable[tuple[float, float]]
) -> Iterable[tuple[float, float]]:
    at = start
    for first, last in sorted(taken):
        if last <= at or first >= end:
            continue
        if first > at:
            yield at, first
        at = last
    if at < end:
        yield at, end


def _cut(start: float, end: float) -> Iterable[tuple[float, float]]:
    while start < end:
        edge = min(end, (start // _LONGEST_PIECE + 1) * _LONGEST_PIECE)
        yield start, edge
        start = edge


_Stretch = tuple[float, float, str]


class Corrections:
    """
    Know the corrections that apply, and the events that they take out.

    Args:
        occurrences: Says when a correction applies.
        applies: Tells whether a correction means an SLO.
        scale: Returns how many events of an SLO one counted event is; `None` for unknown yet.
    """

    def __init__(
        self,
        reader: EventReader,
        occurrences: Occurrences,
        applies: Callable[[Correction, Reading], bool],
        scale: Callable[[Key], float | None] = lambda key: 1.0,
    ) -> None:
        self._reader, self._occurrences, self._applies = reader, occurrences, applies
        self._scale = scale
        self._counted: dict[_Stretch, Mapping[Key, Counted]] = {}
        self._settled: set[_Stretch] = set()
        self._pieces: dict[Key, tuple[Piece, ...]] = {}
        # Which corrections apply to an SLO.
        self._signatures: dict[Key, tuple[str, ...]] = {}
        self._readings_made = 0

    def plan(
        self,
        corrections: Sequence[Correction],
        readings: Mapping[Key, Reading],
        start: float,
        now: float,
    ) -> None:
        """
        Find out which time is corrected for each SLO, from *start* up to *now*.

        It ends a little earlier, since what has just happened is not in the budgets yet: a
        correction never takes out more than was counted.
        """
        if not corrections:
            self._pieces, self._signatures = {}, {}
            self._counted, self._settled = {}, set()
            return
        planned: dict[Key, tuple[Piece, ...]] = {}
        signatures: dict[Key, tuple[str, ...]] = {}
        end = now - self._reader.behind
        known: dict[tuple[str, ...], tuple[Piece, ...]] = {}
        for key, reading in in_turns(readings.items(), _AT_ONCE):
            applying = [c for c in corrections if self._applies(c, reading)]
            if not applying:
                continue
            signature = tuple(correction.id for correction in applying)
            if signature not in known:
                known[signature] = pieces_of(applying, start, end, self._occurrences)
            if known[signature]:
                planned[key] = known[signature]
                signatures[key] = signature
        # Replaced at once: others read it meanwhile.
        self._pieces, self._signatures = planned, signatures

    async def read(
        self,
        source: HttpSource,
        readings: Mapping[Key, Reading],
        now: float,
        most: int,
        within: float,
    ) -> int:
        """Read what is not known yet, by at most *most* queries; return how many it took."""
        wanted = {_stretch(piece) for pieces in self._pieces.values() for piece in pieces}
        self._counted = {s: c for s, c in self._counted.items() if s in wanted}
        self._settled &= wanted
        queries = 0
        for batch in _batches(sorted(wanted - self._settled, reverse=True)):
            if queries == most:
                break
            queries += 1
            self._readings_made += 1
            length, matchers = batch[0][1] - batch[0][0], batch[0][2]
            found = await self._reader.between(
                source,
                length,
                [end for _, end, _ in _every_day(batch)],
                readings,
                matchers=matchers,
                within=within,
            )
            for stretch in batch:
                self._counted[stretch] = await asyncio.to_thread(_at, found, stretch[1])
                if stretch[1] < now - _SETTLED_SECONDS:
                    self._settled.add(stretch)
        return queries

    def of(self, key: Key, start: float, end: float) -> Corrected | None:
        """Return what is taken out of the count of *key* from *start* to *end*, if anything."""
        pieces = [p for p in self._pieces.get(key, ()) if p.end > start and p.start < end]
        if not pieces:
            return None
        sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        effects: dict[str, str] = {}
        missing = False
        for piece in pieces:
            taken = self._taken(key, piece)
            if taken is None:
                missing = True
                continue
            # Of what the period has half forgotten, half is taken out.
            share = (min(end, piece.end) - max(start, piece.start)) / (piece.end - piece.start)
            of_correction = sums[piece.correction.id]
            of_correction[0] += share * taken.bad
            of_correction[1] += share * taken.total
            effects[piece.correction.id] = piece.correction.effect
        applied = tuple(
            AppliedCorrection(name, effects[name], bad, total)
            for name, (bad, total) in sums.items()
        )
        return Corrected(
            sum(found.bad for found in applied),
            sum(found.total for found in applied),
            applied,
            missing,
        )

    def taken(self, key: Key) -> Iterable[Taken]:
        """Yield what is taken out of the count of *key*, stretch by stretch."""
        for piece in self._pieces.get(key, ()):
            found = self._taken(key, piece)
            if found is not None:
                yield found

    def stamp(self, key: Key) -> object:
        """Return something that changes when what is taken out of the count of *key* does."""
        signature = self._signatures.get(key)
        return (signature, self._readings_made) if signature else None

    def _taken(self, key: Key, piece: Piece) -> Taken | None:
        counted, scale = self._counted.get(_stretch(piece)), self._scale(key)
        if counted is None or scale is None:
            return None
        events = counted.get(key, _NOTHING)
        total = 0.0 if piece.correction.effect == "credit" else scale * events.total
        return Taken(piece.start, piece.end, scale * events.bad, total)


def _at(found: Mapping[Key, Mapping[float, Counted]], end: float) -> Mapping[Key, Counted]:
    return {key: counts[end] for key, counts in found.items() if end in counts}


def _stretch(piece: Piece) -> _Stretch:
    return piece.start, piece.end, _matchers(piece.correction)


def _matchers(correction: Correction) -> str:
    """Return what narrows a query down to the target, as far as it is not a pattern."""
    service, _, name = correction.target.slo.partition("/")
    found = []
    for label, value in ((names.LABEL_SERVICE, service), (names.LABEL_SLO, name)):
        if value and not _PATTERN.search(value):
            found.append(f'{label}="{value}"')
    return ",".join(found)


def _batches(stretches: Iterable[_Stretch]) -> Iterable[Sequence[_Stretch]]:
    """Join stretches that lie a whole number of days apart: a range query reads them all."""
    alike: dict[tuple[float, float, str], list[_Stretch]] = defaultdict(list)
    for start, end, matchers in stretches:
        alike[end - start, end % _DAY, matchers].append((start, end, matchers))
    for every in alike.values():
        for first in range(0, len(every), _MOST_IN_ONE_QUERY):
            yield every[first : first + _MOST_IN_ONE_QUERY]


def _every_day(batch: Sequence[_Stretch]) -> Sequence[_Stretch]:
    """Return *batch*, oldest first, with the days between that nobody asked for."""
    first, last = min(batch), max(batch)
    days = round((last[1] - first[1]) / _DAY)
    return [(first[0] + d * _DAY, first[1] + d * _DAY, first[2]) for d in range(days + 1)]
