"""Keep the garbage collector away from snapshots, which it would walk through for nothing."""

from __future__ import annotations

import gc

__all__ = ["Settling"]

# Below this many SLOs a walk takes a few milliseconds.
_WORTH_IT = 1_000
_WALK_EVERY_SECONDS = 3_600.0


class Settling:
    """
    Stop the collector while answers are read, and set aside what has been made of them.

    Statuses and answers hold no cycles: they go when nobody holds them, whether the collector
    knows them or not. With ten thousand SLOs a walk through them holds up every reader for a
    tenth of a second, ten times a refresh. Once an hour there is one all the same, for cycles
    that were alive when they were set aside.
    """

    def __init__(self) -> None:
        self._slos = 0
        self._walked_at = float("-inf")
        self._stopped = False

    def begin(self) -> None:
        """Stop the collector for a refresh, where the last one found many SLOs."""
        if self._slos >= _WORTH_IT and gc.isenabled():
            gc.disable()
            self._stopped = True

    def end(self, slos: int | None, now: float) -> None:
        """
        Start it again, and set aside what is alive.

        Args:
            slos: How many SLOs the refresh found; `None` where it failed.
            now: Unix time.
        """
        if self._stopped:
            gc.enable()
            self._stopped = False
        if slos is not None:
            self._slos = slos
        if self._slos < _WORTH_IT:
            return
        if now - self._walked_at >= _WALK_EVERY_SECONDS:
            self._walked_at = now
            gc.unfreeze()
            gc.collect()
        else:
            gc.collect(1)
        gc.freeze()
