"""
Hold what a stack is made of, for every target alike.

A target decides where things are (`Places`); a component says what it runs there. Nothing here
knows of Compose or Kubernetes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

__all__ = [
    "Access",
    "Component",
    "ConfigFile",
    "Image",
    "Places",
    "Port",
    "Probe",
    "Reload",
    "Resources",
    "Secret",
    "StackPlan",
    "Volume",
]


class Image(NamedTuple):
    """
    Name a container image.

    Args:
        digest: `sha256:...` of the multi-platform index; empty where none is known.
    """

    repository: str
    tag: str
    digest: str = ""

    @property
    def reference(self) -> str:
        """Return what a container runtime pulls: by digest where one is known."""
        named = f"{self.repository}:{self.tag}"
        return f"{named}@{self.digest}" if self.digest else named


class Port(NamedTuple):
    """
    Name a TCP port that a component listens on.

    Args:
        exposed: People or programs outside the stack use it.
    """

    name: str
    number: int
    exposed: bool = False


class Probe(NamedTuple):
    """
    Ask a component for its health: `GET path` on one of its ports answers 2xx.

    Args:
        path: Empty where the port speaks no HTTP: then a connection is the answer.
        alive: Path that says whether the process works, whatever it depends on; empty where
            there is none but *path*.
        command: Asks the same inside the image; empty where the image has nothing to ask with.
    """

    port: str
    path: str
    startup_seconds: int = 60
    command: tuple[str, ...] = ()
    alive: str = ""


class Access(NamedTuple):
    """
    Say how the ports that people use are reached.

    Args:
        tls: They speak TLS; the certificate is the stack's `tls.crt`, signed by its `ca.crt`.
        user: Of basic authentication; empty for none.
        password: Name of the secret with that user's password.
        token: Name of the secret with a bearer token; empty for none.
    """

    tls: bool = False
    user: str = ""
    password: str = ""
    token: str = ""

    @property
    def scheme(self) -> str:
        """Return `http` or `https`."""
        return "https" if self.tls else "http"


class Reload(NamedTuple):
    """
    Say how a running component takes a changed configuration; by neither, it is restarted.

    Args:
        path: To `POST` to, on the port of the probe.
        signal: To send, such as `HUP`.
    """

    path: str = ""
    signal: str = ""


class Resources(NamedTuple):
    """
    Bound what a component may use.

    Args:
        cpu: Cores that it is sure to get, such as `0.25`.
        memory_mib: That it is sure to get.
        memory_limit_mib: Above which it is killed.
    """

    cpu: float
    memory_mib: int
    memory_limit_mib: int


class Volume(NamedTuple):
    """
    Keep data over restarts and upgrades.

    Args:
        path: Where the component sees it.
        size_gib: To ask for, where space has to be asked for.
    """

    name: str
    path: str
    size_gib: int


class Secret(NamedTuple):
    """
    Name a file that only the user can provide, or that is made once with random content.

    Args:
        name: Its file in the folder of secrets, and its name in every target.
        path: Where the component reads it.
        generated: Random content is fine: made at the first `up`, kept ever after.
        purpose: What it is, for the list of what the user has to provide.
        derived: Made of other secrets (`slo.stack.secrets` knows how), so never asked for.
    """

    name: str
    path: str
    generated: bool = False
    purpose: str = ""
    derived: bool = False


class ConfigFile(NamedTuple):
    """
    Hold one configuration file: where the component reads it, and its text.

    Args:
        name: Relative to the component's own folder of configuration, with forward slashes.
    """

    path: str
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Component:
    """
    Describe one part of the stack completely.

    Args:
        name: Also its host name inside the stack.
        role: What it is for, in a few words.
        program: Of the machine, for target `local`; `None` where there is none to be had.
        arguments: After the program, or after the image's entry point.
        environment: Variables; no secrets among them.
        check: Command that checks the configuration, such as `promtool check config FILE`.
        needs: Components that must be healthy before it starts.
        replicas: How many run side by side; only for parts without state of their own.
        user: Numeric user and group of the image.
        optional: The stack does its main work without it.
        access: How the exposed ports are reached.
        reload: How a changed configuration is taken.
        scalable: Any number of it may run side by side, so it can be scaled by load.
        extra_hosts: Names that the component must be able to resolve beside the stack's own.
        every_node: One runs beside the programs on each machine.
        host_folders: Of the machine, that it reads.
    """

    name: str
    role: str
    image: Image
    ports: tuple[Port, ...]
    probe: Probe
    resources: Resources
    program: str | None = None
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    configs: tuple[ConfigFile, ...] = ()
    volumes: tuple[Volume, ...] = ()
    secrets: tuple[Secret, ...] = ()
    check: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    replicas: int = 1
    user: int = 65534
    optional: bool = False
    access: Access = field(default_factory=Access)
    reload: Reload = field(default_factory=Reload)
    scalable: bool = False
    extra_hosts: tuple[str, ...] = ()
    every_node: bool = False
    host_folders: tuple[str, ...] = ()

    def port(self, name: str) -> Port:
        """
        Return the port called *name*.

        Raises:
            KeyError: There is none.
        """
        for port in self.ports:
            if port.name == name:
                return port
        raise KeyError(name)


class Places(Protocol):
    """Say where things are on one target."""

    def address(self, component: str, port: str) -> str:
        """
        Return `host:port` under which others of the stack reach *component*.

        It is empty for a `doctor` whom nobody can call back.
        """
        ...

    def each(self, component: str, port: str) -> str:
        """Return `host:port` whose host resolves to every replica of *component*."""
        ...

    def instance(self, component: str, number: int, port: str) -> str:
        """Return `host:port` of one replica of *component*, counted from 0."""
        ...

    def listen(self, component: str, port: str) -> str:
        """Return `host:port` that *component* itself listens on."""
        ...

    def config(self, component: str, name: str) -> str:
        """Return the path under which *component* reads its configuration file *name*."""
        ...

    def data(self, component: str) -> str:
        """Return the folder that *component* keeps its data in."""
        ...

    def secret(self, component: str, name: str) -> str:
        """Return the path under which *component* reads the secret *name*."""
        ...


@dataclass(frozen=True, slots=True)
class StackPlan:
    """Hold a whole stack in the order in which it starts."""

    components: tuple[Component, ...]

    def component(self, name: str) -> Component:
        """
        Return the component called *name*.

        Raises:
            KeyError: There is none.
        """
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(name)

    def has(self, name: str) -> bool:
        """Tell whether a component called *name* is part of the stack."""
        return any(component.name == name for component in self.components)
