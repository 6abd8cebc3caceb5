"""Apply PromQL's binary operators to vectors that hold a value for each of many times."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

__all__ = ["Column", "Labels", "Scalar", "Value", "Vector", "binary", "labels_of", "merged"]

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted, without the name of the metric."""

Column = list[float | None]
"""One value per time; `None` where there is no sample."""

Vector = dict[Labels, Column]


class Scalar(NamedTuple):
    """Hold a number that differs from time to time; a constant is a `float`."""

    values: list[float]


Value = float | Scalar | Vector


def labels_of(labels: Iterable[tuple[str, str]]) -> Labels:
    """Return *labels* in the order that makes equal ones equal, without empty values."""
    return tuple(sorted((name, value) for name, value in labels if value))


def merged(first: Column, second: Column) -> Column:
    """Return *first*, and *second* where it has nothing."""
    return [b if a is None else a for a, b in zip(first, second, strict=True)]


def _divide(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if not a or a != a else math.copysign(math.inf, a) * math.copysign(1, b)


def _remainder(a: float, b: float) -> float:
    return math.fmod(a, b) if b and not math.isinf(a) else math.nan


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": _remainder,
    "^": math.pow,
}
_COMPARISON: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


def binary(op: str, left: Value, right: Value, modifier: Any) -> Value:
    """
    Return *left* *op* *right*.

    Args:
        modifier: How the syntax tree says that the two sides match; `None` for by all labels.

    Raises:
        ValueError: The operator is not known here.
    """
    if op in ("and", "or", "unless"):
        assert isinstance(left, dict)
        assert isinstance(right, dict)
        return _set_operation(op, left, right, modifier)
    as_bool = modifier is not None and modifier.return_bool
    combine = _combination(op, as_bool)
    if isinstance(left, dict):
        if isinstance(right, dict):
            return _matched(combine, left, right, modifier)
        return {labels: combine(c, _spread(right, len(c)), c) for labels, c in left.items()}
    if isinstance(right, dict):
        return {labels: combine(_spread(left, len(c)), c, c) for labels, c in right.items()}
    lengths = [len(side.values) for side in (left, right) if isinstance(side, Scalar)]
    length = lengths[0] if lengths else 1
    column = combine(_spread(left, length), _spread(right, length), _spread(left, length))
    values = [math.nan if value is None else value for value in column]
    return Scalar(values) if lengths else values[0]


Combination = Callable[[Column, Column, Column], Column]


def _combination(op: str, as_bool: bool) -> Combination:
    """Return the operator on columns; its third argument is what a comparison keeps."""
    if op in _ARITHMETIC:
        compute = _ARITHMETIC[op]

        def arithmetic(left: Column, right: Column, _: Column) -> Column:
            return [
                None if a is None or b is None else compute(a, b)
                for a, b in zip(left, right, strict=True)
            ]

        return arithmetic
    if op not in _COMPARISON:
        raise ValueError(f"the operator `{op}` is not known here")
    holds = _COMPARISON[op]

    def comparison(left: Column, right: Column, kept: Column) -> Column:
        found: Column = []
        for a, b, value in zip(left, right, kept, strict=True):
            if a is None or b is None:
                found.append(None)
            elif as_bool:
                found.append(1.0 if holds(a, b) else 0.0)
            else:
                found.append(value if holds(a, b) else None)
        return found

    return comparison


def _spread(value: float | Scalar, length: int) -> Column:
    return list(value.values) if isinstance(value, Scalar) else [value] * length


def _key(labels: Labels, modifier: Any) -> Labels:
    """Return the labels that two sides must have in common."""
    matching = None if modifier is None else modifier.matching
    if matching is None:
        return labels
    named = frozenset(matching.labels)
    on = str(matching.type).endswith("Include")
    return tuple(label for label in labels if (label[0] in named) == on)


def _set_operation(op: str, left: Vector, right: Vector, modifier: Any) -> Vector:
    if op == "or":
        taken = _presence(left, modifier)
        result = dict(left)
        for labels, column in right.items():
            seen = taken.get(_key(labels, modifier))
            left_over = column
            if seen is not None:
                left_over = [None if s else value for s, value in zip(seen, column, strict=True)]
            mine = result.get(labels)
            result[labels] = left_over if mine is None else merged(mine, left_over)
        return result
    other = _presence(right, modifier)
    result = {}
    for labels, column in left.items():
        seen = other.get(_key(labels, modifier))
        if seen is None:
            if op == "unless":
                result[labels] = column
            continue
        wanted = op == "and"
        result[labels] = [
            value if s == wanted else None for s, value in zip(seen, column, strict=True)
        ]
    return result


def _presence(vector: Vector, modifier: Any) -> dict[Labels, list[bool]]:
    """Return for every key at which times it has a sample."""
    found: dict[Labels, list[bool]] = {}
    for labels, column in vector.items():
        here = [value is not None for value in column]
        key = _key(labels, modifier)
        before = found.get(key)
        found[key] = here if before is None else list(map(operator.or_, before, here))
    return found


def _matched(combine: Combination, left: Vector, right: Vector, modifier: Any) -> Vector:
    card = "" if modifier is None else str(modifier.card).rpartition(".")[2]
    from_right = card == "OneToMany"
    many, one = (right, left) if from_right else (left, right)
    index: dict[Labels, list[tuple[Labels, Column]]] = {}
    for labels, column in one.items():
        index.setdefault(_key(labels, modifier), []).append((labels, column))
    result: Vector = {}
    for labels, column in many.items():
        for others, other in index.get(_key(labels, modifier), ()):
            if card in ("ManyToOne", "OneToMany"):
                named = labels_of(_grouped(labels, others, modifier))
            else:
                named = _key(labels, modifier)
            sides = (other, column) if from_right else (column, other)
            found = combine(*sides, sides[0])
            mine = result.get(named)
            result[named] = found if mine is None else merged(mine, found)
    return result


def _grouped(labels: Labels, others: Labels, modifier: Any) -> Iterable[tuple[str, str]]:
    included = frozenset(modifier.group_labels or ())
    kept = [label for label in labels if label[0] not in included]
    return kept + [label for label in others if label[0] in included]
