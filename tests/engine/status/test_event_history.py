"""Hours are read a stretch at a time, never twice, and stay in step."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from slo.engine.status.corrections import Taken
from slo.engine.status.event_history import EventHistory
from slo.engine.status.event_reader import Counted, EventReader
from slo.engine.status.exhaustion import HOUR
from slo.engine.status.reading import Key, Reading

NOW = 500_000 * HOUR + 1_800
DEPTH = 48 * HOUR
KEY: Key = ("requests", ())


class Reader(EventReader):
    """Count as many events in an hour as its number says, and note which were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.hours: list[int] = []

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
        self.hours += [round(end / HOUR) - 1 for end in ends]
        return {key: {end: Counted(1.0, end / HOUR - 1) for end in ends} for key in readings}


def readings(*names: str) -> dict[Key, Reading]:
    return {(name, ()): Reading(name, "shop", name, unit="events") for name in names}


def read(
    history: EventHistory, now: float = NOW, most: int = 1, names: tuple[str, ...] = ("requests",)
) -> int:
    source: Any = None
    return asyncio.run(history.read(source, readings(*names), DEPTH, now, most, 1.0))


def numbers(history: EventHistory, name: str = "requests") -> list[int]:
    found = history.hours((name, ()))
    assert found is not None
    assert [round(found.first / HOUR) + n for n in range(len(found.total))] == list(found.total)
    return [int(total) for total in found.total]


class TestReading:
    def test_newest_first(self) -> None:
        """The newest hours are read first, and no hour twice."""
        reader = Reader()
        history = EventHistory(reader, most_points=40)

        assert 1 == read(history)
        assert list(range(499_980, 500_000)) == numbers(history)
        assert not history.complete
        assert 2 == read(history, most=9)

        assert list(range(499_952, 500_000)) == numbers(history)
        assert history.complete
        assert 0 == read(history)
        assert len(reader.hours) == len(set(reader.hours))

    def test_as_time_goes_on(self) -> None:
        """A new hour is added when its records have settled; the oldest one is dropped."""
        history = EventHistory(Reader())
        read(history)

        assert 0 == read(history, NOW + 1_800 + 590)
        assert 1 == read(history, NOW + 1_800 + 610)

        assert list(range(499_953, 500_001)) == numbers(history)

    def test_after_a_long_pause(self) -> None:
        """Hours that were missed are made up for."""
        history = EventHistory(Reader(), most_points=20)
        read(history, most=9)

        read(history, NOW + 30 * HOUR, most=9)

        assert list(range(499_982, 500_030)) == numbers(history)

    def test_slo_that_comes_later(self) -> None:
        """An SLO that appears is read with its past, a while later, with all others."""
        history = EventHistory(Reader())
        read(history)

        read(history, NOW + HOUR, names=("requests", "new"))
        assert history.hours(("new", ())) is None
        read(history, NOW + 7 * HOUR, names=("requests", "new"))

        assert numbers(history) == numbers(history, "new")

    def test_slo_that_is_gone_for_a_while(self) -> None:
        """An SLO that comes back does not stand in the wrong hours."""
        history = EventHistory(Reader())
        read(history, names=("requests", "other"))

        read(history, NOW + HOUR, names=("requests",))
        read(history, NOW + 2 * HOUR, names=("requests", "other"))

        assert history.hours(("other", ())) is None
        assert 48 == len(numbers(history))


class TestUse:
    def test_corrected(self) -> None:
        """Corrections are taken out of the hours that they lie in, evenly over their time."""
        taken = Taken(499_990.5 * HOUR, 499_992 * HOUR, 0.9, 900.0)
        history = EventHistory(Reader(), taken=lambda key: [taken])
        read(history)

        found = history.hours(KEY)

        assert found is not None
        off = [499_952 + n - total for n, total in enumerate(found.total)]
        assert {38: 300, 39: 600} == {n: round(o) for n, o in enumerate(off) if o}
        assert [0.7, 0.4] == [round(bad, 9) for bad in found.bad[38:40]]

    def test_scaled(self) -> None:
        """What is counted in other units is converted, or not said while that is unknown."""
        read(known := EventHistory(Reader(), lambda key: 0.5))
        read(unknown := EventHistory(Reader(), lambda key: None))

        found = known.hours(KEY)

        assert found is not None
        assert 499_952 / 2 == found.total[0]
        assert unknown.hours(KEY) is None
        assert unknown.expiring(KEY, 0.1, DEPTH, 0) is None

    def test_expiring_only_when_all_is_known(self) -> None:
        """A forecast needs the whole period."""
        history = EventHistory(Reader(), most_points=20)
        read(history)

        assert history.expiring(KEY, 0.1, DEPTH, 0) is None
        read(history, most=9)
        first = history.expiring(KEY, 0.1, DEPTH, 0)

        assert first is not None
        assert first is history.expiring(KEY, 0.1, DEPTH, 0)
        assert first is not history.expiring(KEY, 0.1, DEPTH, "other corrections")

    @pytest.mark.parametrize("unit", ["none"])
    def test_where_no_events_are_recorded(self, unit: str) -> None:
        """Nothing is asked where only ratios are recorded."""
        reader = Reader()
        source: Any = None
        only = {KEY: Reading("requests", "shop", "requests", unit=unit)}

        asked = asyncio.run(EventHistory(reader).read(source, only, DEPTH, NOW, 4, 1.0))

        assert (0, []) == (asked, reader.hours)
