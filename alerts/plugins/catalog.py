"""Find the rule plugins that ship with the product, by sloth's ids."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from slo.alerts.ruleset import PluginRequest, RuleSet

__all__ = ["BUILTIN_IDS", "Process", "builtin"]

Process = Callable[[Any, Any], None]

# Each is imported when a spec asks for it: most specs use none.
_MODULES = {
    "sloth.dev/core/alert_rules/v1": "core_alert_rules",
    "sloth.dev/core/metadata_rules/v1": "core_metadata_rules",
    "sloth.dev/core/sli_rules/v1": "core_sli_rules",
    "sloth.dev/contrib/denominator_corrected_rules/v1": "denominator_corrected_rules",
    "sloth.dev/contrib/error_budget_exhausted_alert/v1": "error_budget_exhausted_alert",
    "sloth.dev/contrib/info_labels/v1": "info_labels",
    "sloth.dev/contrib/remove_labels/v1": "remove_labels",
    "sloth.dev/contrib/rule_intervals/v1": "rule_intervals",
}
# Validation happens before any plugin runs, and debug output is not wanted in a compiler.
_WITHOUT_EFFECT = (
    "sloth.dev/core/debug/v1",
    "sloth.dev/core/noop/v1",
    "sloth.dev/core/validate/v1",
    "sloth.dev/contrib/validate_victoria_metrics/v1",
)
BUILTIN_IDS = frozenset((*_MODULES, *_WITHOUT_EFFECT))


def builtin(plugin_id: str) -> Process | None:
    """Return the plugin *plugin_id* of the product, or `None`."""
    if plugin_id in _WITHOUT_EFFECT:
        return _nothing
    module = _MODULES.get(plugin_id)
    if module is None:
        return None
    process: Process = import_module(f"slo.alerts.plugins.{module}").process
    return process


def _nothing(request: PluginRequest, rules: RuleSet) -> None:
    """Do nothing."""
