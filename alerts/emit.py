"""Turn the services of one spec file into its rule file and its test file."""

from __future__ import annotations

from dataclasses import dataclass

from slo.alerts import exact_profile, sloth_profile
from slo.alerts.health import HEALTH_FILE, health_groups
from slo.alerts.kubernetes_format import default_meta, prometheus_rule
from slo.alerts.model import AlertingRule, RuleGroup
from slo.alerts.prometheus_format import rule_file
from slo.alerts.ruleset import RuleSet
from slo.artifact import Artifact
from slo.diagnostics import Diagnostic
from slo.duration import Duration
from slo.plan import KubernetesMeta, ServicePlan, SloPlan
from slo.plugins import PluginRegistry

__all__ = ["EmitOptions", "FileOutput", "emit_file", "health_artifacts"]


@dataclass(frozen=True, slots=True, eq=False)
class EmitOptions:
    """
    Say what to make.

    Args:
        format: `auto`, `prometheus` or `kubernetes`.
        recordings: Keep recording rules.
        alerts: Keep alerting rules.
        rules: Make rule files.
        tests: Make promtool tests.
    """

    profile: str
    format: str
    version: str
    interval: Duration
    recordings: bool = True
    alerts: bool = True
    rules: bool = True
    tests: bool = True

    @property
    def exact(self) -> bool:
        """Tell whether the rules are made by profile `exact`."""
        return self.profile == "exact"


@dataclass(frozen=True, slots=True, eq=False)
class FileOutput:
    """
    Name one spec file and what was read from it.

    Args:
        stem: File name of the outputs, without ending.
        source: Path of the spec for the header, relative to what the user named.
    """

    stem: str
    source: str
    services: tuple[ServicePlan, ...]


def emit_file(
    output: FileOutput, options: EmitOptions, plugins: PluginRegistry
) -> tuple[list[Artifact], list[Diagnostic]]:
    """Return the artifacts of one spec file and what its plugins complained about."""
    diagnostics: list[Diagnostic] = []
    made: list[tuple[ServicePlan, list[RuleGroup]]] = []
    plans: list[tuple[SloPlan, list[RuleGroup]]] = []
    for service in output.services:
        groups: list[RuleGroup] = []
        for plan in service.slos:
            rules, found = _generate(plan, options, plugins)
            diagnostics += found
            kept = _kept(rules, options)
            groups += kept
            plans.append((plan, kept))
        made.append((service, groups))
    if diagnostics and any(d.is_error for d in diagnostics):
        return [], diagnostics
    artifacts = _rule_artifacts(output, options, made) if options.rules else []
    if options.tests and options.alerts and options.recordings:
        from slo.alerts.unit_tests import test_artifacts

        artifacts += test_artifacts(output.stem, output.source, plans, options)
    return artifacts, diagnostics


def _generate(
    plan: SloPlan, options: EmitOptions, plugins: PluginRegistry
) -> tuple[RuleSet, list[Diagnostic]]:
    if options.exact:
        return exact_profile.generate(plan, options.version, plugins, options.interval)
    return sloth_profile.generate(plan, options.version, plugins)


def _kept(rules: RuleSet, options: EmitOptions) -> list[RuleGroup]:
    if options.recordings and options.alerts:
        return rules.groups
    for group in rules.groups:
        group.rules = [
            rule
            for rule in group.rules
            if (options.alerts if isinstance(rule, AlertingRule) else options.recordings)
        ]
    return rules.groups


def _as_kubernetes(service: ServicePlan, options: EmitOptions) -> bool:
    if options.format == "auto":
        return service.kubernetes is not None
    return options.format == "kubernetes"


def _rule_artifacts(
    output: FileOutput, options: EmitOptions, made: list[tuple[ServicePlan, list[RuleGroup]]]
) -> list[Artifact]:
    objects: list[str] = []
    plain: list[RuleGroup] = []
    for service, groups in made:
        if not groups:
            continue
        if _as_kubernetes(service, options):
            objects.append(_object(service, groups, output, options))
        else:
            plain += groups
    artifacts = []
    if plain:
        text = rule_file(plain, output.source, options.version)
        artifacts.append(Artifact(f"rules/{output.stem}.yaml", "rules", text))
    if objects:
        # A file of both kinds is rare; the plain rules then keep the short name.
        name = f"{output.stem}-kubernetes" if plain else output.stem
        artifacts.append(Artifact(f"rules/{name}.yaml", "rules", "---\n".join(objects)))
    return artifacts


def _object(
    service: ServicePlan, groups: list[RuleGroup], output: FileOutput, options: EmitOptions
) -> str:
    meta: KubernetesMeta = service.kubernetes or default_meta(service.service)
    manager = "slostack" if options.exact else "sloth"
    return prometheus_rule(groups, meta, output.source, options.version, manager)


def health_artifacts(options: EmitOptions, *, collectors: bool = False) -> list[Artifact]:
    """
    Return the rules that watch the rules, once per run of profile `exact`.

    Args:
        collectors: Watch collectors as well.
    """
    if not (options.exact and options.alerts):
        return []
    artifacts = _watching(HEALTH_FILE, health_groups(), options) if options.rules else []
    if options.tests:
        from slo.alerts.health_tests import health_test

        artifacts += health_test(options)
    return artifacts + (_collector_artifacts(options) if collectors else [])


def _watching(name: str, groups: list[RuleGroup], options: EmitOptions) -> list[Artifact]:
    if options.format == "kubernetes":
        meta = KubernetesMeta(name=name)
        text = prometheus_rule(groups, meta, "all specs", options.version, "slostack")
    else:
        text = rule_file(groups, "all specs", options.version)
    return [Artifact(f"rules/{name}.yaml", "rules", text)]


def _collector_artifacts(options: EmitOptions) -> list[Artifact]:
    from slo.alerts.collector_health import COLLECTOR_FILE, collector_groups

    groups = collector_groups()
    artifacts = _watching(COLLECTOR_FILE, groups, options) if options.rules else []
    if options.tests:
        from slo.alerts.collector_health_tests import collector_test

        rules = f"../rules/{COLLECTOR_FILE}.yaml"
        if options.format == "kubernetes":
            # promtool reads rule files, not objects.
            rules = f"copies/{COLLECTOR_FILE}.yaml"
            text = rule_file(groups, "all specs", options.version)
            artifacts.append(Artifact(f"rules-tests/{rules}", "tests", text))
        test = collector_test(rules, options.version)
        artifacts.append(Artifact(f"rules-tests/{COLLECTOR_FILE}.yaml", "tests", test))
    return artifacts
