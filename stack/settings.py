"""Hold what a user decides about a stack; everything has a default that works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slo.duration import Duration, seconds

__all__ = [
    "ENGINES",
    "LOOPBACK",
    "OPTIONAL_PARTS",
    "Deadman",
    "Exposure",
    "Notifications",
    "StackSettings",
]

LOOPBACK = "127.0.0.1"
ENGINES = ("prometheus", "victoria-metrics")
# Parts that a settings file may leave out.
OPTIONAL_PARTS = ("alertmanager", "collector", "engine", "grafana", "jaeger", "loki")


@dataclass(frozen=True, slots=True)
class Exposure:
    """
    Say where people and programs outside the stack reach one component.

    On any address but the loopback one, TLS and authentication come with it.

    Args:
        address: To listen on, of the machine.
        port: `None` for the component's own number.
    """

    address: str = LOOPBACK
    port: int | None = None

    @property
    def is_public(self) -> bool:
        """Tell whether others than this machine can reach it."""
        return self.address not in (LOOPBACK, "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Deadman:
    """
    Say who watches the watcher: a service that pages when it is *not* called any more.

    Args:
        url_file: Secret with the URL to call.
        interval: Between two calls.
    """

    url_file: str = "deadman-url"
    interval: Duration = field(default_factory=lambda: Duration(60_000))


@dataclass(frozen=True, slots=True)
class Notifications:
    """
    Say how long alerts are gathered before owners hear of them; `None` for what is compiled.

    Args:
        group_wait: Before the first notification of a group.
        group_interval: Before the next one, when something has changed.
        repeat_interval: Before the same one again.
    """

    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None


@dataclass(frozen=True, slots=True)
class StackSettings:
    """
    Hold the settings of one stack.

    Args:
        name: Of the stack; part of container names, volumes and the namespace.
        folder: Of the settings file: what all relative paths start from.
        specs: Files and folders of specs.
        policy: Gate policy for the engine.
        windows: Files and folders of catalogs of alert windows; none for the usual ones.
        engine: What stores and evaluates: one of `ENGINES`.
        shards: Storage nodes of the horizontal variant; 1 is the plain one.
        retention: `None` for the longest window of the specs with a margin.
        scrape_interval: Between two samples, also of what collectors count.
        evaluation_interval: Between two evaluations of the fastest rules; `None` for what the
            compiler does unasked.
        reading_interval: Between two readings of the engine.
        notifications: How owners are told.
        parts: Optional parts that run.
        replicas: By component: `engine` and `collector-gateway` may run several times.
        expose: By component; what is not named is reached from this machine only.
        host: Name that people reach the stack under, for links in alerts; empty for none.
        runbooks: Address of the folder that holds the runbooks; empty for none.
        registry: Prefix of a mirror that holds the images.
        images: References that replace ours, by component.
        secrets: Folder of the secrets.
        data: Folder of the data, on target `local`.
        scrape: Addresses `host:port` to scrape, by job.
        resources: `(cpu, memory limit in MiB)` that replace ours, by component.
        port_offset: Added to every port that `expose` does not number, so that several stacks
            fit on one machine.
        deadman: `None` for no dead man's switch outside.
    """

    name: str = "slostack"
    folder: Path = field(default_factory=Path)
    specs: tuple[str, ...] = ("specs",)
    policy: str | None = None
    windows: tuple[str, ...] = ()
    engine: str = "prometheus"
    shards: int = 1
    retention: Duration | None = None
    scrape_interval: Duration = field(default_factory=lambda: seconds(15))
    evaluation_interval: Duration | None = None
    reading_interval: Duration | None = None
    notifications: Notifications = field(default_factory=Notifications)
    parts: frozenset[str] = frozenset(OPTIONAL_PARTS)
    replicas: Mapping[str, int] = field(default_factory=dict)
    expose: Mapping[str, Exposure] = field(default_factory=dict)
    host: str = ""
    runbooks: str = ""
    registry: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    secrets: str = "secrets"
    data: str = "data"
    scrape: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    resources: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    port_offset: int = 0
    deadman: Deadman | None = None

    def exposure(self, component: str) -> Exposure:
        """Return where *component* is reached from outside."""
        return self.expose.get(component, _PRIVATE)

    def replica_count(self, component: str) -> int:
        """Return how many of *component* run side by side."""
        if component == "vmstorage":
            return self.shards
        return self.replicas.get(component, 1)


_PRIVATE = Exposure()
