"""Copy a ledger to another database: event for event, with the same hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Insert, Select, Table, insert, select, tuple_

from slo.engine.ledger import chain
from slo.engine.ledger.chain import Head
from slo.engine.ledger.database import Database, Lock
from slo.engine.ledger.tables import (
    budget_points,
    budget_series,
    budget_state,
    events,
    token_uses,
)
from slo.errors import LedgerError

__all__ = ["copy_ledger"]

_ROWS = 5_000
_SECONDS = 3_600.0


def copy_ledger(source: Database, target: Database) -> Head:
    """
    Copy everything but leases to *target*, and return the head of its chain.

    The chain comes last and at once. A copy that ended half-way goes on when it is asked again.

    Raises:
        LedgerError: *target* holds records, or either cannot be used.
    """
    if target.read(chain.head).sequence:
        raise LedgerError(f"{target.name} holds records; copy to a ledger without any")
    for rows in _pages(source, budget_series):
        _copy_series(target, rows)
    for table in (budget_points, budget_state, token_uses):
        same = target.insert(table).on_conflict_do_nothing()
        for rows in _pages(source, table):
            target.write(partial(_executed, same, rows), lock=Lock.BUDGET, seconds=_SECONDS)

    def work(connection: Connection) -> Head:
        # Somebody may have begun to use it meanwhile.
        if chain.head(connection).sequence:
            raise LedgerError(f"{target.name} holds records; copy to a ledger without any")
        for rows in _pages(source, events):
            connection.execute(insert(events), rows)
        chain.rebuild(connection)
        return chain.head(connection)

    return target.write(work, lock=Lock.CHAIN, seconds=_SECONDS)


def _copy_series(target: Database, rows: list[dict[str, Any]]) -> None:
    """Copy series under the numbers that their points name."""

    def work(connection: Connection) -> None:
        connection.execute(target.insert(budget_series).on_conflict_do_nothing(), rows)
        s = budget_series.c
        numbers = s.id.between(rows[0]["id"], rows[-1]["id"])
        query = select(budget_series).where(numbers).order_by(s.id)
        if _found(query, connection) != rows:
            raise LedgerError(f"{target.name} holds budget points; copy to a new ledger")

    target.write(work, lock=Lock.BUDGET, seconds=_SECONDS)


def _pages(source: Database, table: Table) -> Iterator[list[dict[str, Any]]]:
    """Return the rows of *table* by its key, some at a time."""
    key = list(table.primary_key.columns)
    last: Sequence[Any] | None = None
    while True:
        query = select(table).order_by(*key).limit(_ROWS)
        if last is not None:
            query = query.where(tuple_(*key) > tuple_(*last))
        rows = source.read(partial(_found, query))
        if not rows:
            return
        yield rows
        last = [rows[-1][column.name] for column in key]


def _executed(statement: Insert, rows: list[dict[str, Any]], connection: Connection) -> None:
    connection.execute(statement, rows)


def _found(query: Select[Any], connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]
