"""
Say which alerts of an SLO would have fired over what was measured.

The expressions of the compiled alerts themselves are evaluated over what the rules record, each
at the interval of its group, so that nothing can differ from what a server does later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from itertools import accumulate, pairwise
from typing import Protocol

from slo import conventions as names
from slo.alerts.burn_rate_alerts import (
    MISSING_DATA_FOR,
    exhausted_alerts,
    page_alerts,
    ticket_alerts,
)
from slo.alerts.event_history import EventHistory
from slo.alerts.model import AlertingRule, Rule
from slo.alerts.timing import Timing
from slo.duration import Duration
from slo.numbers import decimal_text
from slo.plan import SloPlan

__all__ = ["Backtest", "FiringEpisode", "GroupBacktest", "Recorded", "Stretch", "backtest"]

_Values = Sequence[float | None]


class Recorded(Protocol):
    """Give what the rules record over a history, one value per step; see `RecordedHistory`."""

    def ratio(self, window: Duration) -> _Values:
        """Return the error ratio over *window*; `None` where there is none."""
        ...

    def values(self, record: str) -> _Values:
        """Return the latest value of the series *record*."""
        ...

    def evaluated(self, expression: str) -> _Values:
        """Return the value of *expression*; `None` where it has no result."""
        ...


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    Hold a stretch of time in Unix seconds.

    Args:
        end: `None` where it has not ended by the end of the backtest.
    """

    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class FiringEpisode:
    """
    Hold one time that an alert would have fired.

    Args:
        kind: `burn_rate`, `budget_exhausted` or `missing_data`.
        windows: Long and short window of a burn-rate alert, such as `1h/5m`.
        burn_rate: Its threshold for people.
        fired: When it fires; `end` is `None` if it still does at the end.
        began_before: It fired already when the backtest begins.
        peak_burn_rate: Highest burn rate over the shortest window while it fires.
        spent: Share of the period's budget that is spent while it fires.
    """

    severity: str
    kind: str
    windows: str
    burn_rate: str
    fired: Stretch
    began_before: bool
    peak_burn_rate: float | None
    spent: float | None

    def lasted(self, until: float) -> float:
        """Return for how many seconds it fires before *until*."""
        end = self.fired.end
        return (until if end is None else end) - self.fired.start


@dataclass(frozen=True, slots=True)
class GroupBacktest:
    """
    Hold what one SLO, or one group of it, would have seen.

    Args:
        labels: Values of the labels that it is grouped by.
        coverage: Share of the steps at which something was measured.
        measured_from: First time at which anything was measured, `None` for never.
        spent: Share of one period's budget that the backtested time has spent.
        remaining: Share of the budget that is left at the end; `None` where nothing is known.
        worst_day: The day that spent most, with the share.
        start: Time of the first value in *burn_rates* and *budget*.
        burn_rates: Over the shortest window, one value per step.
        budget: Share of the budget that is left, one value per step.
    """

    labels: Mapping[str, str]
    episodes: tuple[FiringEpisode, ...]
    coverage: float
    measured_from: float | None
    spent: float | None
    remaining: float | None
    worst_day: tuple[date, float] | None
    start: float
    burn_rates: _Values = field(repr=False)
    budget: _Values = field(repr=False)

    def stretches(self, severity: str) -> tuple[Stretch, ...]:
        """
        Return when at least one alert of *severity* fires: what one notification is about.

        >>> one = FiringEpisode("page", "burn_rate", "", "", Stretch(0, 5), False, None, None)
        >>> two = FiringEpisode("page", "burn_rate", "", "", Stretch(3, 9), False, None, None)
        >>> GroupBacktest({}, (one, two), 1, 0, 0, 1, None, 0, (), ()).stretches("page")
        (Stretch(start=0, end=9),)
        """
        found: list[Stretch] = []
        fired = [e.fired for e in self.episodes if e.severity == severity]
        for each in sorted(fired, key=lambda stretch: stretch.start):
            last = found[-1] if found else None
            if last is None or (last.end is not None and each.start > last.end):
                found.append(each)
            elif last.end is not None:
                end = None if each.end is None else max(last.end, each.end)
                found[-1] = Stretch(last.start, end)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Backtest:
    """
    Hold what one SLO would have seen between two times, in Unix seconds.

    Args:
        step: Time between two evaluations.
        lead: How much earlier history must begin for all windows and the budget to be whole.
    """

    plan: SloPlan
    since: float
    until: float
    step: Duration
    lead: Duration
    groups: tuple[GroupBacktest, ...]

    @property
    def is_complete(self) -> bool:
        """Tell whether something was measured early enough for whole windows and budgets."""
        needed = self.since - self.lead.seconds
        slack = 2 * self.step.seconds
        return all(
            group.measured_from is not None and group.measured_from <= needed + slack
            for group in self.groups
        )


def backtest(
    plan: SloPlan,
    timing: Timing,
    histories: Sequence[EventHistory],
    record: Callable[[EventHistory], Recorded],
    since: float,
    until: float,
    zone: tzinfo,
    lead: Duration,
) -> Backtest:
    """
    Return which alerts of *plan* fire between *since* and *until*.

    Args:
        histories: What was measured, one for each group; all on one grid that begins *lead*
            before *since*.
        record: Returns what the rules record over a history.
        zone: Decides when a day begins.
    """
    alerts = tuple(_alerts(plan))
    groups = []
    for number, history in enumerate(histories):
        test = _Group(plan, timing, history, record(history), since, until)
        episodes = [each for alert in alerts for each in test.episodes(alert)]
        if number == 0 and plan.alert_on_missing_data and (plan.page or plan.ticket):
            # The alert says that all groups are missing, so it belongs to none.
            episodes += test.missing(histories)
        episodes.sort(key=lambda each: (each.fired.start, each.severity, each.windows))
        groups.append(test.result(tuple(episodes), zone))
    return Backtest(plan, since, until, timing.fast, lead, tuple(groups))


@dataclass(frozen=True, slots=True)
class _Alert:
    """
    Hold a compiled alert with what people call it.

    Args:
        group: Which group it stands in: `fast`, `slow` or `period`.
    """

    severity: str
    kind: str
    windows: str
    burn_rate: str
    group: str
    expr: str = ""
    lasting: Duration | None = None


def _alerts(plan: SloPlan) -> Iterator[_Alert]:
    for severity, group, rules, pairs in (
        ("page", "fast", page_alerts(plan), plan.policy.pages),
        ("ticket", "slow", ticket_alerts(plan), plan.policy.tickets),
    ):
        # Without a severity there are no rules.
        for rule, pair in zip(_alerting(rules), pairs, strict=False):
            windows = f"{pair.long_window}/{pair.short_window}"
            rate = f"{decimal_text(pair.threshold(plan.time_window))}x"
            yield _Alert(severity, "burn_rate", windows, rate, group, rule.expr, rule.for_)
    for rule in _alerting(exhausted_alerts(plan)):
        yield _Alert("ticket", "budget_exhausted", "", "", "period", rule.expr, rule.for_)


def _alerting(rules: Sequence[Rule]) -> Iterator[AlertingRule]:
    return (rule for rule in rules if isinstance(rule, AlertingRule))


_MISSING = _Alert("ticket", "missing_data", "", "", "slow", lasting=MISSING_DATA_FOR)


class _Group:
    """Judge one history, step by step."""

    def __init__(
        self,
        plan: SloPlan,
        timing: Timing,
        history: EventHistory,
        recorded: Recorded,
        since: float,
        until: float,
    ) -> None:
        self._plan, self._timing, self._history = plan, timing, history
        self._recorded = recorded
        self._step = history.step.seconds
        self._first = max(0, round((since - history.start) / self._step))
        self._last = min(len(history), round((until - history.start) / self._step) + 1)
        self._budget = float(plan.error_budget)
        bad, every = _units(plan, history)
        self._bad = list(accumulate(bad, initial=0.0))
        self._all = list(accumulate(every, initial=0.0))
        self._current = recorded.ratio(plan.policy.windows[0])
        self._known = sum(1 for v in history.total[self._first : self._last] if v is not None)
        self._allowance = self._allowed()

    def _allowed(self) -> float | None:
        """Return the bad events that a whole period allows, at the mean traffic of the test."""
        if not self._known:
            return None
        every = self._all[self._last] - self._all[self._first]
        period = self._plan.time_window.seconds / self._step
        return self._budget * every / self._known * period or None

    def _spent(self, first: int, last: int) -> float | None:
        """Return the share of the budget that the steps from *first* to before *last* spend."""
        if self._allowance is None:
            return None
        # A record stands for the base window before it; its middle is half a window old.
        shift = 0 if self._timing.partitions else round(self._timing.base.seconds / self._step / 2)
        length = len(self._bad) - 1
        low, high = (min(max(index + shift, 0), length) for index in (first, last))
        return (self._bad[high] - self._bad[low]) / self._allowance

    def episodes(self, alert: _Alert) -> Iterator[FiringEpisode]:
        """Yield each time that *alert* fires."""
        met = [value is not None for value in self._recorded.evaluated(alert.expr)]
        yield from self._found(alert, met)

    def missing(self, histories: Sequence[EventHistory]) -> Iterator[FiringEpisode]:
        """Yield each time that none of *histories* has any data for too long."""
        totals = [history.total for history in histories]
        known = [any(v is not None for v in row) for row in zip(*totals, strict=True)]
        # Before the first sample there was nothing to miss.
        begun = known.index(True) if True in known else len(known)
        met = [index > begun and not here for index, here in enumerate(known)]
        yield from self._found(_MISSING, met)

    def _found(self, alert: _Alert, met: Sequence[bool]) -> Iterator[FiringEpisode]:
        firing = self._firing(alert, met)
        for first, end in _runs(firing, self._first, self._last):
            last = self._last if end is None else end
            burns = [v for v in self._current[first:last] if v is not None]
            peak = max(burns) / self._budget if burns and self._budget else None
            start = self._history.time(first)
            yield FiringEpisode(
                alert.severity,
                alert.kind,
                alert.windows,
                alert.burn_rate,
                Stretch(start, None if end is None else self._history.time(end)),
                first == self._first and first > 0 and firing[first - 1],
                peak,
                self._spent(first, last),
            )

    def _firing(self, alert: _Alert, met: Sequence[bool]) -> list[bool]:
        """Return at which steps an alert fires whose condition is *met*."""
        step = self._history.step.milliseconds
        stride = max(1, self._timing.interval(alert.group).milliseconds // step)
        # Groups are evaluated at multiples of their interval.
        first = -(self._history.start * 1000 // step) % stride
        lasting = alert.lasting.milliseconds if alert.lasting is not None else 0
        firing = [False] * len(met)
        since: int | None = None
        state = False
        for index in range(first, len(met)):
            if (index - first) % stride == 0:
                if not met[index]:
                    since = None
                elif since is None:
                    since = index
                state = since is not None and (index - since) * step >= lasting
            firing[index] = state
        return firing

    def result(self, episodes: tuple[FiringEpisode, ...], zone: tzinfo) -> GroupBacktest:
        """Return what is to be said of this history as a whole."""
        history, first, last = self._history, self._first, self._last
        steps = range(first, last)
        started = next((i for i, v in enumerate(history.total) if v is not None), None)
        budget = self._remaining()
        known = [value for value in budget[first:last] if value is not None]
        burns = [
            None if value is None or not self._budget else value / self._budget
            for value in self._current[first:last]
        ]
        return GroupBacktest(
            history.labels,
            episodes,
            self._known / len(steps) if len(steps) else 0.0,
            None if started is None else history.time(started),
            self._spent(first, last),
            known[-1] if known else None,
            self._worst_day(zone),
            history.time(first),
            burns,
            budget[first:last],
        )

    def _remaining(self) -> list[float | None]:
        if not self._budget:
            return [None] * len(self._history)
        return list(self._recorded.values(names.ERROR_BUDGET_REMAINING))

    def _worst_day(self, zone: tzinfo) -> tuple[date, float] | None:
        begins: dict[date, int] = {}
        # Every quarter of an hour is often enough: that is how finely time zones differ.
        stride = max(1, round(900 / self._step))
        for index in range(self._first, self._last, stride):
            day = datetime.fromtimestamp(self._history.time(index), zone).date()
            begins.setdefault(day, index)
        bounds = [*begins.values(), self._last]
        days_ = [
            (spent, day)
            for day, (low, high) in zip(begins, pairwise(bounds), strict=True)
            if (spent := self._spent(low, high)) is not None
        ]
        if not days_:
            return None
        spent, day = max(days_, key=lambda pair: pair[0])
        return (day, spent) if spent > 0 else None


def _units(plan: SloPlan, history: EventHistory) -> tuple[list[float], list[float]]:
    """Return what the budget counts at each step: bad and all events, or slices."""
    slices = plan.timeslices
    pairs = list(zip(history.error, history.total, strict=True))
    if slices is None:
        return [bad or 0.0 for bad, _ in pairs], [every or 0.0 for _, every in pairs]
    bads: list[float] = []
    alls: list[float] = []
    for bad, every in pairs:
        share: float | None = None
        if every is not None and every > 0:
            share = (bad or 0.0) / every
            if slices.target is not None:
                share = float(share > float((100 - slices.target) / 100))
        elif every is not None and slices.empty != "excluded":
            share = float(slices.empty == "bad")
        bads.append(share or 0.0)
        alls.append(0.0 if share is None else 1.0)
    return bads, alls


def _runs(firing: Sequence[bool], first: int, last: int) -> Iterator[tuple[int, int | None]]:
    """Yield the first step of every run between *first* and *last*, and the step after it."""
    start: int | None = None
    for index in range(first, last):
        if firing[index] and start is None:
            start = index
        elif not firing[index] and start is not None:
            yield start, index
            start = None
    if start is not None:
        yield start, None
