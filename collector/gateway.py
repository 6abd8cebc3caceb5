"""
Make the configuration of the collectors that count, sample and send.

Metrics are made of all spans and all log records, before anything is sampled or routed: an SLI
of a sample would be wrong. So data passes `in`, is counted there, and goes on through a
connector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slo.collector.agent import base_config, intake
from slo.collector.destinations import escaped, exporter_of
from slo.collector.hygiene import attribute_rules
from slo.collector.model import Config, Pipeline
from slo.collector.needs import Needs
from slo.collector.options import CollectorOptions
from slo.collector.ottl import literal, of_services
from slo.collector.sampling import tail_sampling
from slo.collector.versions import component_name
from slo.duration import Duration, seconds
from slo.indicators.log_events import ALL_RECORDS, BAD_RECORDS
from slo.indicators.span_conventions import NAMESPACE
from slo.telemetry import SIGNALS, Destination, ServiceTelemetry, TelemetryPlan

__all__ = ["gateway_config"]

# What identifies a service in metrics; identities of processes would make new series, and so
# new counters, with every deployment.
_IDENTITY = ("service.name", "service.namespace", "deployment.environment.name")
_BUCKETS = (5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000)
_MEANINGS = {
    ALL_RECORDS: "All log records.",
    BAD_RECORDS: "Log records of severity ERROR and above.",
}
_LONGEST_BATCH = seconds(10)
_IS_BAD = "severity_number >= SEVERITY_NUMBER_ERROR"


@dataclass(frozen=True, slots=True)
class _Context:
    plan: TelemetryPlan
    services: tuple[ServiceTelemetry, ...]
    needs: Needs
    options: CollectorOptions
    version: str


def gateway_config(
    plan: TelemetryPlan,
    services: tuple[ServiceTelemetry, ...],
    needs: Needs,
    options: CollectorOptions,
) -> Config:
    """Return the configuration of a gateway."""
    version = options.target_version or plan.collector_version
    context = _Context(plan, services, needs, options, version)
    config = base_config(plan.gateway, options.gateway)
    # `span_metrics` tells by it whose counters are whose. Left out, it is made up at each start,
    # and every restart would make new series, whose first value no `rate()` sees.
    resource = {"collector.instance.id": options.instance}
    config.telemetry = {**config.telemetry, "resource": resource}
    processors = intake(config, plan, options.gateway, plan.gateway.memory_limit_mib, options.guard)
    rules = attribute_rules(services, (*needs.span_attributes, *needs.log_attributes))
    if rules is not None:
        config.processors["transform/attributes"] = rules
    _traces(config, context, tuple(processors), rules is not None)
    _logs(config, context, tuple(processors), rules is not None)
    _metrics(config, context, tuple(processors))
    # A signal that nobody takes leaves its processors behind.
    needed = {name for pipeline in config.pipelines.values() for name in pipeline.processors}
    config.processors = {n: s for n, s in config.processors.items() if n in needed}
    used = {name for pipeline in config.pipelines.values() for name in pipeline.exporters}
    for destination in plan.destinations:
        if _exporter_id(destination, context) in used:
            _add_exporter(config, destination, context)
    return config


def _exporter_id(destination: Destination, context: _Context) -> str:
    return exporter_of(destination, context.plan.gateway, context.version).id


def _add_exporter(config: Config, destination: Destination, context: _Context) -> None:
    tier = context.plan.gateway
    if context.options.gateway.storage is not None:
        tier = tier._replace(storage=context.options.gateway.storage)
    url = context.options.endpoints.get(destination.name, destination.url)
    exporter = exporter_of(destination._replace(url=url), tier, context.version)
    config.exporters[exporter.id] = exporter.settings
    config.extensions.update(exporter.extensions)


def _takes_metrics(context: _Context) -> bool:
    return any(_exporters(context, "metrics", default_only=True))


# --- Traces -----------------------------------------------------------------------------


def _traces(config: Config, context: _Context, intake: tuple[str, ...], rules: bool) -> None:
    to_metrics: tuple[str, ...] = ()
    wanted = context.needs.spans or context.plan.dimensions or context.plan.buckets
    if wanted and _takes_metrics(context):
        spans = component_name("span_metrics", context.version)
        config.connectors[spans] = _span_metrics(context)
        to_metrics = (spans,)
    sampling = tail_sampling(context.plan, context.services, context.needs.slow)
    processors: tuple[str, ...] = ("transform/attributes",) if rules else ()
    if sampling is not None:
        config.processors["tail_sampling"] = sampling
        processors = (*processors, "tail_sampling")
    _deliver(config, context, "traces", intake, to_metrics, processors)


def _span_metrics(context: _Context) -> dict[str, Any]:
    needs, plan = context.needs, context.plan
    histogram: dict[str, Any] = {"unit": "s" if needs.seconds else "ms"}
    if needs.native:
        histogram["exponential"] = {"max_size": 160}
    else:
        bounds = {*map(Duration, _BUCKETS), *needs.bounds, *plan.buckets}
        histogram["explicit"] = {"buckets": [_go_duration(bound) for bound in sorted(bounds)]}
    dimensions = dict.fromkeys(
        (
            *plan.dimensions,
            *(name for service in context.services for name in service.dimensions),
            *needs.span_attributes,
        )
    )
    settings: dict[str, Any] = {
        "namespace": NAMESPACE,
        "histogram": histogram,
        "dimensions": [{"name": name} for name in dimensions],
        "aggregation_temporality": "AGGREGATION_TEMPORALITY_CUMULATIVE",
        "metrics_flush_interval": _go_duration(context.options.metrics_interval),
        "resource_metrics_key_attributes": list(_IDENTITY),
        "exemplars": {"enabled": True, "max_per_data_point": 2},
    }
    if not dimensions:
        del settings["dimensions"]
    if not needs.span_names:
        # Names of spans are many, and no SLO asks for them.
        settings["exclude_dimensions"] = ["span.name"]
    return settings


def _go_duration(length: Duration) -> str:
    """
    Return *length* in Go's notation, which knows no days.

    >>> _go_duration(Duration(1500)), _go_duration(Duration(2000))
    ('1500ms', '2s')
    """
    whole = length.milliseconds % 1000 == 0
    return f"{length.milliseconds // 1000}s" if whole else f"{length.milliseconds}ms"


# --- Logs -------------------------------------------------------------------------------


def _logs(config: Config, context: _Context, intake: tuple[str, ...], rules: bool) -> None:
    to_metrics: tuple[str, ...] = ()
    counters: dict[str, list[str]] = {}
    for service in context.services:
        for name, condition in _own(service).items():
            # Several services may count under one name; a record counts where one of them says so.
            counters.setdefault(name, []).append(condition)
    wanted = counters or any(not u.metric.startswith(NAMESPACE) for u in context.needs.uses)
    if wanted and _takes_metrics(context):
        config.connectors["count"] = {"logs": _counts(context, counters)}
        to_metrics = ("count",)
    processors = ("transform/attributes",) if rules else ()
    _deliver(config, context, "logs", intake, to_metrics, processors)


def _own(service: ServiceTelemetry) -> Mapping[str, str]:
    """Return the counters of *service*, each for its own records only."""
    where = of_services(service.names)
    return {
        name: f"({where}) and ({escaped(condition)})"
        for name, condition in service.log_counters.items()
    }


def _counts(context: _Context, counters: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    names = dict.fromkeys(("service.name", *context.needs.log_attributes))
    # A record without one of the attributes would not be counted at all, but for the default.
    attributes = [{"key": name, "default_value": ""} for name in names]
    conditions: dict[str, Sequence[str]] = {ALL_RECORDS: (), BAD_RECORDS: (_IS_BAD,), **counters}
    return {
        name: {
            "description": _MEANINGS.get(name, "Log records, counted by a condition."),
            **({"conditions": list(wanted)} if wanted else {}),
            "attributes": attributes,
        }
        for name, wanted in conditions.items()
    }


# --- Metrics ----------------------------------------------------------------------------


def _metrics(config: Config, context: _Context, intake: tuple[str, ...]) -> None:
    _deliver(config, context, "metrics", intake, (), ())
    exporters = tuple(_exporters(context, "metrics", default_only=True))
    if not exporters:
        return
    for connector in config.connectors:
        if connector == component_name("span_metrics", context.version):
            config.processors["transform/span-metrics"] = _identity()
            config.pipelines["metrics/spans"] = Pipeline(
                (connector,), ("transform/span-metrics",), exporters
            )
        elif connector == "count":
            config.pipelines["metrics/log-counts"] = Pipeline(
                (connector,), _count_processors(config, context), exporters
            )


def _keep_identity() -> dict[str, Any]:
    names = ", ".join(literal(name) for name in _IDENTITY)
    return {"context": "resource", "statements": [f"keep_keys(attributes, [{names}])"]}


def _identity() -> dict[str, Any]:
    return {"error_mode": "propagate", "metric_statements": [_keep_identity()]}


def _count_processors(config: Config, context: _Context) -> tuple[str, ...]:
    """
    Add what makes counters of the counts of single requests.

    The connector gives one number for each request, with the times of its log records. They
    are collected (one at a time, which only the batch processor does), brought together by
    service, added up at one time, and then added to what there was.
    """
    delta = component_name("delta_to_cumulative", context.version)
    instance = context.options.instance
    config.processors |= {
        "batch/log-counts": {
            "timeout": _go_duration(min(context.options.metrics_interval, _LONGEST_BATCH)),
            "send_batch_size": 8192,
        },
        "transform/log-counts": _identity(),
        "groupbyattrs/log-counts": {},
        "transform/log-sums": {
            "error_mode": "propagate",
            "metric_statements": [
                {
                    "context": "datapoint",
                    "statements": ["set(time_unix_nano, 1)", "set(start_time_unix_nano, 1)"],
                },
                {"context": "metric", "statements": ['aggregate_on_attributes("sum")']},
                {
                    "context": "datapoint",
                    "statements": [
                        "set(start_time, Now())",
                        "set(time, Now())",
                        f'set(attributes["collector.instance.id"], "{instance}")',
                    ],
                },
            ],
        },
        delta: {"max_stale": "24h"},
    }
    return (
        "batch/log-counts",
        "transform/log-counts",
        "groupbyattrs/log-counts",
        "transform/log-sums",
        delta,
    )


# --- Delivery ---------------------------------------------------------------------------


def _deliver(
    config: Config,
    context: _Context,
    signal: str,
    intake: tuple[str, ...],
    to_metrics: tuple[str, ...],
    processors: tuple[str, ...],
) -> None:
    """
    Add the pipelines of *signal*: in, through *processors*, and on to destinations by team.

    Args:
        to_metrics: Connectors that count everything, before *processors* change anything.
    """
    routes = _routes(context, signal)
    exporters = tuple(_exporters(context, signal, default_only=True))
    if not (exporters or routes or to_metrics):
        return
    if not (routes or to_metrics):
        config.pipelines[signal] = Pipeline(("otlp",), (*intake, *processors), exporters)
        return
    source = "otlp"
    if to_metrics:
        goes_on = bool(exporters or routes)
        onward = f"forward/{signal}"
        config.pipelines[f"{signal}/in"] = Pipeline(
            ("otlp",), intake, (*to_metrics, *((onward,) if goes_on else ()))
        )
        if not goes_on:
            return
        config.connectors[onward] = {}
        source, intake = onward, ()
    if not routes:
        config.pipelines[f"{signal}/out"] = Pipeline((source,), (*intake, *processors), exporters)
        return
    _route(config, context, signal, source, (*intake, *processors))


def _route(
    config: Config, context: _Context, signal: str, source: str, processors: tuple[str, ...]
) -> None:
    """
    Add one pipeline per team and one for all others, each of which drops what is not for it.

    The sampler has to see whole traces, which span teams, so it stands before.
    """
    onward = f"forward/{signal}-to"
    config.pipelines[f"{signal}/all"] = Pipeline((source,), processors, (onward,))
    config.connectors[onward] = {}
    routes = _routes(context, signal)
    for owner, (names, exporters) in routes.items():
        _filtered(config, f"{signal}/to-{owner}", onward, f"not ({of_services(names)})", exporters)
    default = tuple(_exporters(context, signal, default_only=True))
    if default and signal == "metrics":
        # Objectives of every team are measured there.
        config.pipelines["metrics/everybody"] = Pipeline((onward,), (), default)
    elif default:
        routed = of_services(name for names, _ in routes.values() for name in names)
        _filtered(config, f"{signal}/others", onward, routed, default)


def _filtered(
    config: Config, pipeline: str, source: str, dropped: str, exporters: tuple[str, ...]
) -> None:
    signal, _, name = pipeline.partition("/")
    level = {"traces": "span", "metrics": "metric", "logs": "log_record"}[signal]
    processor = f"filter/{signal}-{name}"
    config.processors[processor] = {"error_mode": "propagate", signal: {level: [dropped]}}
    config.pipelines[pipeline] = Pipeline((source,), (processor,), exporters)


def _exporters(context: _Context, signal: str, default_only: bool = False) -> Iterable[str]:
    for destination in context.plan.destinations:
        if signal in destination.signals and (destination.default or not default_only):
            yield _exporter_id(destination, context)


def _routes(context: _Context, signal: str) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return, by owner, the names of its services and the exporters that take *signal*."""
    assert signal in SIGNALS
    found: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for route in context.plan.routes:
        names = tuple(
            name
            for service in context.services
            if service.owner == route.owner
            for name in service.names
        )
        exporters = tuple(
            _exporter_id(destination, context)
            for destination in context.plan.destinations
            if destination.name in route.destinations and signal in destination.signals
        )
        if names and exporters:
            found[route.owner] = (names, exporters)
    return found
