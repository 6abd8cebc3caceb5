"""Use the ledger where it helps, and go on where it does not answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from slo.errors import LedgerError

__all__ = ["BestEffort"]

T = TypeVar("T")

_log = logging.getLogger(__name__)
_SECONDS = 5.0
_THREADS = 2


class BestEffort:
    """Call methods that block in threads of their own; what fails is logged and skipped."""

    def __init__(self) -> None:
        # Its own threads: a database that hangs must not take those that parse answers.
        self._threads = ThreadPoolExecutor(_THREADS, "ledger")
        self.closed = False

    async def run(
        self, method: Callable[..., T], *arguments: object, within: float = _SECONDS
    ) -> T | None:
        """Return what *method* returns, or `None` where it fails or takes too long."""
        loop = asyncio.get_running_loop()
        try:
            future = loop.run_in_executor(self._threads, lambda: method(*arguments))
            return await asyncio.wait_for(future, within)
        except (LedgerError, TimeoutError) as error:
            _log.warning("going on without the ledger: %s", error or f"no answer in {within:g} s")
            return None

    def close(self) -> None:
        """Wait for nothing, and start nothing more."""
        self.closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
