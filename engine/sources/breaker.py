"""Leave a server alone that does not answer, and find out when it does again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["BreakerLimits", "Circuit", "CircuitBreaker"]


class Circuit(StrEnum):
    """Say whether calls go through: all, none, or the one that finds out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """
    Say when a circuit opens and how it closes.

    Args:
        consecutive: Failures in a row that open it.
        share: Share of failures that opens it, once *calls* were made within *window* seconds.
        probe_every: Seconds between the calls that an open circuit lets through.
    """

    consecutive: int = 5
    share: float = 0.5
    calls: int = 20
    window: float = 30.0
    probe_every: float = 15.0


class CircuitBreaker:
    """
    Decide which calls to a server are worth making.

    Ask `admits` before a call and report how it went. A refused query is a success here: the
    server works. A probe that is never reported delays the next one, nothing else.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        limits: BreakerLimits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits or BreakerLimits()
        self._clock = clock
        self._circuit = Circuit.CLOSED
        self._failures_in_a_row = 0
        self._calls: deque[tuple[float, bool]] = deque()
        self._next_probe = 0.0

    @property
    def circuit(self) -> Circuit:
        """Return whether calls go through."""
        return self._circuit

    def admits(self) -> bool:
        """Tell whether a call may be made now; an open circuit admits one probe at a time."""
        if self._circuit is Circuit.CLOSED:
            return True
        now = self._clock()
        if now < self._next_probe:
            return False
        self._circuit = Circuit.HALF_OPEN
        self._next_probe = now + self._limits.probe_every
        return True

    def succeeded(self) -> None:
        """Report a call that was answered."""
        if self._circuit is Circuit.OPEN:
            # It was made before the circuit opened, and says nothing about now.
            return
        if self._circuit is Circuit.HALF_OPEN:
            self._circuit = Circuit.CLOSED
            self._calls.clear()
        self._failures_in_a_row = 0
        self._record(failed=False)

    def failed(self) -> None:
        """Report a call that was not answered."""
        if self._circuit is Circuit.CLOSED:
            self._failures_in_a_row += 1
            self._record(failed=True)
            if not self._too_many():
                return
        elif self._circuit is Circuit.OPEN:
            return
        self._circuit = Circuit.OPEN
        self._failures_in_a_row = 0
        self._calls.clear()
        self._next_probe = self._clock() + self._limits.probe_every

    def _record(self, *, failed: bool) -> None:
        now = self._clock()
        self._calls.append((now, failed))
        while self._calls[0][0] <= now - self._limits.window:
            self._calls.popleft()

    def _too_many(self) -> bool:
        limits = self._limits
        if self._failures_in_a_row >= limits.consecutive:
            return True
        failures = sum(failed for _, failed in self._calls)
        return len(self._calls) >= limits.calls and failures >= limits.share * len(self._calls)
