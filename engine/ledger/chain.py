"""Append events to the chain of hashes, and find where somebody has tampered with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from slo.engine.ledger.payloads import ADDED, slos_of, span_of
from slo.engine.ledger.tables import decision_slos, events, records

__all__ = ["GENESIS", "Head", "NewEvent", "append", "hash_of", "head", "rebuild", "verify"]

# What the first event follows.
GENESIS = "0" * 64
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Head:
    """
    Name the last event of a chain; kept elsewhere, it proves later that nothing is missing.

    Args:
        sequence: Number of events.
        hash: Hash of the last one.
    """

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class NewEvent:
    """
    Hold what is to be appended.

    Args:
        kind: Of the record and what happened to it, such as `freeze.added`.
        payload: Canonical JSON.
        key: Idempotency key.
    """

    kind: str
    record_id: str
    payload: str
    actor: str
    at: float
    key: str | None = None


def head(connection: Connection) -> Head:
    """Return the last event."""
    query = select(events.c.sequence, events.c.hash).order_by(events.c.sequence.desc()).limit(1)
    found = connection.execute(query).first()
    return Head(0, GENESIS) if found is None else Head(found.sequence, found.hash)


def append(connection: Connection, new: Sequence[NewEvent]) -> None:
    """
    Append events, and bring the index up to date.

    The transaction must hold the lock of the chain.
    """
    last = head(connection)
    rows: list[dict[str, Any]] = []
    for event in new:
        row = {
            "sequence": last.sequence + 1,
            "kind": event.kind,
            "record_id": event.record_id,
            "payload": event.payload,
            "actor": event.actor,
            "at": float(event.at),
            "idempotency_key": event.key,
            "previous_hash": last.hash,
        }
        last = Head(last.sequence + 1, hash_of(row))
        rows.append(row | {"hash": last.hash})
    if rows:
        connection.execute(insert(events), rows)
        _index(connection, rows)


def hash_of(row: Mapping[str, Any]) -> str:
    """Return SHA-256 over the previous hash and everything else in the row, in one form."""
    content = [
        row[name]
        for name in ("sequence", "kind", "record_id", "payload", "actor", "at", "idempotency_key")
    ]
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{row['previous_hash']}\n{text}".encode()).hexdigest()


def verify(connection: Connection, known: Head | None = None) -> str | None:
    """
    Return what is wrong with the chain or its index, the first such place; `None` if nothing.

    Args:
        known: A head that was read before: the chain must still hold it.
    """
    previous, number, added, ended = GENESIS, 0, 0, 0
    for batch in _batches(connection):
        index = _Index.of(connection, batch[0].sequence, batch[-1].sequence)
        for event in batch:
            number += 1
            row = event._asdict()
            if event.sequence != number:
                return f"event {number} is missing: the next one is {event.sequence}"
            if event.previous_hash != previous:
                return f"event {number} does not follow event {number - 1}: one was replaced"
            if event.hash != hash_of(row):
                return f"event {number} was changed: its hash does not fit its content"
            if known is not None and known.sequence == number and known.hash != event.hash:
                return f"event {number} is another one than before: the chain was rewritten"
            wrong = index.wrong(row)
            if wrong:
                return f"event {number}: {wrong}; rebuild the index"
            previous = event.hash
            started = event.kind.endswith(f".{ADDED}")
            added, ended = added + started, ended + (not started)
    if known is not None and known.sequence > number:
        return f"event {number + 1} is missing: there were {known.sequence} before"
    count = select(func.count(), func.count(records.c.ended_sequence)).select_from(records)
    if tuple(connection.execute(count).one()) != (added, ended):
        return "the index holds records that no event added; rebuild the index"
    return None


def rebuild(connection: Connection) -> int:
    """Make the index anew from the events, and return their number."""
    connection.execute(delete(decision_slos))
    connection.execute(delete(records))
    number = 0
    for batch in _batches(connection):
        _index(connection, [event._asdict() for event in batch])
        number += len(batch)
    return number


@dataclass(frozen=True, slots=True)
class _Index:
    """Hold what the index says about a stretch of events."""

    added: dict[int, tuple[Any, ...]]
    ended: dict[int, tuple[Any, ...]]
    slos: dict[int, tuple[str, ...]]

    @classmethod
    def of(cls, connection: Connection, first: int, last: int) -> _Index:
        r, d = records.c, decision_slos.c
        added = select(r.sequence, r.kind, r.id, r.since, r.until)
        ended = select(r.ended_sequence, r.kind, r.id, r.ended_at, r.ended_by)
        slos: dict[int, tuple[str, ...]] = {}
        query = select(d.sequence, d.slo).where(d.sequence.between(first, last))
        for sequence, slo in connection.execute(query):
            slos[sequence] = (*slos.get(sequence, ()), slo)
        return cls(
            _by_number(connection, added.where(r.sequence.between(first, last))),
            _by_number(connection, ended.where(r.ended_sequence.between(first, last))),
            slos,
        )

    def wrong(self, row: Mapping[str, Any]) -> str | None:
        number = row["sequence"]
        kind, _, what = row["kind"].partition(".")
        if what != ADDED:
            wanted = (kind, row["record_id"], row["at"], row["actor"])
            return None if self.ended.get(number) == wanted else "the index lacks this ending"
        since, until = span_of(kind, row["payload"])
        if self.added.get(number) != (kind, row["record_id"], since, until):
            return "the index lacks this record, or holds another"
        if sorted(self.slos.get(number, ())) != list(slos_of(kind, row["payload"])):
            return "the index lacks an SLO of this decision"
        return None


def _by_number(connection: Connection, query: Select[Any]) -> dict[int, tuple[Any, ...]]:
    return {number: tuple(rest) for number, *rest in connection.execute(query)}


def _index(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    added: list[dict[str, Any]] = []
    slos: list[dict[str, Any]] = []
    ended: list[Mapping[str, Any]] = []
    for row in rows:
        kind, _, what = row["kind"].partition(".")
        if what != ADDED:
            ended.append(row)
            continue
        number = row["sequence"]
        since, until = span_of(kind, row["payload"])
        record = {"kind": kind, "id": row["record_id"], "since": since, "until": until}
        added.append(record | {"sequence": number})
        slos += [{"slo": slo, "sequence": number} for slo in slos_of(kind, row["payload"])]
    if added:
        connection.execute(insert(records), added)
    if slos:
        connection.execute(insert(decision_slos), slos)
    for row in ended:
        connection.execute(
            update(records)
            .where(
                records.c.kind == row["kind"].partition(".")[0], records.c.id == row["record_id"]
            )
            .values(ended_sequence=row["sequence"], ended_at=row["at"], ended_by=row["actor"])
        )


def _batches(connection: Connection) -> Iterator[Sequence[Row[Any]]]:
    last = 0
    while True:
        query = (
            select(events).where(events.c.sequence > last).order_by(events.c.sequence).limit(_BATCH)
        )
        batch = connection.execute(query).all()
        if not batch:
            return
        yield batch
        last = batch[-1].sequence
