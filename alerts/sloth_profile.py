"""
Run sloth's plugin chain over an SLO: profile `sloth`.

Order as in sloth's `internal/app/generate`: plugins with a priority below 0, the default
rules, then the rest; equal priorities keep the order of the spec.
"""

from __future__ import annotations

from slo.alerts.model import RuleGroup
from slo.alerts.plugins.catalog import BUILTIN_IDS, Process, builtin
from slo.alerts.ruleset import PluginRequest, RuleSet
from slo.diagnostics import Diagnostic, Severity
from slo.errors import PluginError
from slo.plan import PluginCall, SloPlan
from slo.plugins import PluginRegistry

__all__ = ["empty_rule_set", "generate", "run_plugin"]


def empty_rule_set(plan: SloPlan) -> RuleSet:
    """Return the three groups of an SLO under sloth's names, still without rules."""
    return RuleSet(
        sli=RuleGroup(f"sloth-slo-sli-recordings-{plan.id}", []),
        metadata=RuleGroup(f"sloth-slo-meta-recordings-{plan.id}", []),
        alerts=RuleGroup(f"sloth-slo-alerts-{plan.id}", []),
    )


def generate(
    plan: SloPlan, version: str, plugins: PluginRegistry
) -> tuple[RuleSet, list[Diagnostic]]:
    """Return sloth's rules for *plan*, and what its plugins complained about."""
    from slo.alerts import sloth_rules  # profile `exact` runs plugins without these

    rules = empty_rule_set(plan)
    diagnostics: list[Diagnostic] = []
    ordered = sorted(plan.plugins, key=lambda call: call.priority)
    for call in (c for c in ordered if c.priority < 0):
        diagnostics += run_plugin(call, plan, version, plugins, rules)
    if not plan.override_default_plugins:
        rules.sli.rules = sloth_rules.sli_rules(plan)
        rules.metadata.rules = sloth_rules.metadata_rules(plan, version)
        rules.alerts.rules = sloth_rules.alert_rules(plan)
    for call in (c for c in ordered if c.priority >= 0):
        diagnostics += run_plugin(call, plan, version, plugins, rules)
    return rules, diagnostics


def run_plugin(
    call: PluginCall, plan: SloPlan, version: str, plugins: PluginRegistry, rules: RuleSet
) -> list[Diagnostic]:
    """Let one plugin change *rules*; a failure becomes a diagnostic at its call."""
    try:
        process: Process | None = builtin(call.id) or plugins.find_slo(call.id)
        if process is None:
            hint = "name its file with --plugins, or use one of: " + ", ".join(
                sorted(plugin for plugin in BUILTIN_IDS if "/contrib/" in plugin)
            )
            message = f"no SLO plugin `{call.id}`"
            return [Diagnostic("SLO901", Severity.ERROR, message, call.span, hint)]
        process(PluginRequest(plan, call.config, version), rules)
    except PluginError as error:
        message = f"plugin `{call.id}` failed: {error}"
        return [Diagnostic("SLO902", Severity.ERROR, message, call.span)]
    except Exception as error:  # third-party code: any failure is reported at its call
        if call.id in BUILTIN_IDS:
            raise
        message = f"plugin `{call.id}` failed: {type(error).__name__}: {error}"
        return [Diagnostic("SLO902", Severity.ERROR, message, call.span)]
    return []
