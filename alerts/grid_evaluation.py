"""
Evaluate PromQL over recorded series at many times at once.

Only what the rules of profile `exact` are written in is known here: recorded series lie on even
grids, so that a sum over any range is the difference of two running sums, and a month of an SLO
takes a second. Raw series are the server's business.
"""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import promql_parser as ast

from slo.alerts.grid_operators import Column, Labels, Scalar, Value, Vector, binary, labels_of
from slo.alerts.grid_sums import RunningSums
from slo.promql import Selector, selector_of

__all__ = ["Grid", "GridSeries", "evaluate", "held"]

# What a Prometheus takes for the present value of a series.
_LOOKBACK_MS = 300_000


@dataclass(frozen=True, slots=True)
class Grid:
    """
    Hold evenly spaced times, in milliseconds.

    Args:
        start: The first time, in Unix milliseconds.
    """

    start: int
    step: int
    count: int

    def times(self) -> list[int]:
        """Return all times."""
        return [self.start + self.step * index for index in range(self.count)]


@dataclass(slots=True)
class GridSeries:
    """Hold what a rule recorded; `None` where it had no result."""

    grid: Grid
    values: Column
    _sums: RunningSums | None = field(default=None, repr=False)

    @property
    def sums(self) -> RunningSums:
        """Return the running sums of the values."""
        if self._sums is None:
            self._sums = RunningSums(self.values)
        return self._sums


Select = Callable[[Selector], Iterable[tuple[Labels, GridSeries]]]


def evaluate(expression: str, grid: Grid, select: Select, left_open: bool) -> Vector:
    """
    Return the value of *expression* at each time of *grid*.

    Args:
        select: Finds recorded series.
        left_open: A range leaves out its oldest end, as in Prometheus 3, and as in Prometheus 2
            when no sample lies there.

    Raises:
        ValueError: The expression holds something that is not known here.
    """
    found = _Evaluation(grid, select, left_open).value(ast.parse(expression))
    if not isinstance(found, dict):
        raise ValueError(f"`{expression}` is a number, not a vector")
    return found


def held(series: GridSeries, grid: Grid, offset: int = 0, lookback: int | None = None) -> Column:
    """Return the latest value of *series* at each time of *grid*, *offset* ago."""
    if series.grid == grid and not offset:
        return series.values
    own, values = series.grid, series.values
    found: Column = []
    for time in range(grid.start - offset - own.start, _end(grid) - offset - own.start, grid.step):
        index = min(time // own.step, own.count - 1)
        stale = lookback is not None and time - index * own.step > lookback
        found.append(None if index < 0 or stale else values[index])
    return found


def _end(grid: Grid) -> int:
    return grid.start + grid.step * grid.count


@dataclass(frozen=True, slots=True)
class _Evaluation:
    grid: Grid
    select: Select
    left_open: bool

    def value(self, node: Any) -> Value:
        match node:
            case ast.ParenExpr():
                return self.value(node.expr)
            case ast.NumberLiteral():
                return float(node.val)
            case ast.UnaryExpr():
                return binary("*", -1.0, self.value(node.expr), None)
            case ast.BinaryExpr():
                left, right = self.value(node.lhs), self.value(node.rhs)
                return binary(str(node.op), left, right, node.modifier)
            case ast.VectorSelector():
                return self._instant(node)
            case ast.AggregateExpr():
                return self._aggregate(node)
            case ast.Call():
                return self._call(node)
        raise ValueError(f"{type(node).__name__} is not known here")

    def vector(self, node: Any) -> Vector:
        found = self.value(node)
        assert isinstance(found, dict)
        return found

    def _instant(self, node: Any) -> Vector:
        offset = _milliseconds(node.offset)
        return {
            labels: held(series, self.grid, offset, _LOOKBACK_MS)
            for labels, series in self.select(selector_of(node))
        }

    def _range(self, node: Any, compute: Callable[[RunningSums, int, int], float | None]) -> Vector:
        selector = node.vector_selector
        offset, length = _milliseconds(selector.offset), _milliseconds(node.range)
        result = {}
        for labels, series in self.select(selector_of(selector)):
            own, sums, column = series.grid, series.sums, []
            first = self.grid.start - offset - own.start
            # A sample on the oldest edge counts unless the range is open there.
            edge = 0 if self.left_open else 1
            for newest in range(first, first + self.grid.step * self.grid.count, self.grid.step):
                high = min(newest // own.step + 1, own.count)
                low = max((newest - length - edge) // own.step + 1, 0)
                column.append(compute(sums, low, high) if low < high else None)
            result[labels] = column
        return result

    def _call(self, node: Any) -> Value:
        name = node.func.name
        if name == "time":
            return Scalar([time / 1000 for time in self.grid.times()])
        if name in _OVER_TIME:
            return self._range(node.args[0], _OVER_TIME[name])
        if name == "vector":
            inner = self.value(node.args[0])
            assert not isinstance(inner, dict)
            values = inner.values if isinstance(inner, Scalar) else [inner] * self.grid.count
            return {(): list(values)}
        if name == "label_replace":
            return _label_replace(self.vector(node.args[0]), *(a.val for a in node.args[1:]))
        if name in _ELEMENTWISE:
            bounds = [self.value(argument) for argument in node.args[1:]]
            function = _ELEMENTWISE[name]
            return {
                labels: [None if v is None else function(v, *bounds) for v in column]
                for labels, column in self.vector(node.args[0]).items()
            }
        raise ValueError(f"the function `{name}` is not known here")

    def _aggregate(self, node: Any) -> Vector:
        groups: dict[Labels, list[Column]] = {}
        for labels, column in self.vector(node.expr).items():
            groups.setdefault(_group(labels, node.modifier), []).append(column)
        op = str(node.op)
        if op == "count_values":
            return _count_values(node.param.val, groups)
        if op not in _REDUCTIONS:
            raise ValueError(f"the aggregation `{op}` is not known here")
        reduce = _REDUCTIONS[op]
        result: Vector = {}
        for key, columns in groups.items():
            if len(columns) == 1 and op != "count":
                result[key] = columns[0]
                continue
            rows = ([v for v in row if v is not None] for row in zip(*columns, strict=True))
            result[key] = [reduce(row) if row else None for row in rows]
        return result


def _milliseconds(delta: Any) -> int:
    return 0 if delta is None else round(delta.total_seconds() * 1000)


def _group(labels: Labels, modifier: Any) -> Labels:
    if modifier is None:
        return ()
    named = frozenset(modifier.labels)
    by = str(modifier.type).endswith("By")
    return tuple(label for label in labels if (label[0] in named) == by)


_REDUCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": math.fsum,
    "max": max,
    "min": min,
    "avg": lambda row: math.fsum(row) / len(row),
    "count": len,
}

_OVER_TIME: dict[str, Callable[[RunningSums, int, int], float | None]] = {
    "sum_over_time": RunningSums.total,
    "avg_over_time": RunningSums.mean,
    "count_over_time": RunningSums.present,
    "last_over_time": RunningSums.last,
}


def _count_values(label: str, groups: dict[Labels, list[Column]]) -> Vector:
    result: Vector = {}
    for key, columns in groups.items():
        for column in columns:
            for index, value in enumerate(column):
                if value is None:
                    continue
                named = labels_of([*key, (label, _number_text(value))])
                counts = result.setdefault(named, [None] * len(column))
                counts[index] = (counts[index] or 0.0) + 1.0
    return result


@lru_cache(maxsize=1024)
def _number_text(value: float) -> str:
    return format(Decimal(repr(value)).normalize(), "f")


def _label_replace(vector: Vector, label: str, text: str, source: str, pattern: str) -> Vector:
    replacement = re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", text)
    result: Vector = {}
    for labels, column in vector.items():
        match = re.fullmatch(pattern, dict(labels).get(source, ""))
        named = labels
        if match is not None:
            named = labels_of({**dict(labels), label: match.expand(replacement)}.items())
        result[named] = column
    return result


@lru_cache(maxsize=4096)
def _date(day: int) -> datetime:
    return datetime.fromtimestamp(day * 86_400, UTC)


def _day(value: float) -> datetime:
    return _date(math.floor(value / 86_400))


_ELEMENTWISE: dict[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": lambda value: float(math.ceil(value)),
    "clamp_max": min,
    "clamp_min": max,
    "day_of_month": lambda value: float(_day(value).day),
    "day_of_week": lambda value: float(_day(value).isoweekday() % 7),
    "days_in_month": lambda value: float(monthrange(_day(value).year, _day(value).month)[1]),
    "floor": lambda value: float(math.floor(value)),
    "hour": lambda value: float(value // 3600 % 24),
    "month": lambda value: float(_day(value).month),
    "year": lambda value: float(_day(value).year),
}
