"""Hold what every component of a stack is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from slo.artifact import GENERATED, Artifact
from slo.plan import SpecSet
from slo.stack.components.images import image_of
from slo.stack.components.model import (
    Access,
    ConfigFile,
    Image,
    Places,
    Port,
    Resources,
    Secret,
)
from slo.stack.components.ports import ports_of
from slo.stack.settings import StackSettings

__all__ = [
    "CA",
    "ENGINE_TOKEN",
    "GATEWAY_TOKEN",
    "TLS_CERTIFICATE",
    "TLS_KEY",
    "Compiled",
    "Context",
    "Versions",
    "dump_yaml",
]

# The certificate of every exposed part, its key, and what signed it.
TLS_CERTIFICATE = "tls.crt"
TLS_KEY = "tls.key"
CA = "ca.crt"
# By this the stack's own parts ask the engine.
ENGINE_TOKEN = "engine-token"  # noqa: S105 - the name of a file
# By this agents, and others that send telemetry, log in on gateways.
GATEWAY_TOKEN = "gateway-token"  # noqa: S105 - the name of a file
_USER = "slostack"
# How people log in on what is exposed; the rest of the stack uses the same way.
_BASIC = frozenset(("alertmanager", "jaeger", "loki", "prometheus"))
_TOKENS = {"engine": ENGINE_TOKEN, "collector-gateway": GATEWAY_TOKEN}
# Ports that the other parts of the stack use speak plainly here.
_ONLY_CLIENT = {"collector-gateway": "collector-agent"}


@dataclass(frozen=True, slots=True)
class Compiled:
    """
    Hold what the compiler made of the specs, and the specs themselves.

    Args:
        sources: Text of each file of specs, by the name it shall have beside the engine.
        policy: Text of the gate policy.
    """

    specs: SpecSet = field(default_factory=SpecSet)
    artifacts: tuple[Artifact, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    policy: str | None = None

    def of_kind(self, kind: str) -> dict[str, str]:
        """Return the texts of all artifacts of *kind*, by path without its first folder."""
        return {a.path.partition("/")[2]: a.text for a in self.artifacts if a.kind == kind}


@dataclass(frozen=True, slots=True)
class Versions:
    """
    Hold the versions that configuration is written for: those of the images by default.

    Args:
        collector: Of the OpenTelemetry Collector.
    """

    prometheus: tuple[int, int] = (3, 13)
    alertmanager: tuple[int, int] = (0, 34)
    collector: tuple[int, int] = (0, 162)
    victoria_metrics: tuple[int, int] = (1, 151)


@dataclass(frozen=True, slots=True)
class Context:
    """
    Hold everything that a component may depend on.

    Args:
        present: Names of all components of this stack.
    """

    settings: StackSettings
    compiled: Compiled
    places: Places
    versions: Versions
    present: frozenset[str]

    def has(self, component: str) -> bool:
        """Tell whether *component* is part of the stack."""
        return component in self.present

    def needs(self, *components: str) -> tuple[str, ...]:
        """Return those of *components* that are part of the stack."""
        return tuple(name for name in components if name in self.present)

    def access(self, component: str) -> Access:
        """Return how the exposed ports of *component* are reached."""
        if not self.settings.exposure(component).is_public:
            return Access()
        if component in _BASIC:
            return Access(tls=True, user=_USER, password=f"{component}-password")
        if component in _TOKENS:
            return Access(tls=True, token=_TOKENS[component])
        return Access(tls=True, user="admin", password="grafana-password")  # noqa: S106

    def url(self, component: str, port: str = "http", path: str = "") -> str:
        """Return the URL under which others of the stack reach *component*."""
        return f"{self.access(component).scheme}://{self.places.address(component, port)}{path}"

    def ports(self, component: str) -> tuple[Port, ...]:
        """Return the ports of *component*."""
        return ports_of(self.settings, component)

    def port(self, component: str, name: str) -> Port:
        """Return one port of *component*."""
        return next(port for port in self.ports(component) if port.name == name)

    def config(self, component: str, name: str, text: str) -> ConfigFile:
        """Return the configuration file *name* of *component*."""
        return ConfigFile(self.places.config(component, name), text, name)

    def secret(
        self,
        component: str,
        name: str,
        purpose: str,
        *,
        generated: bool = False,
        derived: bool = False,
    ) -> Secret:
        """Return the secret *name* where *component* reads it."""
        path = self.places.secret(component, name)
        return Secret(name, path, generated, purpose, derived)

    def tls_secrets(self, component: str) -> tuple[Secret, ...]:
        """Return the certificate and key of *component*, where it speaks TLS."""
        if not self.access(component).tls:
            return ()
        return (
            self.secret(component, TLS_CERTIFICATE, "certificate (PEM) for every exposed part"),
            self.secret(component, TLS_KEY, "its private key (PEM)"),
        )

    def client_secrets(self, client: str, *servers: str) -> tuple[Secret, ...]:
        """Return what *client* needs to call *servers* where they ask who calls."""
        found: dict[str, Secret] = {}
        for server in self.needs(*servers):
            access = self.access(server)
            if _ONLY_CLIENT.get(server, client) != client:
                continue
            if access.tls:
                found[CA] = self.secret(client, CA, "certificate (PEM) that signed `tls.crt`")
            # Nobody but its users logs in on Grafana.
            names = (access.token,) if server == "grafana" else (access.password, access.token)
            for name in filter(None, names):
                found[name] = self.secret(
                    client, name, f"how to log in on {server}", generated=True
                )
        return tuple(found.values())

    def image(self, name: str) -> Image:
        """Return the image called *name*."""
        return image_of(name, self.settings)

    def resources(self, component: str, cpu: float, memory: int, limit: int) -> Resources:
        """Return what *component* may use: the defaults given, or what the settings say."""
        given = self.settings.resources.get(component)
        if given is None:
            return Resources(cpu, memory, limit)
        return Resources(given[0], min(memory, given[1]), given[1])

    def yaml(self, value: Mapping[str, Any]) -> str:
        """Return *value* as a YAML file with our header."""
        return f"{GENERATED} for the stack `{self.settings.name}`. Do not edit.\n{dump_yaml(value)}"


def dump_yaml(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return *value* as YAML, in the order that it has."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Write lists below their key, and texts of several lines as blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)
