"""Add records to the chain, end them, and find them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, select

from slo.engine.ledger import chain
from slo.engine.ledger.batches import batched
from slo.engine.ledger.chain import NewEvent
from slo.engine.ledger.database import Database, Lock
from slo.engine.ledger.payloads import (
    ADDED,
    ENDED,
    KINDS,
    Ending,
    Record,
    decode,
    encode,
    same_content,
)
from slo.engine.ledger.tables import events, records
from slo.engine.ledger.validation import check_key, check_moment, check_record, check_text
from slo.errors import LedgerConflict, UnknownRecord

__all__ = ["RecordStore", "read_record", "stored"]

R = TypeVar("R", bound=Record)

# SQLite takes so many values in one statement, also in old versions.
_IDS_AT_A_TIME = 900


def stored(wanted: type[Any]) -> Select[Any]:
    """Return the query for all records of a kind, in the order in which they were added."""
    return (
        select(events.c.payload, records.c.ended_at, records.c.ended_by)
        .join_from(records, events, records.c.sequence == events.c.sequence)
        .where(records.c.kind == KINDS[wanted])
        .order_by(records.c.sequence)
    )


def read_record(wanted: type[R], row: Row[Any]) -> R:
    """Return the record in a row that `stored` finds."""
    ending = None if row.ended_at is None else Ending(row.ended_at, row.ended_by)
    return _decoded(wanted, row.payload, ending)


class RecordStore:
    """Keep records of every kind in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: R, *, by: str, at: float, key: str | None = None, **more: str) -> R:
        """
        Append *record*, and return it once it is on disk.

        Args:
            key: Where a record was added under it before, that one is returned instead.
            more: Is kept beside the record.

        Raises:
            InvalidRecord: The record makes no sense.
            LedgerConflict: Its id or *key* stands for another record.
            LedgerError: It was not appended.
        """
        check_record(record)
        check_key(key)
        payload = encode(record, **more)
        return self._database.write(
            lambda connection: _added(connection, record, payload, by=by, at=at, key=key),
            lock=Lock.CHAIN,
        )

    def add_all(self, given: Sequence[tuple[Record, str, float]]) -> None:
        """
        Append records with who added them and when: all or none, at the price of one.

        Raises:
            InvalidRecord: A record makes no sense.
            LedgerConflict: The id of one stands for another record.
            LedgerError: None was appended.
        """
        new: dict[tuple[str, str], NewEvent] = {}
        for record, by, at in given:
            check_record(record)
            kind = f"{KINDS[type(record)]}.{ADDED}"
            event = NewEvent(kind, record.id, encode(record), by, at)
            _check_same(new.setdefault((kind, record.id), event).payload, event)

        def work(connection: Connection) -> None:
            e = events.c
            missing = dict(new)
            kinds = sorted({event.kind for event in new.values()})
            for ids in batched([event.record_id for event in new.values()], _IDS_AT_A_TIME):
                query = select(e.kind, e.record_id, e.payload).where(
                    e.kind.in_(kinds), e.record_id.in_(ids)
                )
                for kind, record_id, payload in connection.execute(query):
                    event = missing.pop((kind, record_id), None)
                    if event is not None:
                        _check_same(payload, event)
            chain.append(connection, list(missing.values()))

        if new:
            self._database.write(work, lock=Lock.CHAIN)

    def end(self, wanted: type[R], record_id: str, by: str, at: float) -> R:
        """
        Take a record back, and return it; one that was taken back before stays as it is.

        Raises:
            UnknownRecord: There is none.
            LedgerError: It was not taken back.
        """
        check_text("actor", by)
        check_moment("at", at)
        kind = KINDS[wanted]

        def work(connection: Connection) -> R:
            found = _find(connection, wanted, record_id)
            if found is None:
                raise _unknown(kind, record_id)
            if found.ended_at is None:
                ending = NewEvent(f"{kind}.{ENDED[kind]}", record_id, "{}", by, at)
                chain.append(connection, [ending])
                return _decoded(wanted, found.payload, Ending(float(at), by))
            return read_record(wanted, found)

        return self._database.write(work, lock=Lock.CHAIN)

    def one(self, wanted: type[R], record_id: str) -> R:
        """
        Return one record.

        Raises:
            UnknownRecord: There is none.
        """
        found = self._database.read(lambda connection: _find(connection, wanted, record_id))
        if found is None:
            raise _unknown(KINDS[wanted], record_id)
        return read_record(wanted, found)

    def found(self, wanted: type[R], query: Select[Any]) -> tuple[R, ...]:
        """Return what *query* finds, made from `stored`."""
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return tuple(read_record(wanted, row) for row in rows)


def _added(
    connection: Connection, record: R, payload: str, *, by: str, at: float, key: str | None
) -> R:
    wanted = type(record)
    kind = f"{KINDS[wanted]}.{ADDED}"
    if key is not None:
        e = events.c
        query = select(e.record_id, e.payload).where(e.kind == kind, e.idempotency_key == key)
        before = connection.execute(query).first()
        if before is not None:
            if not same_content(KINDS[wanted], before.payload, payload):
                raise LedgerConflict(
                    f"the idempotency key {key!r} was used for another {KINDS[wanted]} before; "
                    "take a new key for each new request"
                )
            found = _find(connection, wanted, before.record_id)
            assert found is not None, "an index entry for each record"
            return read_record(wanted, found)
    event = NewEvent(kind, record.id, payload, by, at, key)
    found = _find(connection, wanted, record.id)
    if found is not None:
        # An attempt whose answer was lost on the way.
        _check_same(found.payload, event)
        return read_record(wanted, found)
    chain.append(connection, [event])
    return _decoded(wanted, payload, None)


def _check_same(payload: str, event: NewEvent) -> None:
    if payload != event.payload:
        kind = event.kind.partition(".")[0]
        raise LedgerConflict(f"there is another {kind} with the id {event.record_id!r}")


def _find(connection: Connection, wanted: type[Any], record_id: str) -> Row[Any] | None:
    return connection.execute(stored(wanted).where(records.c.id == record_id)).first()


def _decoded(wanted: type[R], payload: str, ending: Ending | None) -> R:
    record = decode(KINDS[wanted], payload, ending)
    assert isinstance(record, wanted)
    return record


def _unknown(kind: str, record_id: str) -> UnknownRecord:
    return UnknownRecord(f"there is no {kind} with the id {record_id!r}")
