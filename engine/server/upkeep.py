"""Keep the ledger's history small: hours and days instead of single refreshes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

from slo.engine.api.ledger_access import LedgerAccess
from slo.errors import LedgerError

__all__ = ["keep_history_small"]

_log = logging.getLogger(__name__)

# An engine that is restarted more often than once an hour rolls up too.
_FIRST_SECONDS = 60.0
_EVERY_SECONDS = 3_600.0
_LIMIT_SECONDS = 600.0


async def keep_history_small(
    access: LedgerAccess,
    leads: Callable[[], bool],
    clock: Callable[[], float],
    *,
    first: float = _FIRST_SECONDS,
    every: float = _EVERY_SECONDS,
) -> None:
    """
    Roll budget points up now and then, until cancelled.

    Args:
        leads: Tells whether this replica is the one that writes history.
        clock: Returns Unix seconds.
        first: Seconds before the first time.
        every: Seconds between the others.
    """
    pause = first
    while True:
        await asyncio.sleep(pause)
        pause = every
        if not leads():
            continue
        # What is left undone is done the next time.
        with suppress(LedgerError):
            done = await access.call(lambda ledger: ledger.roll_up(clock()), within=_LIMIT_SECONDS)
            if done.hours or done.days or done.dropped:
                _log.info("history rolled up", extra=asdict(done))
