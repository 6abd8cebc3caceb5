"""List the rule plugins that ship with the product, by sloth's ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from slo.alerts import sloth_rules
from slo.alerts.plugins import (
    denominator_corrected_rules,
    error_budget_exhausted_alert,
    info_labels,
    remove_labels,
    rule_intervals,
)
from slo.alerts.plugins.config import flag, only
from slo.alerts.ruleset import PluginRequest, RuleSet

__all__ = ["BUILTIN", "Process"]

Process = Callable[[Any, Any], None]


def _sli_rules(request: PluginRequest, rules: RuleSet) -> None:
    only(request.config, "disableOptimized")
    optimized = not flag(request.config, "disableOptimized")
    rules.sli.rules = sloth_rules.sli_rules(request.plan, optimized)


def _metadata_rules(request: PluginRequest, rules: RuleSet) -> None:
    rules.metadata.rules = sloth_rules.metadata_rules(request.plan, request.version)


def _alert_rules(request: PluginRequest, rules: RuleSet) -> None:
    rules.alerts.rules = sloth_rules.alert_rules(request.plan)


def _nothing(request: PluginRequest, rules: RuleSet) -> None:
    """Do nothing: validation happens before, and debug output is not wanted in a compiler."""


BUILTIN: Mapping[str, Process] = {
    "sloth.dev/core/alert_rules/v1": _alert_rules,
    "sloth.dev/core/debug/v1": _nothing,
    "sloth.dev/core/metadata_rules/v1": _metadata_rules,
    "sloth.dev/core/noop/v1": _nothing,
    "sloth.dev/core/sli_rules/v1": _sli_rules,
    "sloth.dev/core/validate/v1": _nothing,
    "sloth.dev/contrib/denominator_corrected_rules/v1": denominator_corrected_rules.process,
    "sloth.dev/contrib/error_budget_exhausted_alert/v1": error_budget_exhausted_alert.process,
    "sloth.dev/contrib/info_labels/v1": info_labels.process,
    "sloth.dev/contrib/remove_labels/v1": remove_labels.process,
    "sloth.dev/contrib/rule_intervals/v1": rule_intervals.process,
    "sloth.dev/contrib/validate_victoria_metrics/v1": _nothing,
}
