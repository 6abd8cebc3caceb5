"""Reach the ledger from the event loop, with a deadline, and know how it is doing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from slo.engine.ledger.sql import SqlLedger
from slo.errors import InvalidRecord, LedgerConflict, LedgerError, UnknownRecord

__all__ = ["LedgerAccess"]

T = TypeVar("T")

_log = logging.getLogger(__name__)
_SECONDS = 8.0
_THREADS = 4
_MOST_WAITING = 200


class LedgerAccess:
    """
    Call methods of the ledger in threads of their own.

    Args:
        ledger: Its methods raise while it cannot be reached.
    """

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger
        self.problem: str | None = None
        self._threads = ThreadPoolExecutor(_THREADS, "ledger-api")
        self._waiting = 0

    @property
    def is_up(self) -> bool:
        """Tell whether the last call succeeded."""
        return self.problem is None

    async def call(self, work: Callable[[SqlLedger], T], within: float = _SECONDS) -> T:
        """
        Return what *work* does with the ledger.

        Raises:
            LedgerError: It did not work, or nobody knows whether it did.
        """
        if self._waiting >= _MOST_WAITING:
            raise LedgerError("the ledger has too much to do; try again")
        loop = asyncio.get_running_loop()
        self._waiting += 1
        future = loop.run_in_executor(self._threads, work, self._ledger)
        future.add_done_callback(self._done)
        try:
            result = await asyncio.wait_for(asyncio.shield(future), within)
        except (InvalidRecord, LedgerConflict, UnknownRecord):
            # It works well enough to say no.
            self._heard(None)
            raise
        except TimeoutError:
            error = LedgerError(f"the ledger did not answer within {within:g} s")
            self._heard(str(error))
            raise error from None
        except LedgerError as error:
            self._heard(str(error))
            raise
        self._heard(None)
        return result

    def close(self) -> None:
        """Start nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _done(self, future: asyncio.Future[T]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            # Nobody may be waiting for it any more.
            future.exception()

    def _heard(self, problem: str | None) -> None:
        if problem is not None and self.problem is None:
            _log.warning("the ledger fails: %s", problem)
        elif problem is None and self.problem is not None:
            _log.info("the ledger works again")
        self.problem = problem
