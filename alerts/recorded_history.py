"""
Work out what the rules of profile `exact` would have recorded over a stretch of history.

The rules themselves are evaluated, over the two event rates of one group of an SLO, so that
nothing can differ from what a server records later.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from slo import conventions as names
from slo.alerts.event_history import EventHistory
from slo.alerts.event_rates import is_weighted
from slo.alerts.exact_rules import budget_rules, fast_rules, slow_rules
from slo.alerts.grid_evaluation import Grid, GridSeries, evaluate, held
from slo.alerts.grid_operators import Labels, Vector, labels_of, merged
from slo.alerts.model import RecordingRule, RuleGroup
from slo.alerts.timing import Timing
from slo.duration import Duration
from slo.plan import CompositeIndicator, SloPlan
from slo.promql import Selector
from slo.version import __version__

__all__ = ["RecordedHistory", "RecordedSeries", "recording_groups"]

Known = tuple[Labels, GridSeries]


class RecordedSeries(NamedTuple):
    """
    Hold one series with the samples that a rule recorded.

    Args:
        labels: All but the name.
        times: In Unix milliseconds.
    """

    name: str
    labels: Mapping[str, str]
    times: array[int]
    values: array[float]


class _Rule(NamedTuple):
    interval: Duration
    rule: RecordingRule


def recording_groups(plan: SloPlan, timing: Timing) -> list[RuleGroup]:
    """Return the groups of *plan* without alerts and without what plugins add."""
    return [
        RuleGroup("fast", fast_rules(plan, timing), timing.fast),
        RuleGroup("slow", slow_rules(plan, timing), timing.slow),
        RuleGroup("period", budget_rules(plan, timing, __version__), timing.period),
    ]


class RecordedHistory:
    """
    Answer what was recorded at each step of *history*.

    A group is evaluated at multiples of its interval since 1970, right after those that run
    more often. A series of a longer interval holds until its next evaluation.

    Args:
        history: What the two event rates were; its step is the interval of the fast group. For
            a composite, whose rates follow from its members', one without rates gives the steps.
        groups: Rules to evaluate instead of those of *plan*.
        members: For a composite, what its members recorded: one for each group of each.
        left_open: As in `grid_evaluation.evaluate`.

    Raises:
        ValueError: The step differs from the interval of the fast group.
    """

    def __init__(
        self,
        plan: SloPlan,
        timing: Timing,
        history: EventHistory,
        *,
        groups: Sequence[RuleGroup] | None = None,
        members: Sequence[RecordedHistory] = (),
        left_open: bool = True,
    ) -> None:
        if history.step != timing.fast:
            raise ValueError(f"history every {history.step}, rules every {timing.fast}")
        self.plan, self.timing, self.history = plan, timing, history
        self.grid = Grid(history.start * 1000, history.step.milliseconds, len(history))
        self._members, self._left_open = members, left_open
        self._rules: dict[str, list[_Rule]] = {}
        for group in recording_groups(plan, timing) if groups is None else groups:
            for rule in group.rules:
                if isinstance(rule, RecordingRule):
                    interval = group.interval or timing.fast
                    self._rules.setdefault(rule.record, []).append(_Rule(interval, rule))
        self._known: dict[str, list[Known]] = {}
        self._evaluating: set[str] = set()
        if not isinstance(plan.indicator, CompositeIndicator):
            labels = labels_of({**history.labels, **plan.identity_labels}.items())
            self._known = {
                names.error_events_rate(timing.base): [(labels, self._given(history.error))],
                names.total_events_rate(timing.base): [(labels, self._given(history.total))],
            }

    def _given(self, rates: Sequence[float | None]) -> GridSeries:
        return GridSeries(self.grid, list(rates))

    def ratio(self, window: Duration) -> list[float | None]:
        """Return the error ratio over *window* at each step, as alerts see it."""
        return self.values(names.error_ratio(window))

    def values(self, record: str, **labels: str) -> list[float | None]:
        """
        Return the latest value of the series *record* at each step; `None` where there is none.

        Args:
            labels: Tell which series, where several have that name.
        """
        for found, series in self._named(record):
            if labels.items() <= dict(found).items():
                return held(series, self.grid)
        return [None] * self.grid.count

    def bad_events(self, window: Duration) -> list[float | None]:
        """
        Return the number of bad events in *window* at each step, as the guard of alerts counts.

        Only long windows of the policy can be asked for, and only of events.
        """
        record = names.error_events_increase(window)
        if record in self._rules:
            return self.values(record)
        if not is_weighted(self.plan):
            return [None] * self.grid.count
        guarded = fast_rules(replace(self.plan, min_bad_events=1), self.timing)
        for rule in guarded:
            if isinstance(rule, RecordingRule) and rule.record == record:
                return self.evaluated(rule.expr)
        raise ValueError(f"{window} is not a long window of {self.plan.id}")

    def evaluated(self, expression: str) -> list[float | None]:
        """
        Return the value of *expression* at each step: the first series of its result.

        Raises:
            ValueError: It holds something that rules are not made of.
        """
        found = evaluate(expression, self.grid, self._select, self._left_open)
        return next(iter(found.values()), [None] * self.grid.count)

    def series(self) -> Iterator[RecordedSeries]:
        """
        Yield everything that is recorded, in the order of the rules.

        Raises:
            ValueError: A rule cannot be evaluated here, as a plugin may have added.
        """
        for record in self._rules:
            for labels, series in self._named(record):
                times, values = array("q"), array("d")
                for time, value in zip(series.grid.times(), series.values, strict=True):
                    if value is not None:
                        times.append(time)
                        values.append(value)
                yield RecordedSeries(record, dict(labels), times, values)

    def _select(self, selector: Selector) -> Iterator[Known]:
        if self._concerns(selector):
            for labels, series in self._named(selector.metric):
                if selector.accepts(selector.metric, dict(labels)):
                    yield labels, series
        for member in self._members:
            yield from member._select(selector)

    def _concerns(self, selector: Selector) -> bool:
        """Tell whether *selector* can mean this SLO: a composite reads those of its members."""
        mine = self.plan.identity_labels
        return all(m.accepts(mine[m.label]) for m in selector.matchers if m.label in mine)

    def _named(self, record: str) -> list[Known]:
        known = self._known.get(record)
        if record in self._evaluating:
            raise ValueError(f"{record} reads itself")
        if known is None:
            self._evaluating.add(record)
            known = self._known[record] = [
                found for rule in self._rules.get(record, ()) for found in self._recorded(rule)
            ]
            self._evaluating.discard(record)
        return known

    def _recorded(self, item: _Rule) -> Iterator[Known]:
        grid = self._grid_of(item.interval)
        found = evaluate(item.rule.expr, grid, self._select, self._left_open)
        columns: Vector = {}
        for labels, column in found.items():
            named = labels_of({**dict(labels), **item.rule.labels}.items())
            # Two sides of an `or` differ in labels that the rule sets to the same values.
            known = columns.get(named)
            columns[named] = column if known is None else merged(known, column)
        for named, column in columns.items():
            yield named, GridSeries(grid, column)

    def _grid_of(self, interval: Duration) -> Grid:
        step = interval.milliseconds
        if step == self.grid.step:
            return self.grid
        start = -(-self.grid.start // step) * step
        end = self.grid.start + self.grid.step * self.grid.count
        return Grid(start, step, max(0, -(-(end - start) // step)))
