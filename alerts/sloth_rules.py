"""
Make the rules of sloth 0.16, number for number.

Sloth computes in binary floats and prints them in full, which is part of what its users see:
`vector(0.9990000000000001)`. The expressions are those of its plugins `core/sli_rules`,
`core/metadata_rules` and `core/alert_rules`.
"""

from __future__ import annotations

from slo import conventions as names
from slo.alerts.model import AlertingRule, RecordingRule, Rule
from slo.burnrate import BurnWindow
from slo.duration import Duration
from slo.numbers import go_float
from slo.plan import AlertMeta, CompositeIndicator, EventsIndicator, SloPlan
from slo.promql import render

__all__ = ["alert_rules", "metadata_rules", "objective_float", "sli_rule", "sli_rules"]

_JOIN = "/ on(sloth_id, sloth_slo, sloth_service) group_left"


def objective_float(plan: SloPlan) -> float:
    """Return the objective in percent as the float that sloth reads."""
    given = plan.origin.float_objective
    return float(plan.objective) if given is None else given


def sli_rules(plan: SloPlan, optimized: bool = True) -> list[Rule]:
    """
    Return the error ratio over every alert window and over the period.

    Args:
        optimized: Average the shortest ratio over the period instead of reading raw series.
    """
    rules: list[Rule] = [sli_rule(plan, window) for window in plan.policy.windows]
    if optimized:
        rules.append(_averaged(plan))
    else:
        rules.append(sli_rule(plan, plan.time_window))
    return rules


def sli_rule(plan: SloPlan, window: Duration, expr: str | None = None) -> RecordingRule:
    """Return the rule of the error ratio over *window*, from raw series unless *expr* is given."""
    if expr is None:
        indicator = plan.indicator
        assert not isinstance(indicator, CompositeIndicator), "profile `sloth` refuses these"
        if isinstance(indicator, EventsIndicator):
            template = f"({indicator.error})\n/\n({indicator.total})\n"
        else:
            template = f"({indicator.error_ratio})"
        expr = render(template, window)
    labels = {**plan.identity_labels, names.LABEL_WINDOW: str(window), **plan.labels}
    return RecordingRule(names.error_ratio(window), expr, labels)


def _averaged(plan: SloPlan) -> RecordingRule:
    series = f"{names.error_ratio(plan.policy.page_quick.short_window)}{plan.full_selector}"
    over = f"[{plan.time_window}]"
    expr = (
        f"sum_over_time({series}{over})\n"
        f"/ ignoring ({names.LABEL_WINDOW})\n"
        f"count_over_time({series}{over})\n"
    )
    return sli_rule(plan, plan.time_window, expr)


def metadata_rules(plan: SloPlan, version: str) -> list[Rule]:
    """Return objective, budget, period, burn rates, remaining budget and the info series."""
    objective = go_float(objective_float(plan) / 100)
    labels = {**plan.identity_labels, **plan.labels}
    budget = f"{names.ERROR_BUDGET}{plan.full_selector}"
    shortest = names.error_ratio(plan.policy.page_quick.short_window)
    period = names.error_ratio(plan.time_window)
    days = go_float(plan.time_window.milliseconds / 3_600_000 / 24)
    info = {
        **labels,
        names.LABEL_VERSION: version,
        names.LABEL_MODE: plan.origin.mode,
        names.LABEL_SPEC: plan.origin.spec,
        names.LABEL_OBJECTIVE: go_float(objective_float(plan)),
    }
    return [
        RecordingRule(names.OBJECTIVE, f"vector({objective})", labels),
        RecordingRule(names.ERROR_BUDGET, f"vector(1-{objective})", labels),
        RecordingRule(names.TIME_PERIOD_DAYS, f"vector({days})", labels),
        RecordingRule(
            names.CURRENT_BURN_RATE, f"{shortest}{plan.full_selector}\n{_JOIN}\n{budget}\n", labels
        ),
        RecordingRule(
            names.PERIOD_BURN_RATE, f"{period}{plan.full_selector}\n{_JOIN}\n{budget}\n", labels
        ),
        RecordingRule(
            names.ERROR_BUDGET_REMAINING,
            f"1 - {names.PERIOD_BURN_RATE}{plan.full_selector}",
            labels,
        ),
        RecordingRule(names.INFO, "vector(1)", info),
    ]


def alert_rules(plan: SloPlan) -> list[Rule]:
    """Return one alert for each severity, either of whose window pairs may fire it."""
    rules: list[Rule] = []
    for severity, meta, pairs in (
        ("page", plan.page, plan.policy.pages),
        ("ticket", plan.ticket, plan.policy.tickets),
    ):
        if meta is not None:
            rules.append(_alert(plan, severity, meta, pairs))
    return rules


def _alert(
    plan: SloPlan, severity: str, meta: AlertMeta, pairs: tuple[BurnWindow, BurnWindow]
) -> AlertingRule:
    who = "{{$labels.sloth_service}} {{$labels.sloth_slo}}"
    quick, slow = (_pair_expression(plan, pair) for pair in pairs)
    return AlertingRule(
        alert=meta.name,
        expr=f"{quick}or\n{slow}",
        labels={names.LABEL_SEVERITY: severity, **meta.labels},
        annotations={
            "title": f"({severity}) {who} SLO error budget burn rate is too fast.",
            "summary": f"{who} SLO error budget burn rate is over expected.",
            **meta.annotations,
        },
        for_=meta.for_,
    )


def _pair_expression(plan: SloPlan, pair: BurnWindow) -> str:
    # The order of the operations decides the last digit, as in 5.6000000000000005.
    factor = (
        float(pair.budget_percent)
        * (plan.time_window.milliseconds / 3_600_000)
        / 100
        / (pair.long_window.milliseconds / 3_600_000)
    )
    threshold = f"({go_float(factor)} * {go_float((100 - objective_float(plan)) / 100)})"
    short, long = (
        f"    max({names.error_ratio(window)}{plan.full_selector} > {threshold})"
        f" without ({names.LABEL_WINDOW})\n"
        for window in (pair.short_window, pair.long_window)
    )
    return f"(\n{short}    and\n{long})\n"
