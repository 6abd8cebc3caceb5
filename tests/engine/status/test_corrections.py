"""Corrected time is cut into pieces that overlap nowhere, and is asked for in few queries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slo.engine.ledger.records import Correction, Target
from slo.engine.ledger.recurrence import occurrences
from slo.engine.status.corrections import Corrections, pieces_of
from slo.engine.status.event_reader import Counted, EventReader
from slo.engine.status.reading import Key, Reading
from slo.engine.status.targets import targets

HOUR = 3_600.0
DAY = 24 * HOUR
NOW = 1_800_000_000.0


def correction(
    start: float, end: float, effect: str = "exclude", name: str = "c", **more: Any
) -> Correction:
    given = {"target": Target(), "category": "maintenance", "reason": "x", "created_by": "me"}
    return Correction(
        id=name, start=start, end=end, effect=effect, **{**given, "created_at": 0.0, **more}
    )


_spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 30), st.sampled_from(("exclude", "credit"))),
    max_size=6,
)


class TestPieces:
    @given(_spans)
    def test_each_moment_once(self, spans: list[tuple[int, int, str]]) -> None:
        """Each corrected hour lies in one piece, and is excluded where anybody excludes it."""
        records = [
            correction(first * HOUR, (first + length) * HOUR, effect, str(number))
            for number, (first, length, effect) in enumerate(spans)
        ]

        pieces = pieces_of(records, 0, 100 * HOUR, occurrences)

        for hour in range(100):
            middle = (hour + 0.5) * HOUR
            effects = {r.effect for r in records if r.start <= middle < r.end}
            found = [p.correction.effect for p in pieces if p.start <= middle < p.end]
            assert ([min(effects, key=("exclude", "credit").index)] if effects else []) == found

    def test_end_of_what_is_known(self) -> None:
        """A correction that goes on is taken up to the end, a future one not at all."""
        records = [correction(0, 9 * HOUR, name="a"), correction(8 * HOUR, DAY, name="b")]

        pieces = pieces_of(records, 0, 7.5 * HOUR, occurrences)

        assert [(0, 6 * HOUR), (6 * HOUR, 7.5 * HOUR)] == [(p.start, p.end) for p in pieces]


class Reader(EventReader):
    """Count one bad event and ten events a second, and note what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[float, Sequence[float], str]] = []

    async def between(
        self,
        source: Any,
        length: float,
        ends: Sequence[float],
        readings: Mapping[Key, Reading],
        *,
        matchers: str = "",
        within: float | None = None,
    ) -> Mapping[Key, Mapping[float, Counted]]:
        self.asked.append((length, ends, matchers))
        return {key: {end: Counted(length, 10 * length) for end in ends} for key in readings}


READINGS = {
    (name, ()): Reading(name, "shop", name, unit="events") for name in ("requests", "latency")
}
REQUESTS: Key = ("requests", ())


def known(records: list[Correction], now: float = NOW, most: int = 10) -> tuple[Any, Reader]:
    reader = Reader()
    corrections = Corrections(reader, occurrences, lambda c, slo: targets(c.target, slo))
    read(corrections, records, now, most)
    return corrections, reader


def read(corrections: Corrections, records: list[Correction], now: float, most: int = 10) -> int:
    source: Any = None
    corrections.plan(records, READINGS, NOW - 30 * DAY, now)
    return asyncio.run(corrections.read(source, READINGS, now, most, 1.0))


class TestReading:
    def test_exclude(self) -> None:
        """Good and bad events of the time are taken out."""
        corrections, _ = known([correction(NOW - DAY, NOW - DAY + 600)])

        found = corrections.of(REQUESTS, NOW - 30 * DAY, NOW)

        assert (600, 6_000) == (found.bad, found.total)
        assert [("c", "exclude", 600, 6_000)] == [
            (a.id, a.effect, a.bad, a.total) for a in found.applied
        ]

    def test_credit(self) -> None:
        """Bad events count as good: the number of events stays."""
        corrections, _ = known([correction(NOW - DAY, NOW - DAY + 600, "credit")])

        found = corrections.of(REQUESTS, NOW - 30 * DAY, NOW)

        assert (600, 0) == (found.bad, found.total)

    def test_far_end(self) -> None:
        """Of what lies half outside of the period, half is taken out."""
        corrections, _ = known([correction(NOW - DAY, NOW - DAY + 600)])

        assert 300 == corrections.of(REQUESTS, NOW - DAY + 300, NOW).bad
        assert corrections.of(REQUESTS, NOW - DAY + 600, NOW) is None

    def test_only_its_target(self) -> None:
        """A correction of one SLO is read for that one, and changes no other."""
        record = correction(NOW - DAY, NOW - DAY + 600, target=Target("shop/requests"))

        corrections, reader = known([record])

        assert corrections.of(("latency", ()), NOW - 30 * DAY, NOW) is None
        assert 'sloth_service="shop",sloth_slo="requests"' == reader.asked[0][2]

    def test_read_once(self) -> None:
        """What is over is read once."""
        record = correction(NOW - DAY, NOW - DAY + 600)
        corrections, reader = known([record])

        assert 0 == read(corrections, [record], NOW + 30)
        assert 1 == len(reader.asked)

    def test_goes_on(self) -> None:
        """What goes on is read with every refresh, but only its last hours."""
        record = correction(NOW - 2 * DAY, NOW + DAY)
        corrections, reader = known([record])
        before = len(reader.asked)

        assert 1 == read(corrections, [record], NOW + 30)
        assert 6 * HOUR >= reader.asked[before][0]

    def test_every_night_of_a_month(self) -> None:
        """A correction that recurs takes a handful of queries, not one a night."""
        record = correction(NOW - 40 * DAY, NOW - 40 * DAY + 10 * HOUR, recurrence="FREQ=DAILY")

        corrections, reader = known([record])

        assert len(reader.asked) <= 4
        found = corrections.of(REQUESTS, NOW - 28 * DAY, NOW)
        assert 28 * 10 * HOUR == found.bad
        assert not found.missing

    def test_no_more_queries_than_allowed(self) -> None:
        """What cannot be read at once is read later, and said to be missing."""
        records = [
            correction(NOW - n * DAY, NOW - n * DAY + 60 * n, name=str(n)) for n in range(1, 9)
        ]
        corrections, reader = known(records, most=3)

        assert 3 == len(reader.asked)
        assert corrections.of(REQUESTS, NOW - 30 * DAY, NOW).missing
        while read(corrections, records, NOW, 3):
            pass

        assert not corrections.of(REQUESTS, NOW - 30 * DAY, NOW).missing

    def test_taken_back(self) -> None:
        """Without corrections nothing is taken out."""
        corrections, _ = known([correction(NOW - DAY, NOW - DAY + 600)])

        read(corrections, [], NOW)

        assert corrections.of(REQUESTS, NOW - 30 * DAY, NOW) is None
