"""Find raw series that make only good or only bad events for an indicator."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice, product

from slo.alerts.indicator_form import Form, IndicatorForm, Term
from slo.alerts.regex_sample import matching_texts
from slo.indicators.params import series
from slo.promql import Matcher, Selector

__all__ = ["OTHER_VALUES", "Sample", "World", "escaped", "total_per_event"]

_MAX_CANDIDATES = 512
_MAX_BUNDLE = 3
_MAX_TRIES = 4
# Tried for labels that must not match.
OTHER_VALUES = ("200", "ok", "0", "other", "GET", "a", "")

Labels = tuple[tuple[str, str], ...]


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
        return series(self.metric, dict(self.labels))


def escaped(value: str) -> str:
    """Return *value* as it stands between the quotes of a label matcher."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


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
            samples = _search(form, (), ())
            if samples is None:
                return False
            self.samples = dict.fromkeys(samples)
            self._forms.append(form)
            return True
        selectors = {s.metric for other in self._forms for s in other.selectors}
        alone = selectors.isdisjoint(s.metric for s in form.selectors)
        if alone:
            found = _search(form, (), ())
        else:
            found = _search(form, tuple(self.samples), tuple(self._forms))
        if found is None:
            return False
        self.samples = _merged(self.samples, found)
        self._forms.append(form)
        return True


def _merged(samples: Iterable[Sample], more: Iterable[Sample]) -> dict[Sample, None]:
    """Return both, where a series that is named twice does what either asks for."""
    merged: dict[tuple[str, Labels], Sample] = {}
    for sample in (*samples, *more):
        key = (sample.metric, sample.labels)
        other = merged.get(key, sample)
        good, bad = other.good or sample.good, other.bad or sample.bad
        merged[key] = Sample(sample.metric, sample.labels, sample.gauge, good, bad)
    return dict.fromkeys(merged.values())


@lru_cache(maxsize=1024)
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
    candidates: list[tuple[str, Labels]],
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
    candidates: list[tuple[str, Labels]], form: IndicatorForm, good: bool
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
    return selector.metric == sample.metric and selector.accepts(sample.metric, dict(sample.labels))


def _candidates(
    form: IndicatorForm,
) -> list[tuple[str, Labels]] | None:
    """Return one series for every way in which the selectors can tell series apart."""
    found: dict[tuple[str, tuple[bool, ...]], tuple[str, Labels]] = {}
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
    others = OTHER_VALUES if numeric else OTHER_VALUES[1:]
    found: dict[tuple[bool, ...], str] = {}
    try:
        for value in (*wanted, *others):
            found.setdefault(tuple(m.accepts(value) for m in matchers), value)
    except re.error:
        return None
    return list(found.values())
