"""Port `sloth.dev/contrib/rule_intervals/v1`: set how often the groups are evaluated."""

from __future__ import annotations

from slo.alerts.plugins.config import duration, only
from slo.alerts.ruleset import PluginRequest, RuleSet
from slo.errors import PluginError

__all__ = ["process"]


def process(request: PluginRequest, rules: RuleSet) -> None:
    """Set the intervals of the setting `interval`: `default`, `sliError`, `metadata`, `alert`."""
    only(request.config, "interval")
    interval = request.config.get("interval") or {}
    only(interval, "default", "sliError", "metadata", "alert")
    default = duration(interval, "default")
    if default is None:
        raise PluginError("at least default interval is required")
    rules.sli.interval = duration(interval, "sliError") or default
    rules.metadata.interval = duration(interval, "metadata") or default
    rules.alerts.interval = duration(interval, "alert") or default
