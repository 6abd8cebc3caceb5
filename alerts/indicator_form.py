"""
Read the queries of an indicator as linear forms over sums of selectors.

Whatever is not certainly linear is refused: a test that feeds the wrong series proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import promql_parser as ast

from slo.plan import EventsIndicator, Indicator, RatioIndicator
from slo.promql import PromqlError, Selector, parse_template, selector_of
from slo.promql_division import split_division

__all__ = ["Form", "IndicatorForm", "Term", "indicator_form"]

_COUNTERS = ("rate", "increase")
_GAUGES = ("count_over_time", "sum_over_time", "avg_over_time")
# What `slo.promql` puts in place of `{{.window}}`.
_WINDOW_SECONDS = 7919.0


class _NotLinear(Exception):
    """Stop reading a query that is not a linear form."""


@dataclass(frozen=True, slots=True)
class Term:
    """Multiply what *function* makes of the selected series by *factor*."""

    factor: float
    function: str
    selector: Selector


@dataclass(frozen=True, slots=True)
class Form:
    """
    Hold a query as a sum of terms.

    Args:
        not_negative: Sums that `clamp_min(.., 0)` leaves alone as long as they are not below 0.
    """

    terms: tuple[Term, ...]
    not_negative: tuple[tuple[Term, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class IndicatorForm:
    """
    Hold what an indicator counts.

    Args:
        kind: `counter`, `gauge` (samples of 1 and 0 counted) or `average` (of such samples).
        total: `None` when the indicator is a ratio that cannot be taken apart.
        per_window: The queries count events in the window, not events per second.
        group_by: Labels that the results keep.
        always: The total has a value even when no series exists.
    """

    kind: str
    error: Form
    total: Form | None
    per_window: bool
    group_by: tuple[str, ...]
    always: bool

    @property
    def subtracts(self) -> bool:
        """Tell whether bad events are counted as all events less the good ones."""
        return any(term.factor < 0 for term in self.error.terms)

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """Return every selector of both queries once."""
        terms = self.error.terms + (self.total.terms if self.total else ())
        return tuple(dict.fromkeys(term.selector for term in terms))


@dataclass(slots=True)
class _Reader:
    """Collect what all parts of the queries must agree on."""

    functions: set[str]
    groups: set[tuple[str, ...]]
    always: bool = False

    def read(self, template: str) -> Form:
        clamped: list[tuple[Term, ...]] = []
        terms = self._terms(_stripped(parse_template(template)), 1.0, clamped)
        if not any(term.factor for term in terms):
            raise _NotLinear
        return Form(terms, tuple(clamped))

    def _terms(self, node: Any, factor: float, clamped: list[tuple[Term, ...]]) -> tuple[Term, ...]:
        node = _stripped(node)
        if isinstance(node, ast.UnaryExpr):
            return self._terms(node.expr, -factor, clamped)
        if isinstance(node, ast.AggregateExpr):
            return self._sum(node, factor)
        if isinstance(node, ast.BinaryExpr):
            return self._binary(node, factor, clamped)
        if isinstance(node, ast.Call) and node.func.name == "clamp_min":
            inner, bound = node.args
            if _number(bound) != 0:
                raise _NotLinear
            terms = self._terms(inner, 1.0, clamped)
            clamped.append(terms)
            return _scaled(terms, factor)
        raise _NotLinear

    def _sum(self, node: Any, factor: float) -> tuple[Term, ...]:
        if str(node.op) != "sum":
            raise _NotLinear
        labels: tuple[str, ...] = ()
        if node.modifier is not None:
            if not str(node.modifier.type).endswith("By"):
                raise _NotLinear
            labels = tuple(sorted(node.modifier.labels))
        self.groups.add(labels)
        return (self.ranged(_stripped(node.expr), factor),)

    def ranged(self, node: Any, factor: float) -> Term:
        if not isinstance(node, ast.Call) or node.func.name not in _COUNTERS + _GAUGES:
            raise _NotLinear
        matrix = node.args[0]
        if not isinstance(matrix, ast.MatrixSelector):
            raise _NotLinear
        vector = matrix.vector_selector
        if (
            matrix.range.total_seconds() != _WINDOW_SECONDS
            or vector.offset is not None
            or vector.at is not None
            or vector.matchers.or_matchers
        ):
            raise _NotLinear
        selector = selector_of(vector)
        if not selector.metric or any(m.label == "__name__" for m in selector.matchers):
            raise _NotLinear
        self.functions.add(node.func.name)
        return Term(factor, node.func.name, selector)

    def _binary(
        self, node: Any, factor: float, clamped: list[tuple[Term, ...]]
    ) -> tuple[Term, ...]:
        operator = str(node.op)
        left, right = _number(node.lhs), _number(node.rhs)
        if operator in ("*", "/") and right is not None:
            if operator == "/" and not right:
                raise _NotLinear
            scale = right if operator == "*" else 1 / right
            return self._terms(node.lhs, factor * scale, clamped)
        if operator == "*" and left is not None:
            return self._terms(node.rhs, factor * left, clamped)
        if operator == "or":
            return self._or_zero(node, factor, clamped)
        if operator in ("+", "-") and node.modifier is None:
            sign = 1 if operator == "+" else -1
            first = self._terms(node.lhs, factor, clamped)
            return first + self._terms(node.rhs, factor * sign, clamped)
        raise _NotLinear

    def _or_zero(
        self, node: Any, factor: float, clamped: list[tuple[Term, ...]]
    ) -> tuple[Term, ...]:
        """Read `x or vector(0)` and `x or 0 * y`, whose right sides only fill a gap."""
        terms = self._terms(node.lhs, factor, clamped)
        matching = node.modifier.matching if node.modifier is not None else None
        if _is_zero_vector(node.rhs):
            # Without `on()` the zero would stand beside results that carry labels.
            on_nothing = str(matching).startswith("on") and not getattr(matching, "labels", None)
            if any(self.groups) and not on_nothing:
                raise _NotLinear
            self.always = True
            return terms
        if matching is not None or any(t.factor for t in self._terms(node.rhs, 1.0, [])):
            raise _NotLinear
        return terms


def _scaled(terms: Iterable[Term], factor: float) -> tuple[Term, ...]:
    return tuple(Term(t.factor * factor, t.function, t.selector) for t in terms)


def _stripped(node: Any) -> Any:
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def _number(node: Any) -> float | None:
    node = _stripped(node)
    if isinstance(node, ast.NumberLiteral):
        return float(node.val)
    if isinstance(node, ast.UnaryExpr):
        inner = _number(node.expr)
        return None if inner is None else -inner
    return None


def _is_zero_vector(node: Any) -> bool:
    node = _stripped(node)
    return isinstance(node, ast.Call) and node.func.name == "vector" and _number(node.args[0]) == 0


@lru_cache(maxsize=1024)
def indicator_form(indicator: Indicator) -> IndicatorForm | None:
    """Return what *indicator* counts, or `None` when that cannot be told with certainty."""
    try:
        if isinstance(indicator, EventsIndicator):
            return _events_form(indicator.error, indicator.total, complement=False)
        if not isinstance(indicator, RatioIndicator):
            return None
        division = split_division(indicator.error_ratio)
        if division is not None:
            return _events_form(division.numerator, division.denominator, division.complement)
        return _average_form(indicator.error_ratio)
    except (_NotLinear, PromqlError):
        return None


def _events_form(error: str, total: str, complement: bool) -> IndicatorForm | None:
    functions: set[str] = set()
    groups: set[tuple[str, ...]] = set()
    errors, totals = _Reader(functions, groups), _Reader(functions, groups)
    bad, every = errors.read(error), totals.read(total)
    if complement:
        difference = every.terms + _scaled(bad.terms, -1)
        bad = Form(difference, (*bad.not_negative, *every.not_negative, difference))
    kind = next(
        (
            kind
            for kind, allowed in (
                ("counter", {"rate"}),
                ("counter", {"increase"}),
                ("gauge", {"count_over_time", "sum_over_time"}),
            )
            if functions <= allowed
        ),
        None,
    )
    if kind is None or len(groups) != 1:
        return None
    per_window = "rate" not in functions
    return IndicatorForm(kind, bad, every, per_window, groups.pop(), totals.always)


def _average_form(template: str) -> IndicatorForm | None:
    """Read `1 - avg_over_time(x[..])`, with or without a sum around the average."""
    root = _stripped(parse_template(template))
    if not isinstance(root, ast.BinaryExpr) or str(root.op) != "-" or _number(root.lhs) != 1:
        return None
    functions: set[str] = set()
    term = _Reader(functions, set()).ranged(_stripped(root.rhs), 1.0)
    if functions != {"avg_over_time"}:
        return None
    count = Term(1.0, "count_over_time", term.selector)
    error = Form((count, Term(-1.0, "avg_over_time", term.selector)))
    return IndicatorForm("average", error, None, False, (), False)
