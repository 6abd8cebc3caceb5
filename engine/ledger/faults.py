"""Say what went wrong with a database, in words that lead to a remedy."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from slo.errors import LedgerError

__all__ = ["explain", "may_pass"]

_SQLITE = {
    "SQLITE_FULL": "cannot be written: the disk is full; make room, nothing was half written",
    "SQLITE_BUSY": "is being written by somebody else for too long; try again",
    "SQLITE_LOCKED": "is being written by somebody else for too long; try again",
    "SQLITE_CORRUPT": "is damaged; restore a backup of it (docs/ledger.md)",
    "SQLITE_NOTADB": "is damaged or no ledger at all; restore a backup of it (docs/ledger.md)",
    "SQLITE_READONLY": "cannot be written: the file or its folder is read-only for this user",
    "SQLITE_CANTOPEN": "cannot be opened: look at the permissions of the file and its folder",
    "SQLITE_PERM": "cannot be opened: look at the permissions of the file and its folder",
    "SQLITE_IOERR": "cannot be read or written: the disk reports an error, or is full",
    "SQLITE_INTERRUPT": "did not answer in time",
}
# Codes of PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = {
    "53100": "cannot be written: the server's disk is full; nothing was half written",
    "55P03": "is being written by somebody else for too long; try again",
    "57014": "did not answer in time",
    "25006": "cannot be written: the server is a read-only standby; name the primary",
    "42501": "cannot be used: this user may not do so; make it the owner of the database",
    "42P01": "lacks a table; restore a backup of it (docs/ledger.md)",
    "XX001": "is damaged; restore a backup of it (docs/ledger.md)",
    "XX002": "is damaged; restore a backup of it (docs/ledger.md)",
}
# Shutting down, starting up, out of connections, deadlock, serialisation.
_PASSING = frozenset(("57P01", "57P02", "57P03", "53300", "40P01", "40001"))


def explain(error: SQLAlchemyError, name: str, seconds: float, *, late: bool) -> LedgerError:
    """
    Return what to raise for *error* of the database called *name*.

    Args:
        seconds: How long the call was allowed to take.
        late: It was cut off for having taken longer.
    """
    if late or isinstance(error, PoolTimeout):
        return LedgerError(f"the ledger {name} did not answer within {seconds:g} s")
    origin = getattr(error, "orig", None)
    code = getattr(origin, "sqlite_errorname", None)
    if code is not None:
        for prefix, words in _SQLITE.items():
            if code.startswith(prefix):
                return LedgerError(f"the ledger {name} {words}")
    words = _POSTGRESQL.get(getattr(origin, "sqlstate", None) or "", "")
    if words:
        return LedgerError(f"the ledger {name} {words}")
    reason = " ".join(str(origin or error).split())[:300]
    if may_pass(error):
        return LedgerError(f"the ledger {name} cannot be reached: {reason}")
    return LedgerError(f"the ledger {name} failed: {reason}")


def may_pass(error: BaseException) -> bool:
    """Tell whether another attempt may succeed: the connection broke, or there was none."""
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    origin: Any = error.orig
    code = getattr(origin, "sqlstate", "")
    broken = code is None and type(origin).__name__ == "OperationalError"
    return broken or code in _PASSING
