"""
Find raw series that make only good or only bad events for an indicator.

The queries of an indicator are read as linear forms over sums of selectors. Whatever is not
certainly linear is refused: a test that feeds the wrong series proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice, product
from typing import Any

import promql_parser as ast

from slo.alerts.regex_sample import matching_texts
from slo.plan import EventsIndicator, Indicator
from slo.promql import Matcher, PromqlError, Selector, parse_template, selector_of, split_division

__all__ = [
    "Form",
    "IndicatorForm",
    "Sample",
    "World",
    "escaped",
    "indicator_form",
    "total_per_event",
]

_COUNTERS = ("rate", "increase")
_GAUGES = ("count_over_time", "sum_over_time", "avg_over_time")
# What `slo.promql` puts in place of `{{.window}}`.
_WINDOW_SECONDS = 7919.0
_MAX_CANDIDATES = 512
_MAX_BUNDLE = 3
_MAX_TRIES = 4
_OTHER_VALUES = ("200", "ok", "0", "other", "GET", "a", "")


class _NotLinear(Exception):  # noqa: N818 - control flow that never leaves this module
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


@dataclass(frozen=True, slots=True)
class Sample:
    """
    Name one raw series and what it does in a test.

    Args:
        good: A counter counts good events, a gauge is 1 while events are good.
        bad: A counter counts bad events, a gauge is 1 while events are bad.
    """

    metric: str
    labels: tuple[tuple[str, str], ...]
    gauge: bool
    good: bool
    bad: bool

    def __str__(self) -> str:
        """Print in the notation of a series selector."""
        inner = ",".join(f'{name}="{escaped(value)}"' for name, value in self.labels)
        return f"{self.metric}{{{inner}}}" if inner else self.metric


def escaped(value: str) -> str:
    """Return *value* as it stands between the quotes of a label matcher."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


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

    def _terms(
        self, node: Any, factor: float, clamped: list[tuple[Term, ...]]
    ) -> tuple[Term, ...]:
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
            filled = str(matching).startswith("on") and not matching.labels
            if any(self.groups) and not filled:
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
    return (
        isinstance(node, ast.Call) and node.func.name == "vector" and _number(node.args[0]) == 0
    )


@lru_cache(maxsize=1024)
def indicator_form(indicator: Indicator) -> IndicatorForm | None:
    """Return what *indicator* counts, or `None` when that cannot be told with certainty."""
    try:
        if isinstance(indicator, EventsIndicator):
            return _events_form(indicator.error, indicator.total, complement=False)
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


class World:
    """
    Hold the raw series of one test, which several SLOs may share.

    An SLO enters only if, with the series that it adds, every SLO of the test still sees
    nothing but good events in the good phase and nothing but bad ones in the bad phase.
    """

    def __init__(self) -> None:
        self.samples: dict[Sample, None] = {}
        self._forms: list[IndicatorForm] = []

    def add(self, form: IndicatorForm) -> bool:
        """Let *form* into this world by the fewest new series; `False` if there is no way."""
        if not self.samples:
            samples = _first_samples(form)
            if samples is None:
                return False
            self.samples = dict.fromkeys(samples)
            self._forms.append(form)
            return True
        selectors = {s.metric for other in self._forms for s in other.selectors}
        alone = selectors.isdisjoint(s.metric for s in form.selectors)
        if alone:
            found = _first_samples(form)
        else:
            found = _search(form, tuple(self.samples), tuple(self._forms))
        if found is None:
            return False
        self.samples = _merged(self.samples, found)
        self._forms.append(form)
        return True


def _merged(samples: Iterable[Sample], more: Iterable[Sample]) -> dict[Sample, None]:
    """Return both, where a series that is named twice does what either asks for."""
    merged: dict[tuple[str, tuple[tuple[str, str], ...]], Sample] = {}
    for sample in (*samples, *more):
        key = (sample.metric, sample.labels)
        other = merged.get(key)
        if other is not None:
            good, bad = other.good or sample.good, other.bad or sample.bad
            sample = Sample(sample.metric, sample.labels, sample.gauge, good, bad)
        merged[key] = sample
    return dict.fromkeys(merged.values())


@lru_cache(maxsize=1024)
def _first_samples(form: IndicatorForm) -> tuple[Sample, ...] | None:
    return _search(form, (), ())


def _search(
    form: IndicatorForm, base: tuple[Sample, ...], others: tuple[IndicatorForm, ...]
) -> tuple[Sample, ...] | None:
    """Return the fewest series that, beside *base*, serve *form* and keep serving *others*."""
    candidates = _candidates(form)
    if candidates is None:
        return None
    forms = (form, *others)
    halves = [
        list(
            islice(
                (
                    bundle
                    for bundle in _bundles(candidates, form, good)
                    if all(_fits(tuple(_merged(base, bundle)), each, good) for each in forms)
                ),
                _MAX_TRIES,
            )
        )
        for good in (True, False)
    ]
    for good_half, bad_half in product(*halves):
        added = tuple(_merged(good_half, bad_half))
        added += _silent(candidates, form, (*base, *added))
        world = tuple(_merged(base, added))
        if all(_serves(world, each) for each in forms):
            return added
    return None


def _silent(
    candidates: list[tuple[str, tuple[tuple[str, str], ...]]],
    form: IndicatorForm,
    world: tuple[Sample, ...],
) -> tuple[Sample, ...]:
    """Return series without events for selectors that find none: empty is not zero in PromQL."""
    gauge = form.kind != "counter"
    found: list[Sample] = []
    for selector in form.selectors:
        if any(_selects(selector, sample) for sample in (*world, *found)):
            continue
        options = (Sample(metric, labels, gauge, False, False) for metric, labels in candidates)
        found += islice((s for s in options if _selects(selector, s)), 1)
    return tuple(found)


def _bundles(
    candidates: list[tuple[str, tuple[tuple[str, str], ...]]], form: IndicatorForm, good: bool
) -> Iterator[tuple[Sample, ...]]:
    """Yield sets of new series for one phase, the smallest first."""
    gauge = form.kind != "counter"
    if gauge:
        # A gauge is there in both phases, so one set serves both.
        samples = [Sample(metric, labels, True, True, False) for metric, labels in candidates]
    else:
        samples = [Sample(metric, labels, False, good, not good) for metric, labels in candidates]
    for size in range(_MAX_BUNDLE + 1):
        yield from combinations(samples, size)
        if gauge and size == 1:
            return


def _fits(world: tuple[Sample, ...], form: IndicatorForm, good: bool) -> bool:
    """Tell whether *form* sees only good, or only bad events in one phase."""
    total = _value(form.total, world, good) if form.total else 1.0
    error = _value(form.error, world, good)
    return total is not None and total > 0 and error == (0 if good else total)


def _serves(world: tuple[Sample, ...], form: IndicatorForm) -> bool:
    """Tell whether *form* sees only good events, then as many bad ones, all in one group."""
    if not (_fits(world, form, good=True) and _fits(world, form, good=False)):
        return False
    if not all(any(_selects(s, sample) for sample in world) for s in form.selectors):
        return False
    if form.total is not None:
        if _value(form.total, world, good=True) != _value(form.total, world, good=False):
            return False
    elif sum(_selects(form.error.terms[0].selector, sample) for sample in world) != 1:
        # A mean over several series would have one result for each.
        return False
    groups = {
        tuple(dict(sample.labels).get(label, "") for label in form.group_by)
        for sample in world
        if any(_selects(selector, sample) for selector in form.selectors)
    }
    return len(groups) == 1


def total_per_event(world: Iterable[Sample], form: IndicatorForm) -> float:
    """Return the value of the total query per counted event and second, or per window."""
    value = _value(form.total, tuple(world), good=True) if form.total else 1.0
    assert value is not None
    return value


def _value(form: Form, world: tuple[Sample, ...], good: bool) -> float | None:
    if any(_sum(terms, world, good) < 0 for terms in form.not_negative):
        return None
    return _sum(form.terms, world, good)


def _sum(terms: tuple[Term, ...], world: tuple[Sample, ...], good: bool) -> float:
    result = 0.0
    for term in terms:
        for sample in world:
            if _selects(term.selector, sample):
                present = term.function == "count_over_time"
                result += term.factor * (present or (sample.good if good else sample.bad))
    return result


def _selects(selector: Selector, sample: Sample) -> bool:
    return selector.metric == sample.metric and selector.accepts(
        sample.metric, dict(sample.labels)
    )


def _candidates(
    form: IndicatorForm,
) -> list[tuple[str, tuple[tuple[str, str], ...]]] | None:
    """Return one series for every way in which the selectors can tell series apart."""
    found: dict[tuple[str, tuple[bool, ...]], tuple[str, tuple[tuple[str, str], ...]]] = {}
    by_metric: dict[str, list[Selector]] = {}
    for selector in form.selectors:
        by_metric.setdefault(selector.metric, []).append(selector)
    for metric, selectors in by_metric.items():
        choices = _label_choices(selectors, form.group_by)
        if choices is None:
            return None
        for values in product(*choices.values()):
            labels = {name: v for name, v in zip(choices, values, strict=True) if v}
            signature = tuple(s.accepts(metric, labels) for s in selectors)
            if any(signature):
                series = (metric, tuple(labels.items()))
                found.setdefault((metric, signature), series)
    return list(found.values())


def _label_choices(
    selectors: list[Selector], group_by: tuple[str, ...]
) -> Mapping[str, list[str]] | None:
    """Return for every label the values worth trying; `None` if there are too many."""
    matchers: dict[str, list[Matcher]] = {}
    for selector in selectors:
        for matcher in selector.matchers:
            matchers.setdefault(matcher.label, []).append(matcher)
    choices: dict[str, list[str]] = {}
    size = 1
    for label, found in matchers.items():
        values = _values(tuple(dict.fromkeys(found)))
        if values is None:
            return None
        if label in group_by:
            values = [v for v in values if v and all(m.accepts(v) for m in found)][:1]
        choices[label] = values
        size *= len(values)
    for label in group_by:
        choices.setdefault(label, ["a"])
    return choices if 0 < size <= _MAX_CANDIDATES else None


@lru_cache(maxsize=4096)
def _values(matchers: tuple[Matcher, ...]) -> list[str] | None:
    """Return one value for every subset of *matchers* that a value can pass."""
    wanted: list[str] = []
    for matcher in matchers:
        wanted += [matcher.value] if "~" not in matcher.op else matching_texts(matcher.value)
    numeric = all(text[:1].isdigit() for text in wanted)
    others = _OTHER_VALUES if numeric else _OTHER_VALUES[1:]
    found: dict[tuple[bool, ...], str] = {}
    try:
        for value in (*wanted, *others):
            found.setdefault(tuple(m.accepts(value) for m in matchers), value)
    except re.error:
        return None
    return list(found.values())
