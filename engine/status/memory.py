"""Keep the garbage collector from walking through snapshots for nothing."""

from __future__ import annotations

import gc

from slo.engine.sources.turns import yield_turn

__all__ = ["RareWalks", "let_go"]

# Below this many SLOs a walk takes a few milliseconds.
_WORTH_IT = 1_000
_WALK_EVERY_SECONDS = 3_600.0
_NEVER = 1_000_000_000
_AT_ONCE = 500


def let_go(objects: list[object]) -> None:
    """
    Empty *objects* a few at a time, in a thread of its own.

    The last one who holds a million objects frees them all in one go, and nobody else gets a
    turn meanwhile.
    """
    while objects:
        del objects[-_AT_ONCE:]
        yield_turn()


class RareWalks:
    """
    Let the collector walk through everything once an hour, not ten times a refresh.

    Statuses and answers hold no cycles: they go when nobody holds them, whether the collector
    knows them or not. With ten thousand SLOs a walk through them holds up every reader for a
    tenth of a second. Young objects are looked at as ever, so what requests leave behind goes
    at once.
    """

    def __init__(self) -> None:
        self._before: tuple[int, int, int] | None = None
        self._walked_at = 0.0

    def after_refresh(self, slos: int, now: float) -> None:
        """Take over after a refresh that found many *slos*, and walk when it is time."""
        if self._before is None:
            if slos < _WORTH_IT:
                return
            self._before = gc.get_threshold()
            gc.set_threshold(*self._before[:2], _NEVER)
            self._walked_at = now
        elif now - self._walked_at >= _WALK_EVERY_SECONDS:
            self._walked_at = now
            gc.collect()

    def end(self) -> None:
        """Leave the collector as it was."""
        if self._before is not None:
            gc.set_threshold(*self._before)
            self._before = None
