"""Write decisions to the ledger many at a time, and let no gate wait long for it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass

from slo.engine.api.ledger_access import LedgerAccess
from slo.engine.api.metrics import EngineMetrics
from slo.engine.ledger.records import Decision
from slo.engine.ledger.sql import SqlLedger
from slo.errors import InvalidRecord, LedgerConflict, LedgerError

__all__ = ["DecisionRecorder"]

_log = logging.getLogger(__name__)
_MOST_AT_ONCE = 500
_MOST_WAITING = 20_000
_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True, eq=False)
class _Entry:
    decision: Decision
    done: asyncio.Future[Decision | None]
    key: str | None


class DecisionRecorder:
    """
    Keep decisions in line until the ledger has them.

    Those that it does not get stand in the log, whole, and are counted: nothing is lost without
    a trace.

    Args:
        access: To the ledger.
        metrics: Counts what is not recorded in time, and what never is.
        patience: Seconds that an answer waits for the ledger.
    """

    def __init__(
        self, access: LedgerAccess, metrics: EngineMetrics, *, patience: float = 0.25
    ) -> None:
        self._access = access
        self._metrics = metrics
        self._patience = patience
        self._line: deque[_Entry] = deque()
        self._wanted = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        metrics.watch(
            "slo_engine_decisions_waiting",
            "Decisions that the ledger is still to get.",
            lambda: len(self._line),
        )

    def start(self) -> None:
        """Begin to write, in the running event loop."""
        self._task = asyncio.create_task(self._write())

    async def record(self, decision: Decision, key: str | None = None) -> Decision | None:
        """
        Put *decision* into the line, and return what the ledger has; `None` for nothing yet.

        Args:
            key: Idempotency key of the request. Where it was used before, the ledger has the
                decision of then.

        Raises:
            LedgerConflict: The key was used for another request.
        """
        entry = _Entry(decision, asyncio.get_running_loop().create_future(), key)
        entry.done.add_done_callback(asyncio.Future.exception)
        if len(self._line) >= _MOST_WAITING:
            self._give_up(entry, "too many are waiting")
            return None
        self._line.append(entry)
        self._wanted.set()
        # Who knows that the ledger is away does not wait for it.
        if self._access.is_up:
            with suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(entry.done), self._patience)
        self._metrics.unrecorded.inc()
        return None

    async def close(self, within: float) -> None:
        """Write what is in line for at most *within* seconds, and log the rest."""
        self._closing = True
        self._wanted.set()
        if self._task is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._task, within)
        while self._line:
            self._give_up(self._line.popleft(), "the engine stops")

    async def _write(self) -> None:
        pause = _PAUSE_SECONDS
        while not (self._closing and not self._line):
            if not self._line:
                self._wanted.clear()
                await self._wanted.wait()
                continue
            batch = [self._line[i] for i in range(min(len(self._line), _MOST_AT_ONCE))]
            if await self._written(batch):
                pause = _PAUSE_SECONDS
                continue
            if self._closing:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _written(self, batch: list[_Entry]) -> bool:
        """Write *batch*, take it out of the line, and tell whether the ledger works."""
        plain = [entry for entry in batch if entry.key is None]
        apart = [entry for entry in batch if entry.key is not None]
        try:
            try:
                await self._access.call(lambda ledger: _add_all(ledger, plain))
            except (InvalidRecord, LedgerConflict):
                # One of them spoils all; the others need not suffer.
                apart = batch
            for entry in apart:
                await self._alone(entry)
        except LedgerError:
            return False
        for entry in batch:
            self._line.remove(entry)
            if not entry.done.done():
                entry.done.set_result(entry.decision)
        return True

    async def _alone(self, entry: _Entry) -> None:
        try:
            kept = await self._access.call(
                lambda ledger: ledger.add_decision(entry.decision, entry.key)
            )
        except LedgerConflict as error:
            if entry.key is None:
                self._give_up(entry, str(error))
            elif not entry.done.done():
                entry.done.set_exception(error)
        except InvalidRecord as error:
            self._give_up(entry, str(error))
        else:
            if not entry.done.done():
                entry.done.set_result(kept)

    def _give_up(self, entry: _Entry, why: str) -> None:
        self._metrics.lost.inc()
        _log.error(
            "a decision is not in the ledger: %s",
            why,
            extra={"decision": json.dumps(asdict(entry.decision), default=str)},
        )
        if not entry.done.done():
            entry.done.set_result(None)


def _add_all(ledger: SqlLedger, entries: list[_Entry]) -> None:
    ledger.add_decisions([entry.decision for entry in entries])
