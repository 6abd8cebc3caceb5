"""Keep how SLOs stood: every refresh for days, hours for months, days for years."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection, func, insert, or_, select

from slo.engine.ledger.batches import batched
from slo.engine.ledger.database import Database, Lock
from slo.engine.ledger.payloads import canonical
from slo.engine.ledger.records import BudgetPoint
from slo.engine.ledger.retention import closed_until, level_of, stretch_of
from slo.engine.ledger.tables import budget_points, budget_series
from slo.engine.ledger.validation import check_moment, check_text
from slo.errors import InvalidRecord

__all__ = ["BudgetHistory"]

_Series: TypeAlias = tuple[str, str]

_NAMES_AT_A_TIME = 400
_LONGEST_NAME = 500
_LONGEST_POINT = 86_400
# Thousands of points on a slow disk take longer than a record.
_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Row:
    """Hold a point as it is stored, but for the number of its series."""

    key: _Series
    level: int
    values: Mapping[str, Any]


class BudgetHistory:
    """Keep budget points in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Replaced, never changed, so that it can be read from any thread. Series are never
        # deleted: what was true stays true.
        self._series: Mapping[_Series, int] = {}

    def add(self, points: Sequence[BudgetPoint]) -> None:
        """
        Append points; a stretch of time that is covered already is left alone.

        Raises:
            InvalidRecord: A point makes no sense; none is appended.
            LedgerError: None was appended.
        """
        if not points:
            return
        rows = [_row(point) for point in points]
        series = self._series
        missing = {row.key for row in rows} - series.keys()

        def work(connection: Connection) -> dict[_Series, int]:
            found = _find(connection, missing)
            made = _make(connection, missing - found.keys())
            number = {**series, **found, **made} if missing else series
            closed = closed_until(connection)
            values = [
                {"series": number[row.key], **row.values}
                for row in rows
                # Nearly all are newer than what was rolled up, or the first of their series.
                if (row.level == 0 and row.values["at"] >= closed)
                or row.key in made
                or not _is_covered(connection, number[row.key], row)
            ]
            if values:
                connection.execute(
                    self._database.insert(budget_points).on_conflict_do_nothing(), values
                )
            return found | made

        # New series take numbers, so only one writer at a time may make them.
        new = self._database.write(work, lock=Lock.BUDGET, shared=not missing, seconds=_SECONDS)
        if new:
            self._series = {**self._series, **new}

    def points(self, slo: str, start: float, end: float) -> tuple[BudgetPoint, ...]:
        """Return the points that begin from *start* on and before *end*, oldest first."""
        p, s = budget_points.c, budget_series.c
        query = (
            select(s.slo, p.at, p.seconds, p.bad, p.total, p.remaining, s.labels)
            .join_from(budget_series, budget_points, s.id == p.series)
            .where(s.slo == slo, p.at >= start, p.at < end)
            .order_by(p.at, s.labels)
        )
        found = self._database.read(lambda connection: connection.execute(query).all())
        return tuple(BudgetPoint(*row[:-1], labels=json.loads(row.labels)) for row in found)


def _row(point: BudgetPoint) -> _Row:
    check_text("a point's slo", point.slo, _LONGEST_NAME)
    check_moment("a point's time", point.at)
    if not 0 < point.seconds <= _LONGEST_POINT:
        raise InvalidRecord("a budget point stands for more than 0 seconds and at most a day")
    level = level_of(point.seconds)
    values = {
        "level": level,
        "at": float(point.at),
        "stretch": stretch_of(level, point.at),
        "seconds": float(point.seconds),
        "bad": _finite(point.bad),
        "total": _finite(point.total),
        "remaining": _finite(point.remaining),
    }
    return _Row((point.slo, canonical(point.labels)), level, values)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _find(connection: Connection, keys: Iterable[_Series]) -> dict[_Series, int]:
    found: dict[_Series, int] = {}
    s = budget_series.c
    for names in batched(sorted({slo for slo, _ in keys}), _NAMES_AT_A_TIME):
        query = select(s.slo, s.labels, s.id).where(s.slo.in_(names))
        found.update({(slo, labels): number for slo, labels, number in connection.execute(query)})
    return found


def _make(connection: Connection, keys: Iterable[_Series]) -> dict[_Series, int]:
    names = sorted(keys)
    if not names:
        return {}
    last = connection.execute(select(func.max(budget_series.c.id))).scalar() or 0
    made = {key: number for number, key in enumerate(names, last + 1)}
    connection.execute(
        insert(budget_series),
        [{"id": number, "slo": slo, "labels": labels} for (slo, labels), number in made.items()],
    )
    return made


def _is_covered(connection: Connection, series: int, row: _Row) -> bool:
    """Tell whether a coarser point covers this one, or this one would cover finer ones."""
    p = budget_points.c
    at, end = row.values["at"], row.values["at"] + row.values["seconds"]
    coarser = (p.level > row.level) & (p.at <= at) & (p.at > at - _LONGEST_POINT)
    finer = (p.level < row.level) & (p.at >= at) & (p.at < end)
    query = select(p.level, p.at, p.seconds).where(p.series == series, or_(coarser, finer))
    return any(
        other.level < row.level or other.at + other.seconds > at
        for other in connection.execute(query)
    )
