"""Decide how long a part waits before it is started again."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

__all__ = ["Restarts"]

_FIRST_SECONDS = 0.5
_LONGEST_SECONDS = 30.0
# A part that has been up for this long has recovered: the next end is a new story.
_RECOVERED_SECONDS = 60.0
_LOOP_ENDS = 5
_LOOP_WINDOW_SECONDS = 60.0
_LOOP_PAUSE_SECONDS = 60.0


class Restarts:
    """
    Count the ends of one part; pauses double up to half a minute, and longer in a crash loop.

    Args:
        jitter: Returns a number in [0, 1), so that several parts do not come back in step.
    """

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self._in_a_row = 0
        self._ends: deque[float] = deque(maxlen=_LOOP_ENDS)
        self._up_since: float | None = None
        self.looping = False

    def up(self, now: float) -> None:
        """Take note that the part is up at *now*, a monotonic time in seconds."""
        if self._up_since is None:
            self._up_since = now
        elif now - self._up_since >= _RECOVERED_SECONDS:
            self._in_a_row = 0
            self.looping = False

    def ended(self, now: float) -> float:
        """Take note that the part ended at *now*, and return the pause in seconds."""
        if self._up_since is not None and now - self._up_since >= _RECOVERED_SECONDS:
            self._in_a_row = 0
        self._up_since = None
        self._in_a_row += 1
        self._ends.append(now)
        full = len(self._ends) == _LOOP_ENDS
        self.looping = full and now - self._ends[0] <= _LOOP_WINDOW_SECONDS
        if self.looping:
            return _LOOP_PAUSE_SECONDS * (0.75 + 0.25 * self._jitter())
        doubled = _FIRST_SECONDS * 2.0 ** min(self._in_a_row - 1, 16)
        return min(_LONGEST_SECONDS, doubled) * (0.5 + 0.5 * self._jitter())
