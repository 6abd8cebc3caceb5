"""Hold what specs say of traces, metrics and logs: what services send, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from slo.diagnostics import Span
from slo.duration import Duration, seconds

__all__ = [
    "DEFAULT_COLLECTOR_VERSION",
    "SIGNALS",
    "Destination",
    "LogFile",
    "Redaction",
    "Resolver",
    "Route",
    "Scrape",
    "Secret",
    "ServiceTelemetry",
    "TelemetryPlan",
    "Tier",
    "Tls",
]

SIGNALS = ("traces", "metrics", "logs")
DEFAULT_COLLECTOR_VERSION = "0.161"

_NONE: Mapping[str, str] = {}


class Secret(NamedTuple):
    """Say where a secret is found: `env` or `file`, and the name of the variable or the path."""

    source: str
    name: str


class Tls(NamedTuple):
    """Name the files of a connection's certificates."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None


class Destination(NamedTuple):
    """
    Name one backend.

    Args:
        kind: `prometheus`, `loki`, `jaeger`, ...
        protocol: `None` for the usual one of the kind.
        signals: What is sent there, of `SIGNALS`.
        default: It takes what no route takes.
        naming: How names are translated, by the words of typed indicators.
    """

    name: str
    kind: str
    span: Span
    signals: tuple[str, ...]
    url: str = ""
    protocol: str | None = None
    default: bool = True
    tenant: str | None = None
    token: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    headers: Mapping[str, str | Secret] = _NONE
    tls: Tls = Tls()
    site: str | None = None
    index_name: str | None = None
    naming: str = "escaped"


class Route(NamedTuple):
    """Send what an owner's services send to destinations of its own."""

    owner: str
    destinations: tuple[str, ...]
    span: Span


class Resolver(NamedTuple):
    """Say how agents find the gateways: `static`, `dns` or `kubernetes`, and what to ask for."""

    kind: str
    targets: tuple[str, ...]


class Tier(NamedTuple):
    """
    Hold what bounds one tier of collectors.

    Args:
        queue_size: Requests that wait for one backend.
        storage: Folder that keeps the queues over a restart.
    """

    memory_limit_mib: int
    queue_size: int = 10_000
    storage: str = "/var/lib/otelcol"
    address: str = ""
    replicas: int = 1
    resolver: Resolver | None = None


class Redaction(NamedTuple):
    """Add to what is masked: keys of attributes and text in values, as regular expressions."""

    keys: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    emails: bool = True


class LogFile(NamedTuple):
    """
    Read log lines from files.

    Args:
        format: `plain`, `json` or `regex`.
        pattern: Regular expression with named groups, for `regex`.
        starts: Regular expression of the first line of a record of several lines.
        severity: Field with the severity.
        time: Field with the time, and its layout in the notation of strptime.
    """

    paths: tuple[str, ...]
    format: str = "plain"
    pattern: str | None = None
    starts: str | None = None
    severity: str | None = None
    time: tuple[str, str] | None = None


class Scrape(NamedTuple):
    """Scrape a Prometheus endpoint, for programs that do not send OTLP yet."""

    job: str
    targets: tuple[str, ...]
    path: str = "/metrics"
    scheme: str = "http"
    interval: Duration = seconds(15)


class ServiceTelemetry(NamedTuple):
    """
    Say what one service sends, and how to treat it.

    Args:
        names: Values of the resource attribute `service.name` of its telemetry.
        log_counters: Metric name with the OTTL condition of the log records that it counts.
        baseline: Percentage of ordinary traces to keep; `None` for that of the platform.
        slower_than: Keep traces with a server span that takes longer, besides those that
            violate an SLO.
        dimensions: Attributes that span metrics keep apart.
    """

    service: str
    names: tuple[str, ...]
    span: Span
    owner: str | None = None
    log_files: tuple[LogFile, ...] = ()
    log_counters: Mapping[str, str] = _NONE
    scrapes: tuple[Scrape, ...] = ()
    baseline: Decimal | None = None
    slower_than: Duration | None = None
    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()


class TelemetryPlan(NamedTuple):
    """
    Hold what the platform says of its collectors.

    Args:
        collector_version: Version to write configuration for, such as `0.161`.
        environment: Value of the resource attribute `deployment.environment.name`.
        detectors: What finds out about the machine; each must fit the platform.
        baseline: Percentage of ordinary traces to keep.
        decision_wait: How long the spans of a trace are waited for.
    """

    destinations: tuple[Destination, ...]
    span: Span
    agent: Tier = Tier(memory_limit_mib=256)
    gateway: Tier = Tier(memory_limit_mib=1024, address="otel-gateway:4317")
    collector_version: str = DEFAULT_COLLECTOR_VERSION
    environment: str | None = None
    detectors: tuple[str, ...] = ("env", "system")
    routes: tuple[Route, ...] = ()
    redaction: Redaction = Redaction()
    baseline: Decimal = Decimal(10)
    decision_wait: Duration = seconds(30)
    buckets: tuple[Duration, ...] = ()
    dimensions: tuple[str, ...] = ()
