"""Port `sloth.dev/contrib/error_budget_exhausted_alert/v1`: alert when the budget is gone."""

from __future__ import annotations

from slo import conventions
from slo.alerts.model import AlertingRule
from slo.alerts.plugins.config import duration, only, text_map
from slo.alerts.ruleset import PluginRequest, RuleSet
from slo.duration import minutes
from slo.errors import PluginError
from slo.numbers import go_float
from slo.promql import quote

__all__ = ["process"]

_KNOWN = ("threshold", "for", "annotations", "alert_name", "selector_labels", "alert_labels")


def process(request: PluginRequest, rules: RuleSet) -> None:
    """Append an alert on the remaining budget at or below `threshold` (0 by default)."""
    config, plan = request.config, request.plan
    only(config, *_KNOWN)
    threshold = config.get("threshold", 0)
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)):
        raise PluginError(f"`threshold` must be a number, got `{threshold}`")
    # Sloth builds the id anew here, so an OpenSLO id without its index is matched as well.
    wanted = conventions.identity_labels(f"{plan.service}-{plan.name}", plan.service, plan.name)
    wanted |= {**plan.labels, **text_map(config, "selector_labels")}
    matchers = ",".join(f"{label}={quote(wanted[label])}" for label in sorted(wanted))
    rules.alerts.rules.append(
        AlertingRule(
            alert=str(config.get("alert_name") or "ErrorBudgetExhausted"),
            expr=f"{conventions.ERROR_BUDGET_REMAINING}{{{matchers}}} <= {go_float(threshold)}",
            labels=text_map(config, "alert_labels"),
            annotations=text_map(config, "annotations"),
            for_=duration(config, "for") or minutes(5),
        )
    )
