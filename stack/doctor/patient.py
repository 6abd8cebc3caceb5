"""Hold the stack that is examined, and how to reach each of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from slo.stack.components.context import Compiled
from slo.stack.components.model import Component, StackPlan
from slo.stack.doctor.caller import Caller, Login
from slo.stack.settings import StackSettings
from slo.stack.targets.local import LeftOut
from slo.stack.targets.local_places import LocalPlaces

__all__ = ["Limits", "Patient"]

# Which port of a part answers questions, where it is not `http`.
_ASKED = {"collector-agent": "otlp-http", "collector-gateway": "otlp-http"}


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Hold what the checks measure against.

    Args:
        free_bytes: Of the disk, below which something has to be done.
        skew_seconds: Between the clocks of two parts.
        delivery_seconds: From an alert sent to the notification.
        telemetry_seconds: From a span or line sent to where it can be seen.
        stale_seconds: Age of the newest number of an SLO.
    """

    free_bytes: float = 1e9
    skew_seconds: float = 2.0
    delivery_seconds: float = 20.0
    telemetry_seconds: float = 60.0
    stale_seconds: float = 300.0


@dataclass(slots=True)
class Patient:
    """
    Hold the stack that is examined, as a context manager that closes what was opened.

    Args:
        plan: What should run.
        target: Where it runs.
        urls: By component, where it is not reached as the settings say.
        folder: Of the data, on this machine; `None` where they are elsewhere.
        left_out: Parts that cannot run here.
    """

    settings: StackSettings
    compiled: Compiled
    plan: StackPlan
    target: str = "local"
    urls: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    left_out: tuple[LeftOut, ...] = ()
    limits: Limits = field(default_factory=Limits)
    _callers: dict[tuple[str, str], Caller] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def component(self, name: str) -> Component | None:
        """Return the component called *name*, or `None` where it is not part of the stack."""
        return self.plan.component(name) if self.plan.has(name) else None

    def first_of(self, *names: str) -> str:
        """Return the first of *names* that is part of the stack, the last one if none is."""
        return next((name for name in names if self.plan.has(name)), names[-1])

    @property
    def reader(self) -> str:
        """Return the part that answers queries."""
        return self.first_of("vmselect", "victoria-metrics", "prometheus")

    @property
    def evaluator(self) -> str:
        """Return the part that evaluates the rules."""
        return self.first_of("vmalert", "prometheus")

    def why_not(self, name: str) -> tuple[str, str]:
        """Return why *name* is not part of the stack, and what to do about it."""
        for part in self.left_out:
            if part.part == name:
                return f"no {part.program} on this machine", part.remedy
        return f"the stack has no {name}", ""

    def url(self, name: str, port: str = "http") -> str:
        """Return where *name* is reached from here."""
        if name in self.urls and port in ("http", _ASKED.get(name)):
            return self.urls[name].rstrip("/")
        component = self.plan.component(name)
        places = LocalPlaces(self.settings)
        tls = component.access.tls and component.port(port).exposed
        return f"{'https' if tls else 'http'}://{places.address(name, port)}"

    def call(self, name: str, port: str | None = None) -> Caller:
        """Return what asks *name*, on its port for questions or on *port*."""
        asked = port or _ASKED.get(name, "http")
        key = name, asked
        if key not in self._callers:
            caller = Caller(name, self.url(name, asked), self._login(name))
            self._open.callback(caller.close)
            self._callers[key] = caller
        return self._callers[key]

    def _login(self, name: str) -> Login:
        access = self.plan.component(name).access
        if access.token:
            return Login(token=self.secret(access.token))
        if access.user:
            return Login(access.user, self.secret(access.password))
        if name == "grafana":
            return Login("admin", self.secret("grafana-password"))
        return Login()

    def secret(self, name: str) -> str:
        """Return the content of a secret; empty where it is not there."""
        path = self.settings.folder / self.settings.secrets / name
        try:
            return path.read_text("utf-8").strip()
        except OSError:
            return ""

    @property
    def repair(self) -> str:
        """Return the command that brings the stack in line with its settings."""
        if self.target == "local":
            return "`slo stack up`"
        return f"`slo stack render --target {self.target}`, and apply it"

    @property
    def look(self) -> str:
        """Return the command that shows how the parts stand."""
        return {
            "local": "`slo stack status` and its log",
            "compose": "`docker compose ps` and `docker compose logs`",
        }.get(self.target, "`kubectl get pods` and `kubectl logs`")
