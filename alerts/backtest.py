"""
Say which alerts of an SLO would have fired over what was measured.

The expressions of the compiled alerts themselves are evaluated over what the rules record, each
at the interval of its group, so that nothing can differ from what a server does later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from itertools import accumulate, pairwise
from typing import Protocol

from slo import conventions as names
from slo.alerts.backtest_result import (
    Backtest,
    FiringEpisode,
    GroupBacktest,
    Stretch,
    Values,
)
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

__all__ = ["Recorded", "backtest"]


class Recorded(Protocol):
    """Give what the rules record over a history, one value per step; see `RecordedHistory`."""

    @property
    def history(self) -> EventHistory:
        """Return the event rates that everything follows from."""
        ...

    def ratio(self, window: Duration) -> Values:
        """Return the error ratio over *window*; `None` where there is none."""
        ...

    def values(self, record: str) -> Values:
        """Return the latest value of the series *record*."""
        ...

    def evaluated(self, expression: str) -> Values:
        """Return the value of *expression*; `None` where it has no result."""
        ...


def backtest(
    plan: SloPlan,
    timing: Timing,
    recorded: Sequence[Recorded],
    since: float,
    until: float,
    zone: tzinfo,
    lead: Duration,
) -> Backtest:
    """
    Return which alerts of *plan* fire between *since* and *until*.

    Args:
        recorded: What the rules record, one for each group; all on one grid that begins *lead*
            before *since*.
        zone: Decides when a day begins.
    """
    alerts = tuple(_alerts(plan))
    groups = []
    for number, one in enumerate(recorded):
        test = _Group(plan, timing, one, since, until)
        episodes = [each for alert in alerts for each in test.episodes(alert)]
        if number == 0 and plan.alert_on_missing_data and (plan.page or plan.ticket):
            # The alert says that all groups are missing, so it belongs to none.
            episodes += test.missing([each.history for each in recorded])
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
        recorded: Recorded,
        since: float,
        until: float,
    ) -> None:
        history = recorded.history
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
