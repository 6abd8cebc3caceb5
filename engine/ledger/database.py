"""Run transactions on SQLite or PostgreSQL: each with a deadline, whole or not at all."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from types import TracebackType
from typing import Any, Self, TypeVar

import stamina
from sqlalchemy import (
    URL,
    Connection,
    Double,
    Engine,
    Table,
    cast,
    create_engine,
    event,
    extract,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.sql.elements import ColumnElement

from slo.engine.ledger.faults import explain, may_pass
from slo.errors import LedgerError

__all__ = ["Database", "Lock", "ledger_url"]

T = TypeVar("T")

_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.5
_CONNECT_SECONDS = 3
_RECYCLE_SECONDS = 1_800
_POOL_SIZE = 5
_WRITES = "slo_writes"
# Julian day of 1970-01-01, by which SQLite counts.
_UNIX_EPOCH_DAY = 2_440_587.5


class Lock(IntEnum):
    """
    Name what only one transaction may do at a time, across all replicas.

    The numbers are PostgreSQL's advisory locks; they spell `slo` and must never change. SQLite
    has one writer at any time anyway.
    """

    MIGRATION = 0x736C6F01
    CHAIN = 0x736C6F02
    BUDGET = 0x736C6F03


def ledger_url(text: str) -> URL:
    """
    Read the address of a ledger: `sqlite:///PATH` or `postgresql://...`.

    Raises:
        LedgerError: It is neither.
    """
    wanted = "write sqlite:///PATH (four slashes for an absolute one) or postgresql://HOST/NAME"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text may hold a password.
        raise LedgerError(f"the ledger's address cannot be read; {wanted}") from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database or url.database == ":memory:" or url.query:
            raise LedgerError(f"a ledger is a file; {wanted}")
        return url.set(drivername="sqlite+pysqlite")
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise LedgerError(f"a ledger cannot be kept in {backend!r}; {wanted}")


class Database:
    """
    Run transactions from any thread.

    A call ends within *seconds* and the time to connect, retries included: the server is told
    to stop, and a connection that hangs all the same is cut. A broken connection is tried again,
    so work must be such that doing it twice is doing it once.

    Args:
        url: As `ledger_url` returns it.
        seconds: How long a call may take.
    """

    def __init__(self, url: URL, *, seconds: float = 5.0) -> None:
        # Attempts are logged where logs are wanted; a command's terminal is not that place.
        retries = logging.getLogger("stamina")
        if not retries.handlers:
            retries.addHandler(logging.NullHandler())
        self.seconds = seconds
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.name = str(url.database) if self.is_sqlite else _shown(url)
        self._engine = _sqlite(url, seconds) if self.is_sqlite else _postgresql(url, seconds)

    def read(
        self,
        work: Callable[[Connection], T],
        *,
        seconds: float | None = None,
        frozen: bool = False,
    ) -> T:
        """
        Return what *work* reads.

        Args:
            seconds: How long it may take, where the usual is too short.
            frozen: Let all its queries see the same state.

        Raises:
            LedgerError: The database cannot be read.
        """
        options = {} if self.is_sqlite or not frozen else {"isolation_level": "REPEATABLE READ"}
        return self._run(work, seconds or self.seconds, options, None, shared=False)

    def write(
        self,
        work: Callable[[Connection], T],
        *,
        lock: Lock | None = None,
        shared: bool = False,
        seconds: float | None = None,
    ) -> T:
        """
        Return what *work* returns once everything that it wrote is on disk.

        Args:
            lock: Wait until nobody else holds it; with *shared*, nobody holds it alone.
            seconds: How long it may take, where the usual is too short.

        Raises:
            LedgerError: Nothing was written.
        """
        options = {_WRITES: True}
        return self._run(work, seconds or self.seconds, options, lock, shared=shared)

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """Return an insertion that can say what happens to a row that is there already."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def now(self) -> ColumnElement[float]:
        """Return the database's own clock in Unix seconds, the same for all replicas."""
        if self.is_sqlite:
            return (func.julianday("now") - literal(_UNIX_EPOCH_DAY)) * 86_400.0
        return cast(extract("epoch", func.clock_timestamp()), Double)

    def damage(self, connection: Connection) -> str | None:
        """Return what is wrong with the file, or `None`; PostgreSQL looks after its own."""
        if not self.is_sqlite:
            return None
        found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        return None if found == "ok" else f"the file is damaged: {found}"

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _run(
        self,
        work: Callable[[Connection], T],
        seconds: float,
        options: dict[str, Any],
        lock: Lock | None,
        *,
        shared: bool,
    ) -> T:
        deadline = time.monotonic() + seconds
        late = threading.Event()

        def again(error: Exception) -> bool:
            return may_pass(error) and not late.is_set()

        def attempt() -> T:
            with self._engine.connect().execution_options(**options) as connection:
                left = max(0.001, deadline - time.monotonic())
                with _CutOff(connection, left, late), connection.begin():
                    self._prepare(connection, seconds, lock, shared=shared)
                    return work(connection)

        try:
            for trial in stamina.retry_context(
                on=again,
                attempts=_ATTEMPTS,
                timeout=seconds,
                wait_initial=_FIRST_PAUSE_SECONDS,
                wait_max=_LONGEST_PAUSE_SECONDS,
                wait_jitter=_FIRST_PAUSE_SECONDS,
            ):
                with trial:
                    return attempt()
        except SQLAlchemyError as error:
            raise explain(error, self.name, seconds, late=late.is_set()) from error
        raise AssertionError("the last attempt returns or raises")

    def _prepare(
        self, connection: Connection, seconds: float, lock: Lock | None, *, shared: bool
    ) -> None:
        if self.is_sqlite:
            return
        if seconds != self.seconds:
            limit = str(int(seconds * 1000))
            connection.execute(
                select(
                    func.set_config("statement_timeout", limit, True),
                    func.set_config("lock_timeout", limit, True),
                )
            )
        if lock is not None:
            take = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
            # Its own statement: the next one then sees what the last holder committed.
            connection.execute(select(take(int(lock))))


class _CutOff:
    """End what runs on a connection once its time is over, whatever the server does."""

    def __init__(self, connection: Connection, seconds: float, late: threading.Event) -> None:
        self._raw: Any = connection.connection.dbapi_connection
        self._late = late
        self._guard = threading.Lock()
        self._over = False
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._guard:
            self._over = True

    def _cut(self) -> None:
        with self._guard:
            # The connection may serve somebody else by now.
            if self._over:
                return
            self._late.set()
            if hasattr(self._raw, "interrupt"):
                self._raw.interrupt()
                return
            with suppress(OSError, ValueError), _borrowed(self._raw.fileno()) as wire:
                wire.shutdown(socket.SHUT_RDWR)


def _borrowed(descriptor: int) -> socket.socket:
    return socket.socket(fileno=os.dup(descriptor))


def _sqlite(url: URL, seconds: float) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        pool_timeout=seconds,
        connect_args={"timeout": seconds},
    )

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _record: Any) -> None:
        # The driver would begin transactions late; we begin them ourselves, below.
        raw.isolation_level = None
        mode = raw.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise LedgerError(
                f"the ledger {url.database} cannot be kept here: SQLite needs a local disk"
            )
        for pragma in (
            "synchronous = FULL",
            "foreign_keys = ON",
            "trusted_schema = OFF",
            "cell_size_check = ON",
            "journal_size_limit = 67108864",
        ):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL, seconds: float) -> Engine:
    limit = int(seconds * 1000)
    settings = {
        "statement_timeout": limit,
        "lock_timeout": limit,
        "idle_in_transaction_session_timeout": 2 * limit,
        # Acknowledged means on disk, also where the server's default says otherwise.
        "synchronous_commit": "on",
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    given = url.query.get("options")
    arguments: dict[str, Any] = {
        "application_name": "slo",
        "connect_timeout": _CONNECT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 2 * limit,
    }
    arguments = {name: value for name, value in arguments.items() if name not in url.query}
    # What the address says comes last, so that it counts.
    arguments["options"] = f"{options} {given}" if isinstance(given, str) else options
    return create_engine(
        url.difference_update_query(["options"]),
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        pool_timeout=seconds,
        pool_recycle=_RECYCLE_SECONDS,
        connect_args=arguments,
    )


def _shown(url: URL) -> str:
    """Return the address without anything that may be secret."""
    host = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{host}{port}/{url.database or ''}"
