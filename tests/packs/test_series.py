"""Samples of stories are written as promtool reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.alerts.packs.model import counter, gauge, missing, ramp, wait
from slo.duration import Duration, minutes, seconds
from tests.packs.playing import expanded

COUNTS = st.integers(1, 50)
PHASES = st.lists(st.tuples(st.integers(0, 10_000), COUNTS), min_size=1, max_size=6)


def test_the_notation_is_read_as_promtool_does() -> None:
    """`a+bxn` has n more samples after the first."""
    assert [1, 3, 5, 7, 7, None, None, 2] == list(expanded("1+2x2 7x1 _x2 2"))
    assert [0.5, 0.25] == list(expanded("0.5-0.25x1"))


@given(PHASES)
def test_a_gauge_has_each_value_as_long_as_told(phases: list[tuple[int, int]]) -> None:
    told = [float(value) for value, count in phases for _ in range(count)]

    assert told == list(expanded(gauge(*phases)))


@given(PHASES, st.sets(st.integers(0, 5)))
def test_a_counter_grows_and_starts_anew(phases: list[tuple[int, int]], resets: set[int]) -> None:
    told, value = [], 0.0
    for number, (step, count) in enumerate(phases):
        value = 0.0 if number in resets else value
        for _ in range(count):
            told.append(value)
            value += step

    assert told == list(expanded(counter(*phases, resets=resets)))


@given(st.floats(-1e6, 1e6), st.floats(-100, 100), COUNTS)
def test_a_ramp_changes_evenly(start: float, step: float, count: int) -> None:
    found = list(expanded(ramp(start, step, count)))

    assert count == len(found)
    assert pytest.approx(start, abs=1e-4) == found[0]
    assert pytest.approx(start + step * (count - 1), rel=1e-6, abs=1e-3) == found[-1]


@given(COUNTS)
def test_nothing_is_nothing(count: int) -> None:
    assert [None] * count == list(expanded(missing(count)))


@given(st.integers(0, 10**8))
def test_a_wait_is_never_too_short(milliseconds: int) -> None:
    assert minutes(wait(Duration(milliseconds))) >= Duration(milliseconds) + seconds(60)
