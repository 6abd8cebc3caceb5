"""
Record the error ratio of each compliance window, and what follows from it for the budget.

No rule reads a series that carries labels of the user. Where such a label changes and the server
starts anew, the series with the old one is seen for five minutes more, and a rule that reads both
fails: it would give them the same labels.
"""

from __future__ import annotations

from decimal import Decimal

from slo import conventions as names
from slo.alerts import calendar_rules
from slo.alerts.event_rates import block, rates_count_per_window
from slo.alerts.model import RecordingRule, Rule
from slo.alerts.timing import Timing
from slo.duration import Duration
from slo.numbers import decimal_text, go_float
from slo.plan import Calendar, ComplianceWindow, SloPlan

__all__ = [
    "burn_rate",
    "calendar_slice_rules",
    "info_rules",
    "labels_of",
    "period_rules",
    "window_rules",
]


def labels_of(plan: SloPlan, window: str | None = None) -> dict[str, str]:
    """Return the labels of a recorded series, with the window that it is for."""
    shown = {} if window is None else {names.LABEL_WINDOW: window}
    return {**plan.identity_labels, **shown, **plan.labels}


def burn_rate(plan: SloPlan, ratio: str) -> str:
    """Return the burn rate of *ratio*; without a budget, zero or infinite but never NaN."""
    budget = decimal_text(plan.error_budget)
    if plan.error_budget == Decimal(0):
        return f"({ratio} / 0 >= 0) or {ratio}"
    return f"{ratio} / {budget}"


def period_rules(plan: SloPlan, timing: Timing) -> list[Rule]:
    """Return the error ratio, burn rate and budget of the period that alerts are for."""
    labels = labels_of(plan)
    rules = _ratio_rules(plan, timing, plan.window)
    burn = burn_rate(plan, _counted_ratio(plan, plan.window))
    rules.append(RecordingRule(names.PERIOD_BURN_RATE, burn, labels))
    rules.append(RecordingRule(names.ERROR_BUDGET_REMAINING, _remaining(burn), labels))
    if plan.calendar is not None:
        rules.append(_projected(plan, plan.calendar))
    return rules


def _projected(plan: SloPlan, calendar: Calendar) -> Rule:
    """
    Record the budget of the whole period that is left, if traffic goes on as so far.

    `1 - bad(so far) / (B * total(so far) / elapsed)`; the remaining budget compares with the
    events so far only, which on the first day of a month is not much.
    """
    expr = burn_rate(plan, _counted_ratio(plan, plan.window))
    if plan.error_budget:
        # Without a budget the burn rate may be infinite, and infinity times zero is no number.
        passed = calendar_rules.series(plan, names.PERIOD_ELAPSED, calendar)
        expr += f"\n* on ({names.LABEL_ID}) group_left ()\n{passed}"
    expr = _remaining(expr)
    return RecordingRule(names.PROJECTED_BUDGET_REMAINING, expr, labels_of(plan))


def window_rules(plan: SloPlan, timing: Timing) -> list[Rule]:
    """Return error ratio, burn rate and budget of the further windows."""
    rules: list[Rule] = []
    for window in plan.more_windows:
        rules += _ratio_rules(plan, timing, window)
        labels = labels_of(plan, window.name)
        burn = burn_rate(plan, _counted_ratio(plan, window))
        rules.append(RecordingRule(names.WINDOW_BURN_RATE, burn, labels))
        rules.append(RecordingRule(names.WINDOW_BUDGET_REMAINING, _remaining(burn), labels))
    return rules


def _ratio_name(window: ComplianceWindow) -> str:
    if window.calendar is not None:
        return names.calendar_error_ratio(window.calendar.unit)
    return names.error_ratio(window.length)


def _remaining(burn: str) -> str:
    return f"1 - (\n{block(burn)}\n)"


def _counted(plan: SloPlan, window: ComplianceWindow) -> tuple[str, str]:
    """Return the names of the bad and of all events, or slices, of *window*."""
    word = "events" if plan.timeslices is None else "slices"
    return (
        names.counted_in(f"error_{word}", window.name),
        names.counted_in(f"total_{word}", window.name),
    )


def _counted_ratio(plan: SloPlan, window: ComplianceWindow) -> str:
    bad, every = _counted(plan, window)
    return f"{bad}{plan.selector}\n/ ({every}{plan.selector} > 0)"


def _ratio_rules(plan: SloPlan, timing: Timing, window: ComplianceWindow) -> list[Rule]:
    """Return what happened in *window*: bad and all events or slices, their ratio, coverage."""
    labels = labels_of(plan, window.name)
    rules: list[Rule] = []
    if window.calendar is not None:
        rules += _calendar_rules(plan, timing, window.calendar)
    if plan.timeslices is not None:
        step, scale = timing.fast, ""
        record = names.SLICE_ERROR
        bad = _over(plan, "sum", record, window)
        every = measured = _over(plan, "count", record, window)
    else:
        step = timing.period
        # A query that counts per window holds each event for one base window.
        per_window = timing.base.seconds if rates_count_per_window(plan) else 1
        scale = f"{go_float(step.seconds / per_window)} * "
        bad = _over(plan, "sum", names.error_events_thinned(timing.base, step), window)
        record = names.total_events_thinned(timing.base, step)
        every = _over(plan, "sum", record, window)
        measured = _over(plan, "count", record, window)
    bad_name, every_name = _counted(plan, window)
    counted = {**plan.identity_labels, names.LABEL_WINDOW: window.name}
    rules += [
        RecordingRule(bad_name, scale + bad, counted),
        RecordingRule(every_name, scale + every, counted),
        RecordingRule(names.COVERAGE, _coverage(plan, measured, window, step), labels),
    ]
    if window.calendar is not None or window.length not in plan.policy.windows:
        ratio = _counted_ratio(plan, window)
        rules.append(RecordingRule(_ratio_name(window), ratio, labels))
    return rules


def _over(plan: SloPlan, function: str, record: str, window: ComplianceWindow) -> str:
    """Return *function* of all records in *window*."""
    calendar = window.calendar
    if calendar is None:
        return f"{function}_over_time({record}{plan.selector}[{window.length}])"
    labelled = names.of_period(record, calendar.unit)
    over = f"{function}_over_time({labelled}{plan.selector}[{calendar.longest}])"
    return calendar_rules.of_current_period(plan, calendar, over)


def _coverage(plan: SloPlan, measured: str, window: ComplianceWindow, step: Duration) -> str:
    """
    Return the share of the window that has been measured.

    Less than 1 says that the server has forgotten the rest, was down, or has just begun.
    """
    if window.calendar is None:
        return f"clamp_max({measured} / {go_float(window.length.seconds / step.seconds)}, 1)"
    passed = calendar_rules.seconds_elapsed(plan, window.calendar)
    return (
        f"clamp_max(\n{block(measured)}\n  / on ({names.LABEL_ID}) group_left ()\n"
        f"  (\n    (\n{block(passed, '      ')}\n    ) / {go_float(step.seconds)}\n  )\n, 1)"
    )


def calendar_slice_rules(plan: SloPlan, timing: Timing) -> list[Rule]:
    """Return the slices labelled by the calendar; they are recorded once each, like the slices."""
    rules: list[Rule] = []
    for calendar in [window.calendar for window in plan.windows if window.calendar is not None]:
        lag = Duration(timing.base.milliseconds // 2)
        rules += _date(plan, calendar, lag)
        rules.append(_labelled(plan, calendar, names.SLICE_ERROR))
    return rules


def _calendar_rules(plan: SloPlan, timing: Timing, calendar: Calendar) -> list[Rule]:
    """Return where in the calendar we are, and the records labelled by it."""
    rules: list[Rule] = []
    if plan.timeslices is None:
        # A record stands for the events around its middle: those of midnight belong to both days.
        lag = Duration(timing.base.milliseconds // 2 + timing.period.milliseconds // 2)
        rules += _date(plan, calendar, lag)
        rules += [
            _labelled(plan, calendar, thinned(timing.base, timing.period))
            for thinned in (names.error_events_thinned, names.total_events_thinned)
        ]
    passed = calendar_rules.elapsed(plan, calendar)
    rules.append(RecordingRule(names.PERIOD_ELAPSED, passed, _date_labels(plan, calendar)))
    return rules


def _date(plan: SloPlan, calendar: Calendar, lag: Duration) -> list[Rule]:
    labels = _date_labels(plan, calendar)
    return [
        RecordingRule(names.LOCAL_TIME, calendar_rules.local_time(calendar, lag), labels),
        RecordingRule(names.PERIOD_START, calendar_rules.period_start(plan, calendar), labels),
    ]


def _date_labels(plan: SloPlan, calendar: Calendar) -> dict[str, str]:
    return {**plan.identity_labels, names.LABEL_WINDOW: calendar.unit}


def _labelled(plan: SloPlan, calendar: Calendar, record: str) -> Rule:
    labelled = calendar_rules.with_period(plan, calendar, f"{record}{plan.selector}")
    return RecordingRule(names.of_period(record, calendar.unit), labelled, plan.identity_labels)


def info_rules(plan: SloPlan, version: str) -> list[Rule]:
    """Return objective, budget, length of the period, and the info series."""
    labels = labels_of(plan)
    objective = decimal_text(plan.objective / 100)
    if plan.calendar is not None:
        # `max` drops the label of the window, which the rule's own labels do not overwrite.
        length = f"max({calendar_rules.days_in_period(plan, plan.calendar)})"
    else:
        length = f"vector({go_float(plan.time_window.seconds / 86_400)})"
    info = {
        **labels,
        names.LABEL_VERSION: version,
        names.LABEL_MODE: plan.origin.mode,
        names.LABEL_SPEC: plan.origin.spec,
        names.LABEL_OBJECTIVE: decimal_text(plan.objective),
    }
    return [
        RecordingRule(names.OBJECTIVE, f"vector({objective})", labels),
        RecordingRule(names.ERROR_BUDGET, f"vector({decimal_text(plan.error_budget)})", labels),
        RecordingRule(names.TIME_PERIOD_DAYS, length, labels),
        RecordingRule(names.INFO, "vector(1)", info),
    ]
