"""Say where the collectors of a stack are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from slo.duration import Duration, seconds

__all__ = ["CollectorOptions", "Guard", "TierOptions"]


class Guard(NamedTuple):
    """
    Let gateways speak TLS, and ask who sends to them.

    Args:
        certificate: Path as gateways see it; *key* and *token_file* likewise.
        ca: That signed the certificate, as agents see it.
        agent_token_file: The same token, as agents see it.
        server_name: In the certificate; gateways may be called by other names.
    """

    certificate: str
    key: str
    token_file: str
    ca: str
    agent_token_file: str
    server_name: str


class TierOptions(NamedTuple):
    """
    Say where one tier listens and what it may use.

    Args:
        host: Address to listen on.
        storage: Folder for queues; `None` for what the specs say.
        memory_limit_mib: `None` for what the specs say.
    """

    host: str = "0.0.0.0"  # noqa: S104 - inside a container or a pod; `local` gives loopback
    otlp_grpc: int = 4317
    otlp_http: int = 4318
    health: int = 13133
    metrics: int = 8888
    storage: str | None = None
    memory_limit_mib: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CollectorOptions:
    """
    Place collectors that the specs describe.

    Args:
        target_version: Collector to write for; `None` for what the specs say.
        endpoints: Address of each destination by its name, over that of the specs.
        gateway_address: Where agents reach the gateway, as `host:port`.
        gateway_targets: Addresses of all gateways, where there are several.
        gateway_dns: Name that resolves to all gateways there are at the time, and their port;
            over *gateway_targets*.
        metrics_interval: Between two samples of what is counted.
        guard: Keeps strangers out of gateways; `None` where the network does.
        instance: What tells one gateway's counts from another's; the collector reads it.
    """

    target_version: str | None = None
    agent: TierOptions = field(default_factory=TierOptions)
    gateway: TierOptions = field(default_factory=TierOptions)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    gateway_address: str | None = None
    gateway_targets: tuple[str, ...] = ()
    gateway_dns: tuple[str, int] | None = None
    guard: Guard | None = None
    metrics_interval: Duration = field(default_factory=lambda: seconds(15))
    instance: str = "${env:HOSTNAME:-gateway}"
