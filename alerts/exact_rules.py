"""
Make the recording rules of profile `exact`.

Two event rates are recorded over a short base window, bad events and all events. Nothing else
reads raw series: every longer window is a quotient of sums over these records, so that each
event weighs the same whenever it happened, and a window costs a few hundred samples instead
of every raw series. The derivation is docs/exact-profile.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from slo import conventions as names
from slo.alerts.model import RecordingRule, Rule
from slo.duration import Duration, hours, minutes, seconds
from slo.numbers import decimal_text, go_float
from slo.plan import EventsIndicator, SloPlan
from slo.promql import counts_per_window, render
from slo.promql_division import split_division

__all__ = [
    "DEFAULT_INTERVAL",
    "Timing",
    "events_in_window",
    "fast_rules",
    "is_weighted",
    "slow_rules",
]

DEFAULT_INTERVAL = seconds(30)
_BASE_WINDOW = minutes(5)
# Records older than the server's lookback of five minutes are stale; half of it leaves room
# for one missed evaluation.
_LONGEST_SLOW_INTERVAL = minutes(2)
_LONGEST_FAST_WINDOW = hours(6)
# Stands for an SLO's matchers in texts that are shared by all SLOs of a policy.
_SELECTOR = "\0"
# The raw result has no identity labels yet; everything else must agree.
_IGNORING = f"ignoring ({', '.join(names.IDENTITY_LABELS)})"


@dataclass(frozen=True, slots=True)
class Timing:
    """
    Hold how often the two groups run, and the window of the recorded rates.

    Args:
        base: Window of the recorded event rates.
        fast: Interval of the group that records them.
        slow: Interval of the group of long windows.
    """

    base: Duration
    fast: Duration
    slow: Duration

    @classmethod
    def of(cls, plan: SloPlan, interval: Duration) -> Timing:
        """Return the timing for *plan* when the fast group runs every *interval*."""
        base = min(_BASE_WINDOW, plan.policy.windows[0])
        slow = min(Duration(interval.milliseconds * 4), _LONGEST_SLOW_INTERVAL, base)
        return cls(base, interval, max(interval, slow))

    def is_fast(self, window: Duration) -> bool:
        """Tell whether *window* is computed in the fast group."""
        return window <= _LONGEST_FAST_WINDOW


@dataclass(frozen=True, slots=True)
class _Counted:
    """Hold the templates that are read from raw series: all events, and bad or good ones."""

    total: str | None
    error: str | None = None
    good: str | None = None


def _counted(plan: SloPlan) -> _Counted:
    """Return what to count; without a total it is a bare ratio."""
    indicator = plan.indicator
    if isinstance(indicator, EventsIndicator):
        if indicator.good is not None:
            return _Counted(indicator.total, good=indicator.good)
        return _Counted(indicator.total, error=indicator.error)
    division = split_division(indicator.error_ratio)
    if division is None:
        return _Counted(None, error=indicator.error_ratio)
    if division.complement:
        return _Counted(division.denominator, good=division.numerator)
    return _Counted(division.denominator, error=division.numerator)


def is_weighted(plan: SloPlan) -> bool:
    """Tell whether the indicator counts events, so that windows can weigh by them."""
    return _counted(plan).total is not None


def _labels(plan: SloPlan, window: Duration | None = None) -> dict[str, str]:
    shown = {} if window is None else {names.LABEL_WINDOW: str(window)}
    return {**plan.identity_labels, **shown, **plan.labels}


def _block(text: str, indent: str = "  ") -> str:
    return indent + text.strip("\n").replace("\n", "\n" + indent)


def _event_rates(plan: SloPlan, timing: Timing) -> list[Rule]:
    """
    Record the two rates, without the user's labels: those may change within a period.

    Series that do not exist count as zero wherever there is a total: no errors yet, or no good
    events at all. A bare ratio counts as one event per second, which makes every window its
    plain mean.
    """
    counted = _counted(plan)
    error, total = names.error_events_rate(timing.base), names.total_events_rate(timing.base)
    identity = plan.identity_labels
    if counted.total is None:
        assert counted.error is not None
        # Comparing drops NaN, which would otherwise stay in every sum for a whole period.
        ratio = f"clamp_min(\n{_block(render(counted.error, timing.base))}\n, 0) >= 0"
        return [
            RecordingRule(error, ratio, identity),
            RecordingRule(total, f"0 * {error}{plan.selector} + 1", identity),
        ]
    everything = f"{total}{plan.selector}"
    if counted.good is not None:
        good = _or_zero(render(counted.good, timing.base), everything)
        bad = f"clamp_min(\n  {everything}\n  - {_IGNORING}\n{_block(good)}\n, 0)"
    else:
        assert counted.error is not None
        bad = _or_zero(render(counted.error, timing.base), everything, outer=False)
    return [
        RecordingRule(total, render(counted.total, timing.base).strip("\n"), identity),
        RecordingRule(error, bad, identity),
    ]


def _or_zero(query: str, everything: str, outer: bool = True) -> str:
    """Return *query*, and zero for each group of the total that it lacks."""
    text = f"(\n{_block(query)}\n)\nor {_IGNORING}\n0 * {everything}"
    return f"(\n{_block(text)}\n)" if outer else text


def events_in_window(
    rate: str, summed: str, window: Duration, timing: Timing, step: Duration, lag: Duration
) -> str:
    """
    Return the expression for the events of *window*, in units of *step* seconds of rate.

    The last base window is exact, read from *rate*. What lies before it is the sum of the
    records in *summed*, shifted by *lag*: half the span of events that a record stands for.
    Young records may have nothing that old yet; then the last base window is all there is.
    """
    near = go_float(timing.base.milliseconds / step.milliseconds)
    older, offset = window - timing.base, timing.base - lag
    shift = f" offset {offset}" if offset.milliseconds else ""
    before = f"sum_over_time({summed}[{older}]{shift})"
    return f"{near} * {rate}\n+ ({before} or 0 * {rate})"


@lru_cache(maxsize=1024)
def _ratio_template(timing: Timing, window: Duration, fast: bool) -> str:
    """Return the expression of the error ratio over *window*, selectors left as `_SELECTOR`."""
    error = names.error_events_rate(timing.base) + _SELECTOR
    total = names.total_events_rate(timing.base) + _SELECTOR
    if window == timing.base:
        return f"{error} / ({total} > 0)"
    half = Duration(timing.base.milliseconds // 2)
    if fast:
        step, lag, summed_error, summed_total = timing.fast, half, error, total
    else:
        step, lag = timing.slow, half + Duration(timing.slow.milliseconds // 2)
        summed_error = names.error_events_thinned(timing.base, timing.slow) + _SELECTOR
        summed_total = names.total_events_thinned(timing.base, timing.slow) + _SELECTOR
    bad = events_in_window(error, summed_error, window, timing, step, lag)
    every = events_in_window(total, summed_total, window, timing, step, lag)
    return f"(\n{_block(bad)}\n)\n/\n(\n  (\n{_block(every, '    ')}\n  ) > 0\n)"


def _ratio(plan: SloPlan, timing: Timing, window: Duration, fast: bool) -> Rule:
    expr = _ratio_template(timing, window, fast).replace(_SELECTOR, plan.selector)
    return RecordingRule(names.error_ratio(window), expr, _labels(plan, window))


def _windows(plan: SloPlan, timing: Timing) -> list[Duration]:
    return sorted({timing.base, *plan.policy.windows})


def fast_rules(plan: SloPlan, timing: Timing) -> list[Rule]:
    """Return the event rates, the error ratios up to six hours and the current burn rate."""
    rules = _event_rates(plan, timing)
    for window in _windows(plan, timing):
        if timing.is_fast(window):
            rules.append(_ratio(plan, timing, window, fast=True))
    current = f"{names.error_ratio(timing.base)}{plan.selector}"
    burn = _per_budget(plan, current)
    rules.append(RecordingRule(names.CURRENT_BURN_RATE, burn, _labels(plan)))
    if plan.min_bad_events and is_weighted(plan):
        rules.extend(_event_counts(plan, timing))
    return rules


def _event_counts(plan: SloPlan, timing: Timing) -> list[Rule]:
    """Record the bad events of each long window, for the guard of the alerts."""
    rules: list[Rule] = []
    for window in sorted({p.long_window for p in (*plan.policy.pages, *plan.policy.tickets)}):
        rate = f"{names.error_events_rate(timing.base)}{plan.selector}"
        half = Duration(timing.base.milliseconds // 2)
        events = events_in_window(rate, rate, window, timing, timing.fast, half)
        # A query that counts per window holds each event for one base window.
        total_query = _counted(plan).total
        assert total_query is not None
        counted = counts_per_window(total_query)
        per_step = go_float(timing.fast.seconds / (timing.base.seconds if counted else 1))
        name = names.error_events_increase(window)
        rules.append(RecordingRule(name, f"{per_step} * (\n{_block(events)}\n)", _labels(plan)))
    return rules


def slow_rules(plan: SloPlan, timing: Timing, version: str) -> list[Rule]:
    """Return the thinned rates, the long error ratios, the budget and the info series."""
    rules: list[Rule] = []
    identity = plan.identity_labels
    for rate, thinned in (
        (names.error_events_rate, names.error_events_thinned),
        (names.total_events_rate, names.total_events_thinned),
    ):
        series = f"{rate(timing.base)}{plan.selector}"
        expr = f"avg_over_time({series}[{timing.slow}])"
        name = thinned(timing.base, timing.slow)
        rules.append(RecordingRule(name, expr, identity))
    for window in _windows(plan, timing):
        if not timing.is_fast(window):
            rules.append(_ratio(plan, timing, window, fast=False))
    rules.append(_period_ratio(plan, timing))
    rules.extend(_metadata(plan, version))
    return rules


def _period_ratio(plan: SloPlan, timing: Timing) -> Rule:
    bad, every = (
        f"sum_over_time({name(timing.base, timing.slow)}{plan.selector}[{plan.time_window}])"
        for name in (names.error_events_thinned, names.total_events_thinned)
    )
    labels = _labels(plan, plan.time_window)
    return RecordingRule(names.error_ratio(plan.time_window), f"{bad}\n/\n({every} > 0)", labels)


def _per_budget(plan: SloPlan, ratio: str) -> str:
    """Return the burn rate of *ratio*; without a budget, zero or infinite but never NaN."""
    budget = decimal_text(plan.error_budget)
    if plan.error_budget == Decimal(0):
        return f"({ratio} / 0 >= 0) or {ratio}"
    return f"{ratio} / {budget}"


def _metadata(plan: SloPlan, version: str) -> list[Rule]:
    labels = _labels(plan)
    objective = decimal_text(plan.objective / 100)
    period = f"{names.error_ratio(plan.time_window)}{plan.selector}"
    days = go_float(plan.time_window.seconds / 86_400)
    info = {
        **labels,
        names.LABEL_VERSION: version,
        names.LABEL_MODE: plan.origin.mode,
        names.LABEL_SPEC: plan.origin.spec,
        names.LABEL_OBJECTIVE: decimal_text(plan.objective),
    }
    return [
        RecordingRule(names.PERIOD_BURN_RATE, _per_budget(plan, period), labels),
        RecordingRule(
            names.ERROR_BUDGET_REMAINING, f"1 - {names.PERIOD_BURN_RATE}{plan.selector}", labels
        ),
        RecordingRule(names.OBJECTIVE, f"vector({objective})", labels),
        RecordingRule(names.ERROR_BUDGET, f"vector({decimal_text(plan.error_budget)})", labels),
        RecordingRule(names.TIME_PERIOD_DAYS, f"vector({days})", labels),
        RecordingRule(names.INFO, "vector(1)", info),
    ]
