"""The garbage collector walks through everything once an hour, where there is much."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from slo.engine.status.memory import RareWalks


@pytest.fixture(autouse=True)
def before() -> Iterator[tuple[int, int, int]]:
    """Return how the collector was set, and leave it so."""
    found = gc.get_threshold()
    yield found
    gc.set_threshold(*found)


def test_many_slos(before: tuple[int, int, int]) -> None:
    """Young objects are collected as ever, old ones are not; afterwards all is as it was."""
    walks = RareWalks()

    walks.after_refresh(5_000, 0.0)

    assert before[:2] == gc.get_threshold()[:2]
    assert gc.get_threshold()[2] > 1_000_000
    walks.end()
    assert before == gc.get_threshold()


def test_few_slos(before: tuple[int, int, int]) -> None:
    """With few SLOs the collector is left alone."""
    walks = RareWalks()

    walks.after_refresh(999, 0.0)

    assert before == gc.get_threshold()
    walks.end()
    assert before == gc.get_threshold()


def test_old_cycles_go_within_the_hour() -> None:
    """A cycle that has grown old is collected an hour later."""
    walks = RareWalks()
    walks.after_refresh(5_000, 0.0)

    class Cycle:
        pass

    cycle = Cycle()
    cycle.itself = cycle  # type: ignore[attr-defined]
    gone: list[bool] = []
    weakref.finalize(cycle, gone.append, True)
    gc.collect()
    del cycle
    walks.after_refresh(5_000, 3_599.0)
    assert [] == gone
    walks.after_refresh(5_000, 3_600.0)

    assert [True] == gone
