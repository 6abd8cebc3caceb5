"""The garbage collector rests during a large refresh, and works again afterwards."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from slo.engine.status.memory import Settling


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave the collector as it was."""
    yield
    gc.enable()
    gc.unfreeze()


def test_large_refresh() -> None:
    """From the second large refresh on it rests, and what is alive is set aside."""
    settling = Settling()

    settling.begin()
    assert gc.isenabled()
    settling.end(5_000, 0.0)
    assert gc.get_freeze_count() > 0
    settling.begin()

    assert not gc.isenabled()
    settling.end(None, 30.0)
    assert gc.isenabled()


def test_small_refresh() -> None:
    """A small refresh leaves the collector alone."""
    settling = Settling()
    before = gc.get_freeze_count()

    settling.end(10, 0.0)
    settling.begin()

    assert gc.isenabled()
    settling.end(10, 1.0)
    assert before == gc.get_freeze_count()


def test_cycles_go_within_the_hour() -> None:
    """A cycle that was alive when it was set aside is collected an hour later."""
    settling = Settling()
    settling.end(5_000, 0.0)

    class Cycle:
        pass

    cycle = Cycle()
    cycle.itself = cycle  # type: ignore[attr-defined]
    gone: list[bool] = []
    weakref.finalize(cycle, gone.append, True)
    settling.end(5_000, 30.0)
    del cycle
    settling.end(5_000, 60.0)
    assert [] == gone
    settling.end(5_000, 3_700.0)

    assert [True] == gone


def test_somebody_else_has_stopped_it() -> None:
    """Who has stopped the collector for reasons of their own is not overruled."""
    settling = Settling()
    settling.end(5_000, 0.0)
    gc.disable()

    settling.begin()
    settling.end(5_000, 30.0)

    assert not gc.isenabled()
