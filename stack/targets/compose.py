"""Render a stack for Docker Compose: one `compose.yaml` with its configuration beside it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from slo.artifact import GENERATED, Artifact
from slo.stack.components.context import Compiled, dump_yaml
from slo.stack.components.images import image_of
from slo.stack.components.model import Component, StackPlan
from slo.stack.components.plan import stack_plan
from slo.stack.components.ports import port_number
from slo.stack.secrets import secrets_of
from slo.stack.settings import StackSettings
from slo.stack.targets.compose_service import (
    PREPARE,
    instances,
    prepared,
    service,
    volumes,
)

__all__ = ["COMPOSE_FILE", "ComposePlaces", "compose_plan", "render"]

COMPOSE_FILE = "compose.yaml"
# Folders that the images themselves own, so that a new volume belongs to their user.
_DATA = {
    "alertmanager": "/alertmanager",
    "grafana": "/var/lib/grafana",
    "loki": "/loki",
    "postgres": "/var/lib/postgresql/data",
    "prometheus": "/prometheus",
    "victoria-metrics": "/victoria-metrics-data",
}


class ComposePlaces:
    """Say where things are in the containers of a Compose project."""

    def __init__(self, settings: StackSettings) -> None:
        self._settings = settings

    def address(self, component: str, port: str) -> str:
        """Return the service's name and port; the doctor sits on the machine itself."""
        host = "host.docker.internal" if component == "doctor" else component
        return f"{host}:{port_number(self._settings, component, port)}"

    def each(self, component: str, port: str) -> str:
        """Return the same: the name of a service resolves to all of its containers."""
        return self.address(component, port)

    def instance(self, component: str, number: int, port: str) -> str:
        """Return the service that one replica with data of its own is."""
        host, _, digits = self.address(component, port).rpartition(":")
        alone = self._settings.replica_count(component) == 1
        return f"{host if alone else f'{host}-{number + 1}'}:{digits}"

    def listen(self, component: str, port: str) -> str:
        """Return all addresses of the container: what leaves it is decided by its networks."""
        return f"0.0.0.0:{port_number(self._settings, component, port)}"

    def config(self, component: str, name: str) -> str:
        """Return a path in the mounted folder of configuration."""
        return f"/etc/slostack/{name}"

    def data(self, component: str) -> str:
        """Return where the volume is mounted."""
        return _DATA.get(component, "/var/lib/slostack")

    def secret(self, component: str, name: str) -> str:
        """Return where Compose mounts secrets."""
        return f"/run/secrets/{name}"


def compose_plan(settings: StackSettings, compiled: Compiled) -> StackPlan:
    """
    Return the components as containers run them.

    Raises:
        ToolError: The settings do not fit the specs.
    """
    return stack_plan(settings, compiled, ComposePlaces(settings))


def render(settings: StackSettings, compiled: Compiled, folder: Path) -> tuple[Artifact, ...]:
    """
    Return the files of the project.

    Args:
        folder: Where they will be written: the secrets are named relative to it.

    Raises:
        ToolError: The settings do not fit the specs.
    """
    plan = compose_plan(settings, compiled)
    header = (
        f"{GENERATED} for the stack `{settings.name}`. Do not edit: change the settings or the "
        "specs\n# and render again. Start it: docker compose up --detach --wait\n"
    )
    secrets = os.path.relpath(settings.folder / settings.secrets, folder)
    document = header + dump_yaml(_document(plan, settings, secrets))
    files = [Artifact(COMPOSE_FILE, "compose", document)]
    for component in plan.components:
        files += [
            Artifact(f"config/{component.name}/{config.name}", "compose", config.text)
            for config in component.configs
        ]
    return tuple(files)


def _document(plan: StackPlan, settings: StackSettings, secrets: str) -> dict[str, Any]:
    services: dict[str, Any] = {}
    waiting = prepared(plan)
    if waiting:
        services[PREPARE] = _prepare(waiting, image_of("busybox", settings).reference)
    for component in plan.components:
        for name in instances(component):
            services[name] = service(component, name, plan, settings, _digest(component))
    document: dict[str, Any] = {
        "name": settings.name,
        "services": services,
        "networks": {
            # No way out: what is in here only is reached by nobody else.
            "inside": {"internal": True},
            "outside": {},
        },
        "volumes": {
            volume: {}
            for component in plan.components
            for name in instances(component)
            for volume, _ in volumes(component, name)
        },
    }
    wanted = secrets_of(plan)
    if wanted:
        document["secrets"] = {s.name: {"file": f"{secrets}/{s.name}"} for s in wanted}
    return document


def _prepare(components: tuple[Component, ...], image: str) -> dict[str, Any]:
    """Return a service that gives new volumes to the users who write to them, and ends."""
    owned = [
        (component.user, volume)
        for component in components
        for name in instances(component)
        for volume, _ in volumes(component, name)
    ]
    commands = [f"chown {user}:{user} /volumes/{volume}" for user, volume in owned]
    return {
        "image": image,
        "command": ["sh", "-c", " && ".join(commands)],
        "user": "0:0",
        "restart": "no",
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": ["CHOWN"],
        "security_opt": ["no-new-privileges:true"],
        "volumes": [f"{volume}:/volumes/{volume}" for _, volume in owned],
        "deploy": {"resources": {"limits": {"cpus": "0.5", "memory": "32M"}}},
    }


def _digest(component: Component) -> str:
    """Return what changes with any file of configuration, so that a changed one takes effect."""
    digest = hashlib.sha256()
    for config in component.configs:
        digest.update(f"{config.name}\0{config.text}\0".encode())
    return digest.hexdigest()[:16]
