"""Let other threads have a turn: the one that answers readers must never wait for long."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["in_turns", "yield_turn"]

T = TypeVar("T")

# Long enough for the one who waits to wake up. Just letting go of the interpreter is not: this
# thread would have it back before anybody else was there.
_PAUSE_SECONDS = 0.0002


def yield_turn() -> None:
    """Let another thread run; to be called every millisecond or so of hard work in a thread."""
    time.sleep(_PAUSE_SECONDS)


def in_turns(items: Iterable[T], at_once: int) -> Iterator[T]:
    """Yield *items*, with a turn for others after each *at_once* of them."""
    for number, item in enumerate(items, 1):
        yield item
        if number % at_once == 0:
            yield_turn()
