"""Record the error ratio of each compliance window, and what follows from it for the budget."""

from __future__ import annotations

from decimal import Decimal

from slo import conventions as names
from slo.alerts import calendar_rules
from slo.alerts.event_rates import block
from slo.alerts.model import RecordingRule, Rule
from slo.alerts.timing import Timing
from slo.duration import Duration
from slo.numbers import decimal_text, go_float
from slo.plan import Calendar, ComplianceWindow, SloPlan

__all__ = ["burn_rate", "info_rules", "labels_of", "period_rules", "window_rules"]


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
    burn = burn_rate(plan, _ratio_series(plan, plan.window))
    rules.append(RecordingRule(names.PERIOD_BURN_RATE, burn, labels))
    remaining = f"1 - {names.PERIOD_BURN_RATE}{plan.selector}"
    rules.append(RecordingRule(names.ERROR_BUDGET_REMAINING, remaining, labels))
    if plan.calendar is not None:
        rules.append(_projected(plan, plan.calendar))
    return rules


def _projected(plan: SloPlan, calendar: Calendar) -> Rule:
    """
    Record the budget of the whole period that is left, if traffic goes on as so far.

    `1 - bad(so far) / (B * total(so far) / elapsed)`; the remaining budget compares with the
    events so far only, which on the first day of a month is not much.
    """
    passed = f'{names.PERIOD_ELAPSED}{{{names.LABEL_WINDOW}="{calendar.unit}"}}'
    selected = passed.replace("{", f'{{{names.LABEL_ID}="{plan.id}",')
    expr = (
        f"1 - {names.PERIOD_BURN_RATE}{plan.selector}\n"
        f"* on ({names.LABEL_ID}) group_left ()\n{selected}"
    )
    return RecordingRule(names.PROJECTED_BUDGET_REMAINING, expr, labels_of(plan))


def window_rules(plan: SloPlan, timing: Timing) -> list[Rule]:
    """Return error ratio, burn rate and budget of the further windows."""
    rules: list[Rule] = []
    for window in plan.more_windows:
        rules += _ratio_rules(plan, timing, window)
        labels = labels_of(plan, window.name)
        burn = burn_rate(plan, _ratio_series(plan, window))
        rules.append(RecordingRule(names.WINDOW_BURN_RATE, burn, labels))
        same = f'{{{names.LABEL_ID}="{plan.id}",{names.LABEL_WINDOW}="{window.name}"}}'
        remaining = f"1 - {names.WINDOW_BURN_RATE}{same}"
        rules.append(RecordingRule(names.WINDOW_BUDGET_REMAINING, remaining, labels))
    return rules


def _ratio_name(window: ComplianceWindow) -> str:
    if window.calendar is not None:
        return names.calendar_error_ratio(window.calendar.unit)
    return names.error_ratio(window.length)


def _ratio_series(plan: SloPlan, window: ComplianceWindow) -> str:
    return _ratio_name(window) + plan.selector


def _ratio_rules(plan: SloPlan, timing: Timing, window: ComplianceWindow) -> list[Rule]:
    if window.calendar is not None:
        return _calendar_ratio(plan, timing, window.calendar)
    if window.length in plan.policy.windows:
        return []  # recorded already, for the alerts
    expr = period_ratio(plan, timing, window.length)
    labels = labels_of(plan, window.name)
    return [RecordingRule(_ratio_name(window), expr, labels)]


def period_ratio(plan: SloPlan, timing: Timing, window: Duration) -> str:
    """Return the expression of the error ratio over *window*, from thinned records."""
    if plan.timeslices is not None:
        return f"avg_over_time({names.SLICE_ERROR}{plan.selector}[{window}])"
    bad, every = (
        f"sum_over_time({name(timing.base, timing.period)}{plan.selector}[{window}])"
        for name in (names.error_events_thinned, names.total_events_thinned)
    )
    return f"{bad}\n/\n({every} > 0)"


def _calendar_ratio(plan: SloPlan, timing: Timing, calendar: Calendar) -> list[Rule]:
    labels = labels_of(plan, calendar.unit)
    # A record stands for the events around its middle: those of midnight belong to both days.
    lag = Duration(timing.base.milliseconds // 2 + timing.period.milliseconds // 2)
    rules: list[Rule] = [
        RecordingRule(names.LOCAL_TIME, calendar_rules.local_time(calendar, lag), labels),
        RecordingRule(names.PERIOD_START, calendar_rules.period_start(plan, calendar), labels),
        RecordingRule(names.PERIOD_ELAPSED, calendar_rules.elapsed(plan, calendar), labels),
    ]
    longest = calendar_rules.LONGEST[calendar.unit]
    present = calendar_rules.current_period(plan, calendar)
    sums = []
    if plan.timeslices is not None:
        records = [names.SLICE_ERROR]
    else:
        records = [
            names.error_events_thinned(timing.base, timing.period),
            names.total_events_thinned(timing.base, timing.period),
        ]
    for record in records:
        labelled = names.of_period(record, calendar.unit)
        expr = (
            f"{record}{plan.selector}\n"
            f"* on ({names.LABEL_ID}) group_left ({names.LABEL_PERIOD})\n{present}"
        )
        rules.append(RecordingRule(labelled, expr, plan.identity_labels))
        function = "sum" if plan.timeslices is None else "avg"
        summed = f"{function}_over_time({labelled}{plan.selector}[{longest}])"
        sums.append(calendar_rules.of_current_period(plan, calendar, summed))
    expr = sums[0] if len(sums) == 1 else f"{sums[0]}\n/\n(\n{block(sums[1])}\n> 0)"
    rules.append(RecordingRule(names.calendar_error_ratio(calendar.unit), expr, labels))
    return rules


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
