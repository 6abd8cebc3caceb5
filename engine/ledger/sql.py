"""Keep records on SQLite, or on PostgreSQL where several replicas share them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, and_, or_, select

from slo.engine.ledger import chain
from slo.engine.ledger.budget_history import BudgetHistory
from slo.engine.ledger.chain import Head
from slo.engine.ledger.copy import copy_ledger
from slo.engine.ledger.database import Database, Lock, ledger_url
from slo.engine.ledger.lease import acquire_lease, release_lease
from slo.engine.ledger.migrate import migrate
from slo.engine.ledger.record_store import RecordStore, read_record, stored
from slo.engine.ledger.records import BudgetPoint, Correction, Decision, Freeze, Override, Token
from slo.engine.ledger.recurrence import occurrences
from slo.engine.ledger.retention import Retention, RollUp, roll_up
from slo.engine.ledger.sqlite_file import ensure_file
from slo.engine.ledger.tables import decision_slos, records, token_uses
from slo.engine.ledger.validation import check_hash, check_moment
from slo.errors import LedgerError

__all__ = ["SqlLedger", "open_ledger"]

S = TypeVar("S", Correction, Freeze)

_MOST_DECISIONS = 10_000
_CHECK_SECONDS = 600.0


def open_ledger(
    url: str, *, retention: Retention | None = None, seconds: float = 5.0, create: bool = True
) -> SqlLedger:
    """
    Open the ledger at *url*, and bring its tables up to date where needed.

    Args:
        url: `sqlite:///PATH`, with four slashes for an absolute path, or `postgresql://...`.
        seconds: How long a call may take.
        create: Make the ledger if there is none.

    Raises:
        LedgerError: It cannot be opened; the message says what to do.
    """
    address = ledger_url(url)
    if address.get_backend_name() == "sqlite":
        path = Path(str(address.database)).absolute()
        address = address.set(database=str(path))
        if not create and not path.exists():
            raise LedgerError(f"there is no ledger {path}")
        ensure_file(path, lambda stage: _fill(address.set(database=str(stage)), seconds))
    database = Database(address, seconds=seconds)
    try:
        migrate(database, is_new=create and not database.is_sqlite)
    except BaseException:
        database.close()
        raise
    return SqlLedger(database, retention or Retention())


def _fill(address: URL, seconds: float) -> None:
    database = Database(address, seconds=seconds)
    try:
        migrate(database)
    finally:
        database.close()


class SqlLedger:
    """
    Be the `Ledger` on a database; any thread may call it.

    Args:
        database: With current tables.
        retention: How long budget points are kept, and how finely.
    """

    def __init__(self, database: Database, retention: Retention) -> None:
        self._database = database
        self._retention = retention
        self._records = RecordStore(database)
        self._budget = BudgetHistory(database)

    @property
    def name(self) -> str:
        """Return where the ledger is, without passwords."""
        return self._database.name

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def add_correction(self, record: Correction, idempotency_key: str | None = None) -> Correction:
        """Append a correction."""
        return self._records.add(
            record, by=record.created_by, at=record.created_at, key=idempotency_key
        )

    def cancel_correction(self, record_id: str, actor: str, at: float) -> Correction:
        """Take a correction back; one that was taken back before stays as it is."""
        return self._records.end(Correction, record_id, actor, at)

    def corrections(
        self, start: float, end: float, *, cancelled: bool = False
    ) -> tuple[Correction, ...]:
        """
        Return those that touch the time from *start* to *end*, oldest first.

        Args:
            cancelled: Return those that were taken back, too.
        """
        return self._touching(Correction, start, end, cancelled)

    def correction(self, record_id: str) -> Correction:
        """Return one correction, taken back or not."""
        return self._records.one(Correction, record_id)

    def add_freeze(self, record: Freeze, idempotency_key: str | None = None) -> Freeze:
        """Append a freeze."""
        return self._records.add(
            record, by=record.created_by, at=record.created_at, key=idempotency_key
        )

    def cancel_freeze(self, record_id: str, actor: str, at: float) -> Freeze:
        """End a freeze; one that was ended before stays as it is."""
        return self._records.end(Freeze, record_id, actor, at)

    def freezes(self, start: float, end: float, *, cancelled: bool = False) -> tuple[Freeze, ...]:
        """
        Return those that touch the time from *start* to *end*, oldest first.

        Args:
            cancelled: Return those that were ended before they came to touch it, too.
        """
        return self._touching(Freeze, start, end, cancelled)

    def freeze(self, record_id: str) -> Freeze:
        """Return one freeze, ended or not."""
        return self._records.one(Freeze, record_id)

    def add_override(self, record: Override, idempotency_key: str | None = None) -> Override:
        """Append an override."""
        return self._records.add(
            record, by=record.created_by, at=record.created_at, key=idempotency_key
        )

    def revoke_override(self, record_id: str, actor: str, at: float) -> Override:
        """Take an override back; one that was taken back before stays as it is."""
        return self._records.end(Override, record_id, actor, at)

    def overrides(self, at: float) -> tuple[Override, ...]:
        """Return those in force at *at*, oldest first."""
        r = records.c
        in_force = and_(r.since <= at, r.until > at, or_(r.ended_at.is_(None), r.ended_at > at))
        return self._records.found(Override, stored(Override).where(in_force))

    def overrides_between(self, start: float, end: float) -> tuple[Override, ...]:
        """Return those that were in force at some time from *start* to *end*, oldest first."""
        r = records.c
        touching = and_(r.since < end, r.until > start)
        found = self._records.found(Override, stored(Override).where(touching))
        return tuple(o for o in found if o.revoked_at is None or o.revoked_at > start)

    def override(self, record_id: str) -> Override:
        """Return one override, whether in force or not."""
        return self._records.one(Override, record_id)

    def add_decision(self, record: Decision, idempotency_key: str | None = None) -> Decision:
        """Append a decision."""
        return self._records.add(record, by=record.actor, at=record.at, key=idempotency_key)

    def add_decisions(self, given: Sequence[Decision]) -> None:
        """Append many decisions, all or none, at the price of one."""
        self._records.add_all([(record, record.actor, record.at) for record in given])

    def decisions(
        self, *, slo: str | None = None, before: float | None = None, limit: int = 100
    ) -> tuple[Decision, ...]:
        """
        Return decisions, newest first.

        Args:
            slo: Only those about this SLO, or about the service where it has no slash.
            before: Only those that are older.
            limit: At most so many, and 10,000.
        """
        r = records.c
        query = stored(Decision)
        if slo is not None:
            service, slash, _ = slo.partition("/")
            names = (slo, f"{service}/*") if slash else (slo,)
            about = select(decision_slos.c.sequence).where(decision_slos.c.slo.in_(names))
            query = query.where(r.sequence.in_(about))
        if before is not None:
            query = query.where(r.since < before)
        newest = query.order_by(None).order_by(r.since.desc(), r.sequence.desc())
        return self._records.found(Decision, newest.limit(max(0, min(limit, _MOST_DECISIONS))))

    def decision(self, record_id: str) -> Decision:
        """Return one decision."""
        return self._records.one(Decision, record_id)

    def add_budget_points(self, points: Sequence[BudgetPoint]) -> None:
        """Append how SLOs stood; a point that is there already is left alone."""
        self._budget.add(points)

    def budget_points(self, slo: str, start: float, end: float) -> tuple[BudgetPoint, ...]:
        """Return how an SLO stood, oldest first: the points that begin in that time."""
        return self._budget.points(slo, start, end)

    def roll_up(self, now: float) -> RollUp:
        """Turn old budget points into hours and days; call it every hour, from any replica."""
        return roll_up(self._database, self._retention, now)

    def add_token(self, record: Token, secret_hash: str) -> Token:
        """Append a token; of its secret, only the hash is kept."""
        check_hash(secret_hash)
        return self._records.add(
            record, by=record.name, at=record.created_at, secret_hash=secret_hash
        )

    def revoke_token(self, record_id: str, actor: str, at: float) -> Token:
        """Take a token back; one that was taken back before stays as it is."""
        return self._records.end(Token, record_id, actor, at)

    def tokens(self) -> tuple[tuple[Token, str], ...]:
        """Return all tokens with the hashes of their secrets, oldest first."""
        used = token_uses.c.last_used_at
        query = stored(Token).add_columns(used)
        query = query.join(token_uses, token_uses.c.id == records.c.id, isouter=True)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return tuple(
            (
                replace(read_record(Token, row), last_used_at=row.last_used_at),
                json.loads(row.payload)["secret_hash"],
            )
            for row in rows
        )

    def note_token_use(self, record_id: str, at: float) -> None:
        """Remember when a token was used last, outside the chain; once a minute is enough."""
        check_moment("at", at)
        used = self._database.insert(token_uses).values(id=record_id, last_used_at=at)
        newer = used.on_conflict_do_update(
            index_elements=[token_uses.c.id],
            set_={"last_used_at": used.excluded.last_used_at},
            where=token_uses.c.last_used_at < used.excluded.last_used_at,
        )
        self._database.write(lambda connection: connection.execute(newer))

    def acquire_lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew the lease *name*; only one holder has it at a time."""
        return acquire_lease(self._database, name, holder, seconds)

    def release_lease(self, name: str, holder: str) -> None:
        """Give the lease *name* back."""
        release_lease(self._database, name, holder)

    def head(self) -> Head:
        """Return the last event of the chain; keep it elsewhere to prove later that it is there."""
        return self._database.read(chain.head)

    def verify(self, known: Head | None = None) -> str | None:
        """
        Return what is wrong with the chain of records or its index, or `None`.

        Args:
            known: A head that was read before; the chain must still hold it.
        """
        return self._database.read(
            lambda connection: self._database.damage(connection) or chain.verify(connection, known),
            seconds=_CHECK_SECONDS,
            frozen=True,
        )

    def rebuild(self) -> int:
        """Make the index of records anew from the chain, and return the number of events."""
        return self._database.write(chain.rebuild, lock=Lock.CHAIN, seconds=_CHECK_SECONDS)

    def copy_to(self, other: SqlLedger) -> Head:
        """Copy everything but leases to a ledger without records; see `copy_ledger`."""
        return copy_ledger(self._database, other._database)

    def _touching(
        self, wanted: type[S], start: float, end: float, cancelled: bool
    ) -> tuple[S, ...]:
        r = records.c
        near = and_(r.since <= end, or_(r.until.is_(None), r.until > start))
        found = self._records.found(wanted, stored(wanted).where(near))
        return tuple(
            record
            for record in found
            if occurrences(_standing(record) if cancelled else record, start, end)
        )


def _standing(record: S) -> S:
    return replace(record, cancelled_at=None, cancelled_by=None)
