"""Turn what specs say of telemetry into the configurations of collectors."""

from __future__ import annotations

from slo.artifact import Artifact
from slo.collector.agent import agent_config
from slo.collector.checks import check_telemetry
from slo.collector.gateway import gateway_config
from slo.collector.model import Config, config_text
from slo.collector.needs import needs_of
from slo.collector.options import CollectorOptions
from slo.diagnostics import Diagnostic, Span, has_errors
from slo.plan import ServicePlan, SpecSet
from slo.telemetry import ServiceTelemetry
from slo.version import __version__

__all__ = ["AGENT", "GATEWAY", "collector_artifacts", "collector_configs"]

AGENT = "collector/agent.yaml"
GATEWAY = "collector/gateway.yaml"
_ROLES = {
    AGENT: "Agent: runs beside the programs, collects what they send and passes it on.",
    GATEWAY: "Gateway: counts every span and log record, then samples, and sends to backends.",
}


def collector_artifacts(
    specs: SpecSet, options: CollectorOptions | None = None
) -> tuple[tuple[Artifact, ...], tuple[Diagnostic, ...]]:
    """
    Return the configurations of agent and gateway, and what is wrong with their specs.

    Without a Telemetry document, or with any error, there are none.
    """
    configs, diagnostics = collector_configs(specs, options or CollectorOptions())
    return tuple(
        Artifact(path, "collector", config_text(config, _ROLES[path], __version__))
        for path, config in configs.items()
    ), diagnostics


def collector_configs(
    specs: SpecSet, options: CollectorOptions
) -> tuple[dict[str, Config], tuple[Diagnostic, ...]]:
    """Return the configurations by the path that they are written to, as `collector_artifacts`."""
    services = tuple(_telemetry_of(service) for service in specs.services)
    plan = specs.telemetry[0] if specs.telemetry else None
    needs = needs_of(
        specs.slos,
        (name for service in services for name in service.log_counters),
        (
            *(name for service in services for name in service.dimensions),
            *(plan.dimensions if plan else ()),
        ),
    )
    diagnostics = check_telemetry(specs, needs)
    if plan is None or has_errors(diagnostics):
        return {}, diagnostics
    gateway = gateway_config(plan, services, needs, options)
    if not gateway.pipelines:
        # Every destination waits for a route.
        return {}, diagnostics
    agent = agent_config(plan, services, gateway.signals, options)
    return {AGENT: agent, GATEWAY: gateway}, diagnostics


def _telemetry_of(service: ServicePlan) -> ServiceTelemetry:
    """Return what *service* says of its telemetry; by default it sends OTLP under its name."""
    if service.telemetry is not None:
        return service.telemetry
    owners = [slo.owner for slo in service.slos if slo.owner is not None]
    return ServiceTelemetry(
        service.service, (service.service,), Span(service.source), owners[0] if owners else None
    )
