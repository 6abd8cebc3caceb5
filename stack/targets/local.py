"""Turn a stack into programs of this machine: what runs, what cannot, and their files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

from slo.artifact import GENERATED, Artifact
from slo.stack.components.context import Compiled, Versions, dump_yaml
from slo.stack.components.model import Component, StackPlan
from slo.stack.components.plan import component_names, stack_plan
from slo.stack.settings import StackSettings
from slo.stack.supervisor.part import Asking, Part
from slo.stack.targets.local_places import LocalPlaces, local_folder
from slo.stack.targets.local_programs import Program, find, remedy

__all__ = ["LeftOut", "LocalStack", "config_artifacts", "local_stack", "parts_of", "render"]

# The program of each component, before its arguments are known.
_PROGRAMS = {
    "alertmanager": "prometheus-alertmanager",
    "collector-agent": "otelcol",
    "collector-gateway": "otelcol",
    "engine": "slo",
    "grafana": "grafana-server",
}
# Whose release decides how a configuration is written.
_VERSIONED = {
    "prometheus": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "collector": "otelcol",
    "victoria_metrics": "victoria-metrics",
}
# Debian's program does not say its version; this is the one of its release 12.
_SILENT = {"victoria_metrics": (1, 79)}


class LeftOut(NamedTuple):
    """Name a part that cannot run here, the program that is missing, and what to do about it."""

    part: str
    program: str
    remedy: str


@dataclass(frozen=True, slots=True)
class LocalStack:
    """
    Hold a stack as this machine can run it.

    Args:
        settings: As given, but with one of each component.
        checked: The same plan with its files in the staging folder, where they are checked.
        programs: By component.
    """

    settings: StackSettings
    plan: StackPlan
    checked: StackPlan
    programs: dict[str, Program]
    left_out: tuple[LeftOut, ...]


def local_stack(settings: StackSettings, compiled: Compiled) -> LocalStack:
    """
    Return what of the stack this machine can run.

    Raises:
        ToolError: The settings do not fit the specs.
    """
    alone = replace(settings, replicas={})
    programs: dict[str, Program] = {}
    left_out: list[LeftOut] = []
    for component in component_names(alone):
        name = _PROGRAMS.get(component, component)
        program = find(name)
        if program is None:
            left_out.append(LeftOut(component, name, remedy(name)))
        else:
            programs[component] = program
    missing = frozenset(part.part for part in left_out)
    staging = local_folder(alone).staging

    def plan(places: LocalPlaces) -> StackPlan:
        return stack_plan(alone, compiled, places, versions=_versions(), without=missing)

    return LocalStack(
        alone,
        plan(LocalPlaces(alone)),
        plan(LocalPlaces(alone, staging)),
        programs,
        tuple(left_out),
    )


def _versions() -> Versions:
    known = {field.name for field in fields(Versions)}
    found: dict[str, tuple[int, int]] = {}
    for name, program_name in _VERSIONED.items():
        program = find(program_name) if name in known else None
        release = program.release or _SILENT.get(name) if program else None
        if release is not None:
            found[name] = release
    return Versions(**found)


def config_artifacts(plan: StackPlan) -> tuple[Artifact, ...]:
    """Return the configuration files of *plan*, relative to the folder of configuration."""
    return tuple(
        Artifact(f"{component.name}/{file.name}", "stack", file.text)
        for component in plan.components
        for file in component.configs
    )


def parts_of(stack: LocalStack) -> tuple[Part, ...]:
    """Return what the supervisor shall run."""
    folder = local_folder(stack.settings).root
    places = LocalPlaces(stack.settings)
    return tuple(
        _part(component, stack.programs[component.name], folder, places)
        for component in stack.plan.components
    )


def _part(component: Component, program: Program, folder: Path, places: LocalPlaces) -> Part:
    argv = (*program.argv, *component.arguments)
    access, probe = component.access, component.probe
    asking = Asking(
        address=places.address(component.name, probe.port),
        path=probe.path,
        tls=access.tls and component.port(probe.port).exposed,
        user=access.user,
        password_file=_secret(component, access.password) if access.user else "",
        token_file=_secret(component, access.token) if access.token else "",
    )
    secrets = [f"{secret.name}={_digest_of(Path(secret.path))}" for secret in component.secrets]
    environment = dict(component.environment)
    launch = [*argv, *(f"{k}={v}" for k, v in sorted(environment.items())), program.mark, *secrets]
    config = [f"{file.name}\n{file.text}" for file in component.configs]
    return Part(
        name=component.name,
        argv=argv,
        folder=str(folder),
        asking=asking,
        environment=environment,
        startup_seconds=probe.startup_seconds,
        needs=component.needs,
        reload_path=component.reload.path,
        reload_signal=component.reload.signal,
        launch=_digest(launch),
        config=_digest(config),
        addresses=_addresses(component, places),
        version=program.version,
    )


def _addresses(component: Component, places: LocalPlaces) -> tuple[str, ...]:
    scheme = component.access.scheme
    found = []
    for port in component.ports:
        if port.exposed:
            address = places.address(component.name, port.name)
            found.append(address if "grpc" in port.name else f"{scheme}://{address}")
    return tuple(found)


def _secret(component: Component, name: str) -> str:
    return next((secret.path for secret in component.secrets if secret.name == name), "")


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _digest_of(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def render(settings: StackSettings, compiled: Compiled) -> tuple[Artifact, ...]:
    """
    Return the files that `slo stack up` would write, and the list of what it would run.

    Raises:
        ToolError: The settings do not fit the specs.
    """
    stack = local_stack(settings, compiled)
    programs = {
        part.name: {
            "command": list(part.argv),
            **({"environment": dict(part.environment)} if part.environment else {}),
            **({"needs": list(part.needs)} if part.needs else {}),
            **({"listens": list(part.addresses)} if part.addresses else {}),
        }
        for part in parts_of(stack)
    }
    content = {
        "programs": programs,
        "not_here": {part.part: part.remedy for part in stack.left_out},
    }
    header = (
        f"{GENERATED} for the stack `{settings.name}`. Do not edit: `slo stack up` runs this.\n"
    )
    return (
        Artifact("programs.yaml", "stack", header + dump_yaml(content)),
        *(
            Artifact(f"config/{file.path}", file.kind, file.text)
            for file in config_artifacts(stack.plan)
        ),
    )
