"""Stand in for a ledger on a server that cannot be reached yet."""

from __future__ import annotations

import logging
import threading
from typing import Any

from slo.engine.ledger.database import ledger_url
from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.errors import LedgerError

__all__ = ["LateLedger"]

_log = logging.getLogger(__name__)


class LateLedger:
    """
    Be the ledger at *url*: every method of `SqlLedger`, or a `LedgerError` until it is open.

    Raises:
        LedgerError: It is a file that cannot be used; waiting would not help.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._ledger: SqlLedger | None = None
        self._problem = "it has not been opened yet"
        self._lock = threading.Lock()
        is_file = ledger_url(url).get_backend_name() == "sqlite"
        try:
            self._ledger = open_ledger(url)
        except LedgerError as error:
            if is_file:
                raise
            self._problem = str(error)
            _log.warning("starting without the ledger: %s", error)

    @property
    def is_open(self) -> bool:
        """Tell whether it was reached at least once."""
        return self._ledger is not None

    @property
    def where(self) -> str:
        """Return where it is, without passwords."""
        return self._ledger.name if self._ledger else "the ledger"

    def try_again(self) -> bool:
        """Open it if it is not open yet, and tell whether it is."""
        with self._lock:
            if self._ledger is None:
                try:
                    self._ledger = open_ledger(self._url)
                except LedgerError as error:
                    self._problem = str(error)
                else:
                    _log.info("the ledger %s is open", self._ledger.name)
        return self._ledger is not None

    def close(self) -> None:
        """Close it."""
        if self._ledger is not None:
            self._ledger.close()

    def __getattr__(self, name: str) -> Any:
        if self._ledger is not None:
            return getattr(self._ledger, name)

        def away(*_: Any, **__: Any) -> Any:
            raise LedgerError(self._problem)

        return away
