"""Be sloth's `core/sli_rules/v1`: record the error ratios."""

from __future__ import annotations

from slo.alerts import sloth_rules
from slo.alerts.plugins.config import flag, only
from slo.alerts.ruleset import PluginRequest, RuleSet

__all__ = ["process"]


def process(request: PluginRequest, rules: RuleSet) -> None:
    """Record the error ratios, from raw series also for the period with `disableOptimized`."""
    only(request.config, "disableOptimized")
    optimized = not flag(request.config, "disableOptimized")
    rules.sli.rules = sloth_rules.sli_rules(request.plan, optimized)
