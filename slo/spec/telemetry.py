"""Read what specs say of telemetry: the key of a service, and documents of kind Telemetry."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from slo.diagnostics import Severity, Span
from slo.duration import Duration, seconds
from slo.plan import SpecSet
from slo.schema import checker, closest
from slo.source import Document, Map, Source, key_span, raw_text, span_of
from slo.spec.context import ReadContext
from slo.spec.lowering import value_span
from slo.spec.telemetry_checks import check_resolver, check_routes, usable_address
from slo.telemetry import (
    DEFAULT_COLLECTOR_VERSION,
    SIGNALS,
    Destination,
    LogFile,
    Redaction,
    Resolver,
    Route,
    Scrape,
    Secret,
    ServiceTelemetry,
    TelemetryPlan,
    Tier,
    Tls,
)

__all__ = ["DESTINATION_KINDS", "read_service_telemetry", "read_telemetry"]

_OLDEST = (0, 144)
_SECRET_HEADER = re.compile(
    r"(\A|[-_])(api-?key|auth\w*|cookie|key|pass\w*|secret|token)([-_]|\Z)", re.IGNORECASE
)
_DEFAULT_BASELINE = Decimal(10)

DESTINATION_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "prometheus": (("metrics",), ("otlp", "remote_write")),
    "victoriametrics": (("metrics",), ("remote_write", "otlp")),
    "mimir": (("metrics",), ("otlp", "remote_write")),
    "loki": (("logs",), ("otlp",)),
    "elasticsearch": (("logs",), ()),
    "jaeger": (("traces",), ("grpc", "http")),
    "tempo": (("traces",), ("grpc", "http")),
    "zipkin": (("traces",), ()),
    "datadog": (SIGNALS, ()),
    "otlp": (SIGNALS, ("http", "grpc")),
    "debug": (SIGNALS, ()),
}
"""What each kind of destination takes, and how it can be sent there, the usual way first."""

# Elasticsearch takes spans as well, but nothing of the stack would show them.
_ALSO = {"elasticsearch": ("traces",)}
_WITHOUT_URL = frozenset(("datadog", "debug"))
_TENANTS = frozenset(("loki", "mimir", "tempo"))


def read_telemetry(document: Document, context: ReadContext) -> SpecSet:
    """Return the plan of a Telemetry document."""
    assert document.node is not None
    found = checker("slo-v1", "Telemetry").check(document.source, document.root, document.node)
    context.diagnostics.extend(found)
    if any(d.is_error for d in found):
        return SpecSet()
    plan = _TelemetryReader(document.source, context, document.root).read()
    return SpecSet(telemetry=(plan,))


def read_service_telemetry(source: Source, service: Map) -> ServiceTelemetry | None:
    """Return what a checked *service* says of its telemetry; `None` when it says nothing."""
    declared = service.get("telemetry")
    if declared is None:
        return None
    logs = declared.get("logs") or {}
    sampling = declared.get("sampling") or Map(declared.node)
    attributes = declared.get("attributes") or {}
    return ServiceTelemetry(
        service=service["service"],
        names=tuple(declared.get("names") or (service["service"],)),
        span=key_span(source, service, "telemetry"),
        owner=service.get("owner"),
        log_files=tuple(_log_file(entry) for entry in logs.get("files") or ()),
        log_counters=dict(logs.get("count") or {}),
        scrapes=tuple(_scrape(entry) for entry in declared.get("scrape") or ()),
        baseline=_percentage(sampling, "baseline"),
        slower_than=_duration(sampling, "slower_than"),
        keep=tuple(attributes.get("keep") or ()),
        drop=tuple(attributes.get("drop") or ()),
        hash=tuple(attributes.get("hash") or ()),
        dimensions=tuple(declared.get("dimensions") or ()),
    )


def _log_file(entry: Map) -> LogFile:
    time = entry.get("time")
    return LogFile(
        paths=tuple(entry["paths"]),
        format=entry.get("format", "plain"),
        pattern=entry.get("pattern"),
        starts=entry.get("starts"),
        severity=entry.get("severity"),
        time=(time["field"], time["layout"]) if time else None,
    )


def _scrape(entry: Map) -> Scrape:
    return Scrape(
        job=entry["job"],
        targets=tuple(entry["targets"]),
        path=entry.get("path", "/metrics"),
        scheme=entry.get("scheme", "http"),
        interval=_duration(entry, "interval") or seconds(15),
    )


def _percentage(container: Map, key: str) -> Decimal | None:
    return Decimal(raw_text(container, key)) if key in container else None


def _duration(container: Map, key: str) -> Duration | None:
    return Duration.parse(container[key]) if key in container else None


def _secret(text: str | None) -> Secret | None:
    if text is None:
        return None
    source, _, name = text.partition(":")
    return Secret(source, name)


def _header(text: str) -> str | Secret:
    """Return a header's value; one that names a variable or a file is a secret."""
    return Secret(*text.split(":", 1)) if text.startswith(("env:", "file:/")) else text


class _TelemetryReader:
    """Lower one checked Telemetry document."""

    def __init__(self, source: Source, context: ReadContext, root: Map) -> None:
        self._source = source
        self._context = context
        self._root = root

    def read(self) -> TelemetryPlan:
        root = self._root
        sampling = root.get("sampling") or Map(root.node)
        spans = root.get("span_metrics") or {}
        baseline = _percentage(sampling, "baseline")
        destinations = self._destinations()
        return TelemetryPlan(
            destinations=destinations,
            span=value_span(self._source, root, "kind"),
            agent=self._tier("agent", Tier(memory_limit_mib=256)),
            gateway=self._tier("gateway", Tier(1024, address="otel-gateway:4317")),
            collector_version=self._version(),
            environment=root.get("environment"),
            detectors=tuple(root.get("detectors") or ("env", "system")),
            routes=self._routes(destinations),
            redaction=self._redaction(),
            baseline=_DEFAULT_BASELINE if baseline is None else baseline,
            decision_wait=_duration(sampling, "decision_wait") or seconds(30),
            buckets=tuple(Duration.parse(text) for text in spans.get("buckets") or ()),
            dimensions=tuple(spans.get("dimensions") or ()),
        )

    def _version(self) -> str:
        version: str = self._root.get("collector_version", DEFAULT_COLLECTOR_VERSION)
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
            self._context.report(
                "SLO705",
                value_span(self._source, self._root, "collector_version"),
                f"no configuration for a collector as old as {version}",
                f"use {'.'.join(map(str, _OLDEST))} or later",
            )
        return version

    def _redaction(self) -> Redaction:
        declared = self._root.get("redaction") or {}
        keys, values, allow = (tuple(declared.get(k) or ()) for k in ("keys", "values", "allow"))
        return Redaction(keys, values, allow, declared.get("emails", True))

    def _tier(self, name: str, default: Tier) -> Tier:
        declared = self._root.get(name) or Map(self._root.node)
        check_resolver(self._source, declared, self._context)
        known = {k: declared[k] for k in Tier._fields if k in declared and k != "resolver"}
        tier = default._replace(**known, resolver=_resolver(declared.get("resolver")))
        if tier.replicas > 1 and tier.resolver is None:
            self._context.report(
                "SLO706",
                value_span(self._source, declared, "replicas"),
                f"{tier.replicas} gateways, and agents cannot tell them apart",
                "give `resolver`: spans of one trace must meet in one gateway to be sampled right",
            )
        return tier

    def _destinations(self) -> tuple[Destination, ...]:
        found: dict[str, Destination] = {}
        for entry in self._root["destinations"]:
            destination = self._destination(entry)
            known = found.setdefault(destination.name, destination)
            if known is not destination:
                self._context.report(
                    "SLO702",
                    destination.span,
                    f"destination `{destination.name}` is declared twice",
                    "give each its own name: queues and metrics are told apart by it",
                    related=(("declared first here", known.span),),
                )
        for signal in SIGNALS:
            takers = [d for d in found.values() if signal in d.signals]
            if takers and not any(d.default for d in takers):
                self._context.report(
                    "SLO707",
                    takers[0].span,
                    f"no default destination for {signal}: what no route takes is dropped",
                    "leave out `default: false` of one of them",
                    Severity.WARNING,
                )
        return tuple(found.values())

    def _destination(self, entry: Map) -> Destination:
        kind = entry["kind"]
        signals, protocols = DESTINATION_KINDS[kind]
        self._check_destination(entry, kind, signals, protocols)
        protocol = entry.get("protocol") or (protocols[0] if protocols else None)
        tls = entry.get("tls") or {}
        return Destination(
            name=entry["name"],
            kind=kind,
            span=value_span(self._source, entry, "name"),
            signals=tuple(s for s in SIGNALS if s in (entry.get("signals") or signals)),
            url=usable_address(self._source, entry, protocol, self._context),
            protocol=protocol,
            default=entry.get("default", True),
            tenant=entry.get("tenant"),
            token=_secret(entry.get("token")),
            username=entry.get("username"),
            password=_secret(entry.get("password")),
            headers={k: _header(v) for k, v in (entry.get("headers") or {}).items()},
            tls=Tls(*(tls.get(name) for name in Tls._fields)),
            site=entry.get("site"),
            index_name=entry.get("index"),
            naming=entry.get("naming", "escaped"),
        )

    def _check_destination(
        self, entry: Map, kind: str, signals: tuple[str, ...], protocols: tuple[str, ...]
    ) -> None:
        if kind not in _WITHOUT_URL and "url" not in entry:
            self._refuse(entry, "kind", f"`{kind}` needs an address", "give `url`")
        for index, signal in enumerate(entry.get("signals") or ()):
            if signal not in (*signals, *_ALSO.get(kind, ())):
                span = span_of(self._source, entry["signals"].nodes[index])
                words = ", ".join((*signals, *_ALSO.get(kind, ())))
                self._context.report(
                    "SLO704", span, f"`{kind}` does not take {signal}", f"it takes {words}"
                )
        if "protocol" in entry and entry["protocol"] not in protocols:
            known = " or ".join(f"`{p}`" for p in protocols) or "its own; leave it out"
            self._refuse(entry, "protocol", f"`{kind}` does not speak `{entry['protocol']}`", known)
        if "tenant" in entry and kind not in _TENANTS:
            self._refuse(entry, "tenant", f"`{kind}` has no tenants", "use `headers` if it does")
        if kind == "datadog" and "token" not in entry:
            self._refuse(entry, "kind", "`datadog` needs its key", "give `token: env:DD_API_KEY`")
        self._check_secrets(entry)
        self._check_encryption(entry, protocols)
        if ("username" in entry) != ("password" in entry):
            key = "username" if "username" in entry else "password"
            self._refuse(entry, key, "user name and password belong together", "give both")

    def _check_encryption(self, entry: Map, protocols: tuple[str, ...]) -> None:
        """Report what the collector refuses to start with: it sends no secret by plain gRPC."""
        speaks = entry.get("protocol") or (protocols[0] if protocols else None)
        key = "token" if "token" in entry else "username"
        if speaks == "grpc" and key in entry and urlsplit(entry.get("url", "")).scheme != "https":
            self._refuse(
                entry,
                key,
                "the collector sends no token or password by gRPC without TLS",
                "give an address with `https://`, or `protocol: http`",
            )

    def _check_secrets(self, entry: Map) -> None:
        """Report secrets in places where the schema cannot tell them from other text."""
        if _has_password(entry.get("url", "")):
            self._context.report(
                "SLO703",
                value_span(self._source, entry, "url"),
                "the address has a password inside",
                "give `username`, and `password: env:NAME` or `file:/path`",
            )
        headers = entry.get("headers") or Map(entry.node)
        for name, value in headers.items():
            if _SECRET_HEADER.search(name) and not isinstance(_header(value), Secret):
                self._context.report(
                    "SLO703",
                    value_span(self._source, headers, name),
                    f"header `{name}` holds what should be secret",
                    "write where it is found, `env:NAME` or `file:/path`",
                )

    def _refuse(self, entry: Map, key: str, message: str, hint: str) -> None:
        self._context.report("SLO704", value_span(self._source, entry, key), message, hint)

    def _routes(self, destinations: tuple[Destination, ...]) -> tuple[Route, ...]:
        names = [d.name for d in destinations]
        check_routes(self._source, self._root.get("routes") or (), self._context)
        routes = []
        for entry in self._root.get("routes") or ():
            span = value_span(self._source, entry, "owner")
            for index, name in enumerate(entry["destinations"]):
                if name not in names:
                    place = span_of(self._source, entry["destinations"].nodes[index])
                    self._unknown(name, names, place)
            routes.append(Route(entry["owner"], tuple(entry["destinations"]), span))
        return tuple(routes)

    def _unknown(self, name: str, names: list[str], span: Span) -> None:
        guess = closest(name, names)
        hint = f"did you mean `{guess}`?" if guess else f"known: {', '.join(names)}"
        self._context.report("SLO708", span, f"no destination `{name}`", hint)


def _has_password(url: str) -> bool:
    try:
        return bool(urlsplit(url).password)
    except ValueError:
        return False


def _resolver(declared: Any) -> Resolver | None:
    if not declared:
        return None
    kind = next(iter(declared))
    target = declared[kind]
    return Resolver(kind, (target,) if isinstance(target, str) else tuple(target))
