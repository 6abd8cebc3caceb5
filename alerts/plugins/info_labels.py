"""Port `sloth.dev/contrib/info_labels/v1`: add labels to the info series."""

from __future__ import annotations

from slo import conventions
from slo.alerts.plugins.config import only, text_map
from slo.alerts.ruleset import PluginRequest, RuleSet, recording_rules
from slo.errors import PluginError

__all__ = ["process"]


def process(request: PluginRequest, rules: RuleSet) -> None:
    """Add the labels of the setting `labels` to the first rule of `metricName`."""
    only(request.config, "labels", "metricName")
    labels = text_map(request.config, "labels")
    if not labels:
        raise PluginError("at least one label is required")
    metric = request.config.get("metricName") or conventions.INFO
    for rule in recording_rules(rules.metadata):
        if rule.record == metric:
            rule.labels = {**rule.labels, **labels}
            return
