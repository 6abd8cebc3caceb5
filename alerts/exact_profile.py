"""Assemble the rules of one SLO under profile `exact`."""

from __future__ import annotations

from slo.alerts import burn_rate_alerts as alerts
from slo.alerts.exact_rules import budget_rules, fast_rules, slow_rules
from slo.alerts.model import RuleGroup
from slo.alerts.plugins.catalog import BUILTIN_IDS
from slo.alerts.ruleset import RuleSet
from slo.alerts.sloth_profile import empty_rule_set, run_plugin
from slo.alerts.timing import Timing
from slo.diagnostics import Diagnostic, Severity
from slo.duration import Duration
from slo.plan import PluginCall, SloPlan
from slo.plugins import PluginRegistry

__all__ = ["generate", "timing_of"]

_INTERVALS = "sloth.dev/contrib/rule_intervals/v1"
# Plugins whose work profile `exact` does by itself, or whose shape it does not have.
_SUPERSEDED = {
    "sloth.dev/contrib/denominator_corrected_rules/v1": (
        "profile `exact` weighs every window by its events; for low traffic use `min_bad_events`"
    ),
}


def timing_of(
    plan: SloPlan, interval: Duration, plugins: PluginRegistry, version: str
) -> tuple[Timing, list[Diagnostic]]:
    """Return the timing of *plan*, with the intervals that its plugins ask for."""
    timing = Timing.of(plan, interval)
    diagnostics: list[Diagnostic] = []
    for call in plan.plugins:
        if call.id != _INTERVALS:
            continue
        if timing.partitions:
            message = f"`{_INTERVALS}` does nothing here: each slice is recorded once, when it ends"
            diagnostics.append(Diagnostic("SLO501", Severity.WARNING, message, call.span))
            continue
        wanted = empty_rule_set(plan)
        diagnostics += run_plugin(call, plan, version, plugins, wanted)
        fast, slow = wanted.sli.interval, wanted.metadata.interval
        if fast is None or slow is None:
            continue
        if max(fast, slow) > timing.base:
            message = f"an interval above {timing.base} leaves gaps between the recorded rates"
            hint = f"use at most {timing.base}, or profile `sloth`"
            diagnostics.append(Diagnostic("SLO501", Severity.ERROR, message, call.span, hint))
            continue
        timing = timing.with_intervals(fast, max(fast, slow))
    if timing.fast > timing.base:
        message = f"an interval of {timing.fast} leaves gaps between rates over {timing.base}"
        hint = f"give `--interval {timing.base}` or less, or use profile `sloth`"
        diagnostics.append(Diagnostic("SLO501", Severity.ERROR, message, plan.span, hint))
    return timing, diagnostics


def generate(
    plan: SloPlan, version: str, plugins: PluginRegistry, interval: Duration
) -> tuple[RuleSet, list[Diagnostic]]:
    """
    Return the rules of *plan* and what its plugins complained about.

    Alerts stand in the group that records their ratios, so that they see them in the same
    evaluation.
    """
    timing, diagnostics = timing_of(plan, interval, plugins, version)
    rules = RuleSet(
        sli=RuleGroup(f"slo-fast-{plan.id}", fast_rules(plan, timing), timing.fast),
        slow=RuleGroup(f"slo-slow-{plan.id}", slow_rules(plan, timing), timing.slow),
        metadata=RuleGroup(
            f"slo-period-{plan.id}", budget_rules(plan, timing, version), timing.period
        ),
        alerts=RuleGroup(f"slo-alerts-{plan.id}", [], timing.slow),
    )
    for call in sorted(plan.plugins, key=lambda call: call.priority):
        diagnostics += _run(call, plan, version, plugins, rules)
    rules.sli.rules += alerts.page_alerts(plan)
    assert rules.slow is not None
    rules.slow.rules += alerts.ticket_alerts(plan) + alerts.missing_data_alerts(plan, timing)
    rules.metadata.rules += alerts.exhausted_alerts(plan)
    return rules, diagnostics


def _run(
    call: PluginCall, plan: SloPlan, version: str, plugins: PluginRegistry, rules: RuleSet
) -> list[Diagnostic]:
    if call.id in _SUPERSEDED:
        message = f"`{call.id}` does nothing here: {_SUPERSEDED[call.id]}"
        return [Diagnostic("SLO501", Severity.WARNING, message, call.span)]
    core = call.id in BUILTIN_IDS and "/core/" in call.id
    if core or call.id == _INTERVALS:
        return []
    return run_plugin(call, plan, version, plugins, rules)
