"""
Port `sloth.dev/contrib/denominator_corrected_rules/v1`.

Scales the error ratio of a window by that window's share of the period's traffic, so that
failures in quiet hours weigh less.
"""

from __future__ import annotations

from slo.alerts.model import RecordingRule, Rule
from slo.alerts.plugins.config import flag, only
from slo.alerts.ruleset import PluginRequest, RuleSet
from slo.alerts.sloth_rules import sli_rule, sli_rules
from slo.duration import Duration
from slo.errors import PluginError
from slo.plan import EventsIndicator, SloPlan
from slo.promql import render

__all__ = ["process"]

_CORRECTION = "slo:numerator_correction:ratio"


def process(request: PluginRequest, rules: RuleSet) -> None:
    """Replace the error ratios by corrected ones and record the corrections."""
    only(request.config, "disableOptimized")
    plan = request.plan
    indicator = plan.indicator
    if not isinstance(indicator, EventsIndicator):
        raise PluginError("denominator corrected SLI requires SLI event type")
    period = sli_rules(plan, optimized=not flag(request.config, "disableOptimized"))[-1]
    windows = plan.policy.windows
    rules.sli.rules = [*(_corrected(plan, indicator, window) for window in windows), period]
    rules.metadata.rules.extend(_correction(plan, indicator, window) for window in windows)


def _corrected(plan: SloPlan, indicator: EventsIndicator, window: Duration) -> Rule:
    expr = (
        f"(\n{_CORRECTION}{window}{plan.full_selector}\n* on()\n"
        f"{render(indicator.error, window)}\n)\n/\n({render(indicator.total, window)})\n"
    )
    return sli_rule(plan, window, expr)


def _correction(plan: SloPlan, indicator: EventsIndicator, window: Duration) -> Rule:
    in_window = render(indicator.total, window)
    in_period = render(indicator.total, plan.time_window)
    labels = {**plan.identity_labels, **plan.labels}
    return RecordingRule(f"{_CORRECTION}{window}", f"({in_window})/({in_period})", labels)
