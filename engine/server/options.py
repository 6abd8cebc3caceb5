"""Hold what `slo serve` was asked for."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

from slo.engine.options import CompileOptions
from slo.engine.sources.connection import Connection

__all__ = ["Listen", "ServeOptions", "default_ledger", "parse_listen"]

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Listen:
    """Hold an address to listen on; port 0 takes any free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Tell whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> frozenset[str]:
        """Return the names under which it may be asked for."""
        return frozenset((*_LOOPBACK, self.host.lower()))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_listen(text: str) -> Listen:
    """
    Read `HOST:PORT`, `:PORT` for all addresses, or `[::1]:PORT`.

    Raises:
        ValueError: It is none of these.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{text!r} is not an address such as 127.0.0.1:9099")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: put an IPv6 address into brackets, such as [::1]:9099")
    return Listen(host or "0.0.0.0", int(port))  # noqa: S104 - what `:9099` asks for


def default_ledger() -> str:
    """Return where the ledger is if nobody says so: below the state folder of the user."""
    state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if state:
        return f"sqlite:///{Path(state) / 'ledger.db'}"
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return f"sqlite:///{Path(home) / 'slo' / 'ledger.db'}"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """
    Hold the options of the engine.

    Args:
        sources: Servers to read from, the preferred one first, with the names people call
            them by.
        specs: Files and folders; the engine also knows what is recorded without them.
        policy: File with the gate policy; the built-in one if `None`.
        require_token: Ask for a token on the loopback address too.
        monitor_token_file: Holds a token that counts without being in the ledger.
        insecure_no_auth: Ask for no token on any address.
        allow_hosts: Further names under which the engine may be asked for.
        rate_limit: Requests a second of one client; 0 for no limit.
        interval: Seconds between two refreshes.
        drain: Seconds between the first sign of stopping and the last request.
        name: Of this replica, in the lease of the poller.
    """

    sources: tuple[tuple[str, Connection], ...]
    ledger: str
    specs: tuple[str, ...] = ()
    compile: CompileOptions = field(default_factory=CompileOptions)
    policy: Path | None = None
    listen: Listen = field(default_factory=lambda: Listen("127.0.0.1", 9099))
    require_token: bool = False
    monitor_token_file: Path | None = None
    insecure_no_auth: bool = False
    allow_hosts: tuple[str, ...] = ()
    rate_limit: float = 100.0
    interval: float = 30.0
    drain: float = 0.0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log_format: str = "auto"
    access_log: bool = False
    otlp: str | None = None
    name: str = "engine"

    @property
    def tokens_required(self) -> bool:
        """Tell whether requests need a token."""
        if self.insecure_no_auth:
            return False
        return self.require_token or not self.listen.is_loopback
