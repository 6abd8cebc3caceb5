"""Be sloth's `core/metadata_rules/v1`: record objective, budget and burn rates."""

from __future__ import annotations

from slo.alerts import sloth_rules
from slo.alerts.ruleset import PluginRequest, RuleSet

__all__ = ["process"]


def process(request: PluginRequest, rules: RuleSet) -> None:
    """Record the metadata of the SLO."""
    rules.metadata.rules = sloth_rules.metadata_rules(request.plan, request.version)
