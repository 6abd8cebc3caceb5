"""Make the configuration of the collectors beside the programs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from slo.collector.destinations import STORAGE, escaped, queue, retry
from slo.collector.hygiene import environment, memory_limiter, redaction, resource_detection
from slo.collector.model import Config, Pipeline
from slo.collector.options import CollectorOptions, Guard, TierOptions
from slo.collector.versions import component_name
from slo.telemetry import SIGNALS, LogFile, Scrape, ServiceTelemetry, TelemetryPlan, Tier

__all__ = ["agent_config", "base_config", "intake"]

# Those of destinations have a name besides.
_TOKEN = "bearertokenauth"  # noqa: S105 - the name of an extension


def base_config(tier: Tier, options: TierOptions) -> Config:
    """Return what every tier has: health, stored queues, metrics of its own."""
    config = Config()
    config.extensions["health_check"] = {"endpoint": f"{options.host}:{options.health}"}
    folder = options.storage or tier.storage
    config.extensions[STORAGE] = {
        "directory": escaped(folder),
        "create_directory": True,
        # Space of what was sent is given back, also at start.
        "compaction": {"directory": escaped(folder), "on_start": True, "on_rebound": True},
    }
    exposition = {
        "host": options.host,
        "port": options.metrics,
        # Left out, counters would not end in `_total`, by which the alerts know them.
        "without_type_suffix": False,
        "without_units": True,
        "without_scope_info": True,
    }
    reader = {"pull": {"exporter": {"prometheus": exposition}}}
    config.telemetry = {"metrics": {"readers": [reader]}}
    return config


def intake(
    config: Config,
    plan: TelemetryPlan,
    options: TierOptions,
    limit_mib: int,
    guard: Guard | None = None,
) -> list[str]:
    """
    Add the receiver of OTLP and what follows it in every tier, in this order.

    Returns:
        The ids of the processors.
    """
    guarded: dict[str, Any] = {}
    if guard is not None:
        config.extensions[_TOKEN] = {"filename": escaped(guard.token_file)}
        files = {"cert_file": escaped(guard.certificate), "key_file": escaped(guard.key)}
        guarded = {"tls": files, "auth": {"authenticator": _TOKEN}}
    config.receivers["otlp"] = {
        "protocols": {
            "grpc": {
                "endpoint": f"{options.host}:{options.otlp_grpc}",
                "max_recv_msg_size_mib": 16,
                **guarded,
            },
            "http": {"endpoint": f"{options.host}:{options.otlp_http}", **guarded},
        }
    }
    config.processors["memory_limiter"] = memory_limiter(options.memory_limit_mib or limit_mib)
    ids = ["memory_limiter"]
    if plan.environment is not None:
        config.processors["resource/environment"] = environment(plan.environment)
        ids.append("resource/environment")
    config.processors["redaction"] = redaction(plan.redaction)
    return [*ids, "redaction"]


def agent_config(
    plan: TelemetryPlan,
    services: tuple[ServiceTelemetry, ...],
    signals: Collection[str],
    options: CollectorOptions,
) -> Config:
    """
    Return the configuration of an agent: it collects, says where from, masks and forwards.

    Args:
        signals: What the gateway takes; it would refuse all else, which would wait for ever.
    """
    version = options.target_version or plan.collector_version
    config = base_config(plan.agent, options.agent)
    first, *rest = intake(config, plan, options.agent, plan.agent.memory_limit_mib)
    detection = component_name("resource_detection", version)
    config.processors = {
        first: config.processors[first],
        detection: resource_detection(plan),
        **{name: config.processors[name] for name in rest},
    }
    processors = (first, detection, *rest)
    receivers: dict[str, tuple[str, ...]] = dict.fromkeys(signals, ("otlp",))
    if "logs" in signals:
        receivers["logs"] = ("otlp", *_log_receivers(config, services, version))
    scrapes = [scrape for service in services for scrape in service.scrapes]
    if scrapes and "metrics" in signals:
        config.receivers["prometheus"] = _scraping(scrapes)
        receivers["metrics"] = ("otlp", "prometheus")
    gateway = f"{component_name('otlp_grpc', version)}/gateway"
    spread = _spread(plan, options) if "traces" in signals else None
    exporters = dict.fromkeys(signals, gateway)
    if spread is not None:
        exporters["traces"] = component_name("load_balancing", version)
        config.exporters[exporters["traces"]] = _load_balancing(plan, spread, options)
    if gateway in exporters.values():
        config.exporters[gateway] = _to_gateway(plan, options)
    if options.guard is not None:
        config.extensions[_TOKEN] = {"filename": escaped(options.guard.agent_token_file)}
    config.pipelines = {
        signal: Pipeline(receivers[signal], processors, (exporters[signal],))
        for signal in SIGNALS
        if signal in signals
    }
    return config


def _spread(plan: TelemetryPlan, options: CollectorOptions) -> Mapping[str, Any] | None:
    """Return how to find several gateways, or `None` where there is one."""
    if options.gateway_dns is not None:
        hostname, port = options.gateway_dns
        return {"dns": {"hostname": hostname, "port": str(port)}}
    if options.gateway_targets:
        several = len(options.gateway_targets) > 1
        return {"static": {"hostnames": list(options.gateway_targets)}} if several else None
    resolver = plan.gateway.resolver
    if plan.gateway.replicas <= 1 or resolver is None:
        return None
    if resolver.kind == "static":
        return {"static": {"hostnames": list(resolver.targets)}}
    if resolver.kind == "kubernetes":
        return {"k8s": {"service": resolver.targets[0]}}
    return {"dns": {"hostname": resolver.targets[0]}}


def _to_gateway(plan: TelemetryPlan, options: CollectorOptions) -> dict[str, Any]:
    targets = options.gateway_targets
    address = options.gateway_address or (targets[0] if targets else plan.gateway.address)
    return {
        "endpoint": address,
        "timeout": "10s",
        "compression": "gzip",
        **_login(options),
        "retry_on_failure": retry(),
        "sending_queue": queue(plan.agent.queue_size),
    }


def _login(options: CollectorOptions) -> dict[str, Any]:
    """Return how agents show who they are, and know that it is a gateway."""
    guard = options.guard
    if guard is None:
        return {"tls": {"insecure": True}}
    return {
        "tls": {"ca_file": escaped(guard.ca), "server_name_override": guard.server_name},
        "auth": {"authenticator": _TOKEN},
    }


def _load_balancing(
    plan: TelemetryPlan, resolver: Mapping[str, Any], options: CollectorOptions
) -> dict[str, Any]:
    """Return the exporter that sends all spans of a trace to the same gateway."""
    return {
        "routing_key": "traceID",
        "protocol": {
            "otlp": {
                "timeout": "10s",
                **_login(options),
                # What one gateway refuses goes back to the queue in front, which may then find
                # another gateway for it.
                "retry_on_failure": {"enabled": False},
                "sending_queue": {"enabled": False},
            }
        },
        "resolver": resolver,
        "retry_on_failure": retry(),
        "sending_queue": queue(plan.agent.queue_size),
    }


def _scraping(scrapes: list[Scrape]) -> dict[str, Any]:
    return {
        "config": {
            "scrape_configs": [
                {
                    "job_name": scrape.job,
                    "scrape_interval": str(scrape.interval),
                    "scheme": scrape.scheme,
                    "metrics_path": escaped(scrape.path),
                    "static_configs": [{"targets": list(scrape.targets)}],
                }
                for scrape in scrapes
            ]
        }
    }


def _log_receivers(
    config: Config, services: tuple[ServiceTelemetry, ...], version: str
) -> list[str]:
    """Add one receiver per kind of log file and return their ids."""
    ids = []
    for service in services:
        for index, file in enumerate(service.log_files):
            suffix = f"-{index + 1}" if index else ""
            name = f"{component_name('file_log', version)}/{service.service}{suffix}"
            config.receivers[name] = _log_file(file, service.names[0])
            ids.append(name)
    return ids


def _log_file(file: LogFile, service: str) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "include": [escaped(path) for path in file.paths],
        # Of files that are there before the first start, only what is new; later files whole.
        "start_at": "end",
        "storage": STORAGE,
        "resource": {"service.name": escaped(service)},
        # What is refused is read again, so that a full queue slows reading down.
        "retry_on_failure": {"enabled": True, "max_elapsed_time": 0},
    }
    if file.starts is not None:
        settings["multiline"] = {"line_start_pattern": escaped(file.starts)}
    operators = _operators(file)
    if operators:
        settings["operators"] = operators
    return settings


def _operators(file: LogFile) -> list[dict[str, Any]]:
    """Return the steps from a line to a record; a line that does not fit passes as it is."""
    found: list[dict[str, Any]] = []
    if file.format == "json":
        found.append({"type": "json_parser", "if": 'body matches "^\\\\s*{"'})
    elif file.format == "regex" and file.pattern is not None:
        found.append({"type": "regex_parser", "regex": escaped(file.pattern)})
    for step in found:
        step["on_error"] = "send_quiet"
    if file.severity is not None:
        place = f'attributes["{file.severity}"]'
        found.append({"type": "severity_parser", "parse_from": place, "if": f"{place} != nil"})
    if file.time is not None:
        name, layout = file.time
        place = f'attributes["{name}"]'
        found.append(
            {
                "type": "time_parser",
                "parse_from": place,
                "layout": escaped(layout),
                "if": f"{place} != nil",
                "on_error": "send_quiet",
            }
        )
    return found
