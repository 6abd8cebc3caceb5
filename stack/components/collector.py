"""Describe the two tiers of the OpenTelemetry Collector: agents near the programs, gateways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import yaml

from slo.collector.emit import AGENT as AGENT_FILE
from slo.collector.emit import GATEWAY as GATEWAY_FILE
from slo.collector.emit import collector_artifacts
from slo.collector.options import CollectorOptions, Guard, TierOptions
from slo.diagnostics import Span, has_errors
from slo.errors import CompileFailed
from slo.plan import SpecSet
from slo.stack.components.context import CA, GATEWAY_TOKEN, TLS_CERTIFICATE, TLS_KEY, Context
from slo.stack.components.model import Component, Probe, Secret, Volume
from slo.stack.components.reading import writer, writer_path
from slo.telemetry import Destination, Route, TelemetryPlan, Tls
from slo.telemetry import Secret as TelemetrySecret

__all__ = ["AGENT", "GATEWAY", "collectors", "takes_traces"]

AGENT = "collector-agent"
GATEWAY = "collector-gateway"
_CONFIG = "config.yaml"
# The limit is that of the container, in MiB; the collector refuses data well before that, or
# it would be killed with everything it holds.
_LIMIT_MIB = {AGENT: 256, GATEWAY: 1024}
_LIMITER_SHARE = 0.8
_WRITE = "/api/v1/write"


def collectors(context: Context) -> tuple[Component, Component]:
    """
    Return gateway and agent, as the specs describe them.

    Specs that say nothing of telemetry get the usual: everything to the stack's own backends.

    Raises:
        CompileFailed: What the specs say of telemetry cannot be.
    """
    secrets: list[Secret] = []
    specs = _placed(context, secrets)
    texts = _texts(context, specs)
    backends = (writer(context), "loki", "jaeger")
    gateway = _collector(
        context, GATEWAY, "counts, samples and sends telemetry on", backends, texts[GATEWAY_FILE]
    )
    agent = _collector(
        context, AGENT, "takes telemetry from programs", (GATEWAY,), texts[AGENT_FILE]
    )
    if context.access(GATEWAY).tls:
        token = context.secret(GATEWAY, GATEWAY_TOKEN, "token of who sends OTLP", generated=True)
        secrets += [*context.tls_secrets(GATEWAY), token]
    agent = _with(agent, list(context.client_secrets(AGENT, GATEWAY)))
    return _with(gateway, secrets), _reading(agent, specs)


def takes_traces(context: Context) -> bool:
    """Tell whether the agent takes spans: not where nobody counts them or wants them."""
    agent = yaml.safe_load(_texts(context, _placed(context, []))[AGENT_FILE])
    return any(name.startswith("traces") for name in agent["service"]["pipelines"])


def _texts(context: Context, specs: SpecSet) -> dict[str, str]:
    artifacts, diagnostics = collector_artifacts(specs, _options(context))
    if has_errors(diagnostics):
        raise CompileFailed(diagnostics)
    return {artifact.path: artifact.text for artifact in artifacts}


def _collector(
    context: Context, name: str, role: str, needs: tuple[str, ...], text: str
) -> Component:
    places = context.places
    path = places.config(name, _CONFIG)
    resources = context.resources(name, 0.25, _LIMIT_MIB[name] // 2, _LIMIT_MIB[name])
    return Component(
        name=name,
        role=role,
        image=context.image("collector"),
        program="otelcol",
        arguments=(f"--config={path}",),
        environment={"GOMEMLIMIT": f"{int(resources.memory_limit_mib * _LIMITER_SHARE)}MiB"},
        ports=context.ports(name),
        # The image holds the collector alone, with nothing to ask it with.
        probe=Probe("health", "/", 60),
        resources=resources,
        configs=(context.config(name, _CONFIG, text),),
        volumes=(Volume(f"{name}-queue", places.data(name), 5),),
        check=("otelcol", "validate", f"--config={path}"),
        needs=context.needs(*needs),
        replicas=context.settings.replica_count(name) if name == GATEWAY else 1,
        user=10001,
        scalable=name == GATEWAY,
        every_node=name == AGENT,
        access=context.access(name),
    )


def _with(component: Component, secrets: list[Secret]) -> Component:
    return replace(component, secrets=tuple(dict.fromkeys(secrets)))


def _reading(agent: Component, specs: SpecSet) -> Component:
    """Let the agent see the folders of the log files that services write."""
    folders = {
        _fixed_folder(pattern)
        for service in specs.services
        if service.telemetry is not None
        for file in service.telemetry.log_files
        for pattern in file.paths
    }
    return replace(agent, host_folders=tuple(sorted(folders)))


def _fixed_folder(pattern: str) -> str:
    """
    Return the longest folder before anything variable.

    >>> _fixed_folder("/var/log/billing/*.log"), _fixed_folder("/var/log/*/app.log")
    ('/var/log/billing', '/var/log')
    """
    parts: list[str] = []
    for part in PurePosixPath(pattern).parent.parts:
        if any(sign in part for sign in "*?[{"):
            break
        parts.append(part)
    return str(PurePosixPath(*parts))


def _options(context: Context) -> CollectorOptions:
    major, minor = context.versions.collector
    places, replicas = context.places, context.settings.replica_count(GATEWAY)
    port = "otlp-grpc"
    targets = tuple(places.instance(GATEWAY, index, port) for index in range(replicas))
    address, each = places.address(GATEWAY, port), places.each(GATEWAY, port)
    # A target with a name for every gateway there is may add some at any time.
    hostname, _, number = each.rpartition(":")
    return CollectorOptions(
        target_version=f"{major}.{minor}",
        agent=_tier(context, AGENT),
        gateway=_tier(context, GATEWAY),
        gateway_address=address,
        gateway_targets=targets if replicas > 1 else (),
        gateway_dns=(hostname, int(number)) if each != address else None,
        guard=_guard(context, address) if context.access(GATEWAY).tls else None,
        metrics_interval=context.settings.scrape_interval,
    )


def _guard(context: Context, address: str) -> Guard:
    secret = context.places.secret
    return Guard(
        secret(GATEWAY, TLS_CERTIFICATE),
        secret(GATEWAY, TLS_KEY),
        secret(GATEWAY, GATEWAY_TOKEN),
        secret(AGENT, CA),
        secret(AGENT, GATEWAY_TOKEN),
        address.rpartition(":")[0],
    )


def _tier(context: Context, name: str) -> TierOptions:
    host = context.places.listen(name, "health").rpartition(":")[0]
    limit = context.resources(name, 0, 1, _LIMIT_MIB[name]).memory_limit_mib
    return TierOptions(
        host=host,
        otlp_grpc=context.port(name, "otlp-grpc").number,
        otlp_http=context.port(name, "otlp-http").number,
        health=context.port(name, "health").number,
        metrics=context.port(name, "metrics").number,
        storage=context.places.data(name),
        memory_limit_mib=int(limit * _LIMITER_SHARE),
    )


# --- Destinations -----------------------------------------------------------------------


def _placed(context: Context, secrets: list[Secret]) -> SpecSet:
    """Return the specs with every destination where it is in this stack."""
    specs = context.compiled.specs
    plan = specs.telemetry[0] if specs.telemetry else _usual(context)
    destinations = [
        _with_secrets(context, destination, secrets)
        for given in plan.destinations
        if (destination := _own(context, given, secrets)) is not None
    ]
    if not destinations:
        span = plan.span
        destinations = [Destination("nowhere", "debug", span, ("traces", "metrics", "logs"))]
    return specs._replace(
        telemetry=(
            plan._replace(
                destinations=tuple(destinations), routes=_routes(plan.routes, destinations)
            ),
        )
    )


def _routes(routes: Iterable[Route], destinations: Iterable[Destination]) -> tuple[Route, ...]:
    """Return *routes* without destinations that the stack does not have."""
    names = {destination.name for destination in destinations}
    kept = (r._replace(destinations=tuple(d for d in r.destinations if d in names)) for r in routes)
    return tuple(route for route in kept if route.destinations)


def _usual(context: Context) -> TelemetryPlan:
    span = Span("slostack.yaml")
    found = [
        Destination("metrics", "prometheus", span, ("metrics",), "http://prometheus:9090"),
        Destination("logs", "loki", span, ("logs",), "http://loki:3100"),
        Destination("traces", "jaeger", span, ("traces",), "http://jaeger:4317", "grpc"),
    ]
    return TelemetryPlan(tuple(found), span)


# What specs call the stack's own backends, by the host in the address.
_METRICS_HOSTS = frozenset(("mimir", "prometheus", "victoria-metrics", "victoriametrics"))


def _own(context: Context, given: Destination, secrets: list[Secret]) -> Destination | None:
    """
    Return where *given* is in this stack; `None` for a part that the stack does not have.

    Its own backends are known by their host, such as `http://loki:3100`; everything else stays
    as it is.
    """
    host = urlsplit(given.url).hostname or ""
    if host in _METRICS_HOSTS and given.kind in ("prometheus", "victoriametrics", "mimir"):
        return _metrics(context, given, secrets)
    if host == "loki" and given.kind == "loki":
        return given._replace(url=context.url("loki")) if context.has("loki") else None
    if host == "jaeger" and given.kind == "jaeger":
        if not context.has("jaeger"):
            return None
        address = context.places.address("jaeger", "otlp-grpc")
        return given._replace(url=f"http://{address}", protocol="grpc")
    return given


def _metrics(context: Context, given: Destination, secrets: list[Secret]) -> Destination:
    """Send metrics by remote write, which every server of a stack takes."""
    server = writer(context)
    root = writer_path(server).removesuffix(_WRITE)
    placed = given._replace(
        kind="prometheus", url=context.url(server, "http", root), protocol="remote_write"
    )
    access = context.access(server)
    if not access.tls:
        return placed
    secrets += context.client_secrets(GATEWAY, server)
    return placed._replace(
        tls=Tls(ca_file=context.places.secret(GATEWAY, CA)),
        username=access.user,
        password=TelemetrySecret("file", context.places.secret(GATEWAY, access.password)),
    )


def _with_secrets(context: Context, given: Destination, secrets: list[Secret]) -> Destination:
    """Read every secret of a destination from where the stack puts it, by its last name."""
    known = {secret.path for secret in secrets}

    def placed(found: TelemetrySecret | None, what: str) -> TelemetrySecret | None:
        if found is None or found.name in known:
            return found
        name = PurePosixPath(found.name).name
        secrets.append(context.secret(GATEWAY, name, f"{what} of destination `{given.name}`"))
        return TelemetrySecret("file", context.places.secret(GATEWAY, name))

    headers = {
        name: value if isinstance(value, str) else placed(value, f"header `{name}`") or ""
        for name, value in given.headers.items()
    }
    return given._replace(
        token=placed(given.token, "token"),
        password=placed(given.password, "password"),
        headers=headers,
    )
