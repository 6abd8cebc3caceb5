"""Port `sloth.dev/contrib/remove_labels/v1`: keep custom labels on the info series only."""

from __future__ import annotations

from slo import conventions
from slo.alerts.model import RuleGroup
from slo.alerts.plugins.config import only, strings
from slo.alerts.ruleset import PluginRequest, RuleSet, recording_rules

__all__ = ["process"]


def process(request: PluginRequest, rules: RuleSet) -> None:
    """Drop labels from recorded series, save identity, `preserveLabels` and `skipMetrics`."""
    only(request.config, "preserveLabels", "skipMetrics")
    kept = {*conventions.IDENTITY_LABELS, *strings(request.config, "preserveLabels")}
    skipped = {conventions.INFO, *strings(request.config, "skipMetrics")}
    _strip(rules.sli, kept | {conventions.LABEL_WINDOW}, skipped)
    _strip(rules.metadata, kept, skipped)


def _strip(group: RuleGroup, kept: set[str], skipped: set[str]) -> None:
    for rule in recording_rules(group):
        if rule.record not in skipped:
            rule.labels = {k: v for k, v in rule.labels.items() if k in kept}
