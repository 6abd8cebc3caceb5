"""
Make the recording rules of profile `exact`.

Two event rates are recorded over a short base window, bad events and all events. Nothing else
reads raw series: every longer window is a quotient of sums over these records, so that each
event weighs the same whenever it happened, and a window costs a few hundred samples instead
of every raw series. The derivation is docs/exact-profile.md.
"""

from __future__ import annotations

from functools import lru_cache

from slo import conventions as names
from slo.alerts.event_rates import block, event_rates, is_weighted, rates_count_per_window
from slo.alerts.model import RecordingRule, Rule
from slo.alerts.period_rules import (
    burn_rate,
    calendar_slice_rules,
    info_rules,
    labels_of,
    period_rules,
    window_rules,
)
from slo.alerts.slice_rules import slice_rule
from slo.alerts.timing import DEFAULT_INTERVAL, Timing
from slo.duration import Duration
from slo.numbers import go_float
from slo.plan import SloPlan

__all__ = [
    "DEFAULT_INTERVAL",
    "Timing",
    "budget_rules",
    "events_in_window",
    "fast_rules",
    "is_weighted",
    "slow_rules",
]

# Stands for an SLO's matchers in texts that are shared by all SLOs of a policy.
_SELECTOR = "\0"


def events_in_window(
    rate: str, summed: str, window: Duration, timing: Timing, step: Duration, lag: Duration
) -> str:
    """
    Return the expression for the events of *window*, in units of *step* seconds of rate.

    Both ends are exact: the newest and the oldest base window are each read from one record of
    *rate*. What lies between is the sum of the records in *summed*, shifted by *lag*: half the
    span of events that a record stands for. Young records may have nothing that old yet; then
    the rest is all there is.
    """
    weight = go_float(timing.base.milliseconds / step.milliseconds)
    both_ends = window >= timing.base + timing.base
    between = window - timing.base - timing.base if both_ends else window - timing.base
    offset = timing.base - lag
    shift = f" offset {offset}" if offset.milliseconds else ""
    terms = [f"{weight} * {rate}"]
    if between.milliseconds:
        terms.append(f"(sum_over_time({summed}[{between}]{shift}) or 0 * {rate})")
    if both_ends:
        terms.append(f"{weight} * ({rate} offset {window - timing.base} or 0 * {rate})")
    return "\n+ ".join(terms)


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
    return f"(\n{block(bad)}\n)\n/\n(\n  (\n{block(every, '    ')}\n  ) > 0\n)"


def _ratio(plan: SloPlan, timing: Timing, window: Duration, fast: bool) -> Rule:
    if plan.timeslices is not None:
        slices = f"{names.SLICE_ERROR}{plan.selector}"
        # A range of one slice may hold the one before as well: ranges of Prometheus 2 are closed.
        expr = slices if window == timing.base else f"avg_over_time({slices}[{window}])"
    else:
        expr = _ratio_template(timing, window, fast).replace(_SELECTOR, plan.selector)
    return RecordingRule(names.error_ratio(window), expr, labels_of(plan, str(window)))


def _windows(plan: SloPlan, timing: Timing) -> list[Duration]:
    if plan.timeslices is not None:
        return list(plan.policy.windows)
    return sorted({timing.base, *plan.policy.windows})


def fast_rules(plan: SloPlan, timing: Timing) -> list[Rule]:
    """Return the event rates, the error ratios up to six hours and the current burn rate."""
    rules = event_rates(plan, timing.base)
    if plan.timeslices is not None:
        rules.append(slice_rule(plan, plan.timeslices, timing))
        rules += calendar_slice_rules(plan, timing)
    windows = _windows(plan, timing)
    rules += [_ratio(plan, timing, w, fast=True) for w in windows if timing.is_fast(w)]
    shortest = _ratio(plan, timing, windows[0], fast=True).expr
    # The recorded ratio has labels of the user, which no rule reads (see `period_rules`).
    current = burn_rate(plan, f"(\n{block(shortest)}\n)" if "\n" in shortest else f"({shortest})")
    rules.append(RecordingRule(names.CURRENT_BURN_RATE, current, labels_of(plan)))
    if plan.min_bad_events and is_weighted(plan):
        rules.extend(_event_counts(plan, timing))
    return rules


def _event_counts(plan: SloPlan, timing: Timing) -> list[Rule]:
    """Record the bad events of each long window, for the guard of the alerts."""
    rules: list[Rule] = []
    rate = f"{names.error_events_rate(timing.base)}{plan.selector}"
    half = Duration(timing.base.milliseconds // 2)
    # A query that counts per window holds each event for one base window.
    per_window = timing.base.seconds if rates_count_per_window(plan) else 1
    per_step = go_float(timing.fast.seconds / per_window)
    for window in sorted({p.long_window for p in (*plan.policy.pages, *plan.policy.tickets)}):
        if timing.partitions:
            events = f"sum_over_time({rate}[{window}])"
        else:
            events = events_in_window(rate, rate, window, timing, timing.fast, half)
        name = names.error_events_increase(window)
        expr = f"{per_step} * (\n{block(events)}\n)"
        rules.append(RecordingRule(name, expr, labels_of(plan)))
    return rules


def slow_rules(plan: SloPlan, timing: Timing) -> list[Rule]:
    """Return the thinned rates and the error ratios that only tickets look at."""
    windows = [window for window in _windows(plan, timing) if not timing.is_fast(window)]
    if not windows:
        return []
    rules = [] if plan.timeslices is not None else _thinned(plan, timing, timing.slow)
    return rules + [_ratio(plan, timing, window, fast=False) for window in windows]


def budget_rules(plan: SloPlan, timing: Timing, version: str) -> list[Rule]:
    """Return rates thinned further, error ratio and budget of each period, and the info series."""
    rules = [] if plan.timeslices is not None else _thinned(plan, timing, timing.period)
    rules += period_rules(plan, timing)
    rules += window_rules(plan, timing)
    rules += info_rules(plan, version)
    return rules


def _thinned(plan: SloPlan, timing: Timing, interval: Duration) -> list[Rule]:
    rules: list[Rule] = []
    for rate, thinned in (
        (names.error_events_rate, names.error_events_thinned),
        (names.total_events_rate, names.total_events_thinned),
    ):
        series = f"{rate(timing.base)}{plan.selector}"
        expr = f"avg_over_time({series}[{interval}])"
        name = thinned(timing.base, interval)
        rules.append(RecordingRule(name, expr, plan.identity_labels))
    return rules
