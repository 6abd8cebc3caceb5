"""Be sloth's `core/alert_rules/v1`: alert on burn rates."""

from __future__ import annotations

from slo.alerts import sloth_rules
from slo.alerts.ruleset import PluginRequest, RuleSet

__all__ = ["process"]


def process(request: PluginRequest, rules: RuleSet) -> None:
    """Alert on the burn rates of the SLO."""
    rules.alerts.rules = sloth_rules.alert_rules(request.plan)
