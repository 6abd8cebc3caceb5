"""Hold the latest snapshot for everybody who reads, and tell those who wait for the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from slo.engine.status.model import Snapshot
from slo.engine.status.snapshots import aged
from slo.engine.status.states import Thresholds

__all__ = ["Holder"]


class Holder:
    """
    Hold the latest snapshot; reading it never waits.

    Args:
        thresholds: Say when numbers are stale.
    """

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self.thresholds = thresholds or Thresholds()
        self._latest: Snapshot | None = None
        self._changed = asyncio.Event()

    def current(self, now: float) -> Snapshot | None:
        """Return the latest snapshot as it is to be read at *now*; `None` before the first."""
        if self._latest is not None:
            # What has become stale stays so until the next snapshot.
            self._latest = aged(self._latest, now, self.thresholds)
        return self._latest

    def publish(self, snapshot: Snapshot) -> Snapshot | None:
        """Make *snapshot* the latest one, and return the one before; in the event loop."""
        before, self._latest = self._latest, snapshot
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        return before

    async def subscribe(self) -> AsyncIterator[Snapshot]:
        """Yield the latest snapshot and each one after; a slow reader misses those between."""
        seen: Snapshot | None = None
        while True:
            changed = self._changed
            latest = self._latest
            if latest is not None and latest is not seen:
                seen = latest
                yield latest
            else:
                await changed.wait()
