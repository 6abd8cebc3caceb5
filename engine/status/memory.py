"""Keep the garbage collector away from snapshots, which it would walk through for nothing."""

from __future__ import annotations

import gc

__all__ = ["Settling"]

# Below this many SLOs a walk takes a few milliseconds.
_WORTH_IT = 1_000
_WALK_EVERY_SECONDS = 3_600.0


class Settling:
    """
    Set what has been made aside after each refresh.

    Statuses hold no cycles: they go when the next snapshot replaces them, whether the collector
    knows them or not. With ten thousand SLOs a walk through them holds up every reader for a
    good part of a second, several times a refresh. Once an hour there is one all the same, for
    cycles that were alive when they were set aside.
    """

    def __init__(self) -> None:
        self._walked_at = 0.0

    def settle(self, slos: int, now: float) -> None:
        """Set aside all that is alive after a refresh that found so many *slos*."""
        if slos < _WORTH_IT:
            return
        if now - self._walked_at >= _WALK_EVERY_SECONDS:
            self._walked_at = now
            gc.unfreeze()
            gc.collect()
        else:
            gc.collect(1)
        gc.freeze()
