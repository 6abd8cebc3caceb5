"""Roll budget points up: from every refresh to hours, from hours to days, and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, case, delete, func, insert, literal, select, update

from slo.engine.ledger.batches import batched
from slo.engine.ledger.database import Database, Lock
from slo.engine.ledger.tables import budget_points, budget_series, budget_state

__all__ = ["Retention", "RollUp", "closed_until", "level_of", "roll_up", "stretch_of"]

_HOUR, _DAY = 3_600, 86_400
_RAW, _HOURS, _DAYS = range(3)
# Few enough that others can write between two transactions.
_SERIES_AT_A_TIME = 100
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Retention:
    """
    Say for how many seconds, counted from now, points are kept as they came, as hours, as days.

    Raises:
        ValueError: Coarser points would be kept for less long than finer ones.
    """

    raw: float = 2.0 * _DAY
    hours: float = 100.0 * _DAY
    days: float = 3 * 366.0 * _DAY

    def __post_init__(self) -> None:
        if not _HOUR <= self.raw <= self.hours <= self.days:
            raise ValueError("keep raw points for an hour or more, hours longer, days longest")


@dataclass(frozen=True, slots=True)
class RollUp:
    """Count the hours and days that a roll-up made, and the days that it dropped as too old."""

    hours: int
    days: int
    dropped: int


def level_of(seconds: float) -> int:
    """Return 0 for a point as it came, 1 for an hour, 2 for a day."""
    return _RAW if seconds < _HOUR else _HOURS if seconds < _DAY else _DAYS


def stretch_of(level: int, at: float) -> int:
    """Return when the hour or day begins that a point of *level* is rolled up into, in UTC."""
    length = _HOUR if level == _RAW else _DAY
    return int(at // length) * length


def closed_until(connection: Connection) -> float:
    """Return the time before which points may have been rolled up."""
    query = select(func.max(budget_state.c.closed_until))
    return connection.execute(query).scalar() or 0.0


def roll_up(database: Database, retention: Retention, now: float) -> RollUp:
    """
    Roll up what is old enough, in many short transactions.

    Bad and total events of an hour or day are the sums of its points, the budget is what
    remained at its last measured one. Ending half-way loses nothing: the next call goes on.

    Raises:
        LedgerError: The database cannot be written.
    """
    hour = (now - retention.raw) // _HOUR * _HOUR
    day = (now - retention.hours) // _DAY * _DAY
    oldest = (now - retention.days) // _DAY * _DAY
    # From here on, whoever adds an older point looks whether its hour is there already.
    database.write(lambda connection: _close(connection, hour), lock=Lock.BUDGET)
    numbers = database.read(
        lambda connection: (
            connection.execute(select(budget_series.c.id).order_by(budget_series.c.id))
            .scalars()
            .all()
        )
    )
    counts = [0, 0, 0]
    for series in batched(numbers, _SERIES_AT_A_TIME):
        work = partial(_roll_all, series, hour=hour, day=day, oldest=oldest)
        done = database.write(work, lock=Lock.BUDGET, seconds=_SECONDS)
        counts = [before + more for before, more in zip(counts, done, strict=True)]
    return RollUp(*counts)


def _roll_all(
    series: Sequence[int], connection: Connection, *, hour: float, day: float, oldest: float
) -> tuple[int, int, int]:
    return (
        _roll(connection, series, _RAW, hour),
        _roll(connection, series, _HOURS, day),
        _drop(connection, series, _DAYS, oldest),
    )


def _close(connection: Connection, until: float) -> None:
    state = budget_state.c
    changed = connection.execute(
        update(budget_state)
        .where(state.level == _RAW)
        .values(closed_until=case((state.closed_until > until, state.closed_until), else_=until))
    )
    if changed.rowcount == 0:
        connection.execute(insert(budget_state).values(level=_RAW, closed_until=until))


def _roll(connection: Connection, series: Sequence[int], level: int, until: float) -> int:
    """Turn the points of *level* before *until* into those of the next level, and count these."""
    p = budget_points.c
    old = (p.series.in_(series), p.level == level, p.at < until)
    # The last point that was measured comes first.
    last = func.first_value(p.remaining).over(
        partition_by=(p.series, p.stretch),
        order_by=(case((p.remaining.is_(None), 1), else_=0), p.at.desc()),
    )
    points = select(p.series, p.stretch, p.bad, p.total, last.label("last")).where(*old).subquery()
    q = points.c
    length = _HOUR if level == _RAW else _DAY
    made = connection.execute(
        insert(budget_points).from_select(
            ["series", "level", "at", "stretch", "seconds", "bad", "total", "remaining"],
            select(
                q.series,
                literal(level + 1),
                q.stretch,
                q.stretch - q.stretch % _DAY,
                literal(float(length)),
                func.sum(q.bad),
                func.sum(q.total),
                func.max(q.last),
            ).group_by(q.series, q.stretch),
        ),
        execution_options={"preserve_rowcount": True},
    ).rowcount
    if made:
        connection.execute(delete(budget_points).where(*old))
    return made


def _drop(connection: Connection, series: Sequence[int], level: int, until: float) -> int:
    p = budget_points.c
    old = (p.series.in_(series), p.level == level, p.at < until)
    return connection.execute(delete(budget_points).where(*old)).rowcount
