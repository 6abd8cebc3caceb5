"""Turn one component into one service of a Compose file."""

from __future__ import annotations

from typing import Any

from slo.stack.components.model import Component, StackPlan
from slo.stack.settings import StackSettings

__all__ = ["PREPARE", "instances", "prepared", "service", "volumes"]

# Name of the service that hands volumes to their users.
PREPARE = "prepare"
# Their images have no folder of the user's own that a new volume could take over.
_UNOWNED = frozenset(
    (
        *("collector-agent", "collector-gateway", "jaeger", "loki"),
        *("victoria-metrics", "vmagent", "vmstorage"),
    )
)
# They call services outside: receivers of alerts, destinations of telemetry.
_CALLS_OUT = frozenset(("alertmanager", "collector-gateway"))
# What writes somewhere else than to its volume and /tmp.
_SCRATCH = {"postgres": ("/run/postgresql",)}
# A core may help out others that idle; four times what is sure is enough for any of them.
_CPU_BURST = 4
_STOP_SECONDS = {"prometheus": 120, "postgres": 60}


def prepared(plan: StackPlan) -> tuple[Component, ...]:
    """Return the components whose volumes have to be handed over first."""
    return tuple(c for c in plan.components if c.name in _UNOWNED and c.volumes)


def instances(component: Component) -> tuple[str, ...]:
    """
    Return the services that *component* becomes.

    Containers of one service share its volumes, so replicas with data of their own are services
    of their own; the component's name resolves to all of them.
    """
    if component.replicas == 1 or not component.volumes:
        return (component.name,)
    return tuple(f"{component.name}-{number + 1}" for number in range(component.replicas))


def volumes(component: Component, instance: str) -> tuple[tuple[str, str], ...]:
    """Return the volumes of one service, each with the path that it is mounted at."""
    suffix = instance.removeprefix(component.name)
    return tuple((f"{volume.name}{suffix}", volume.path) for volume in component.volumes)


def service(
    component: Component, instance: str, plan: StackPlan, settings: StackSettings, digest: str
) -> dict[str, Any]:
    """
    Return one service of *component*.

    Args:
        instance: Its name, one of `instances`.
        digest: Of its configuration; a container is made anew when it changes.
    """
    found: dict[str, Any] = {"image": component.image.reference}
    if component.arguments:
        # A dollar sign would be taken for a variable of Compose.
        found["command"] = [_escaped(argument) for argument in component.arguments]
    if component.environment:
        found["environment"] = {k: _escaped(v) for k, v in component.environment.items()}
    found |= {
        "user": f"{component.user}:{component.user}",
        "restart": "unless-stopped",
        "read_only": True,
        "tmpfs": [
            f"{path}:mode=1777,size=64m"
            for path in ("/tmp", *_SCRATCH.get(component.name, ()))  # noqa: S108
        ],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": 1024,
        "stop_grace_period": f"{_STOP_SECONDS.get(component.name, 30)}s",
        "networks": _networks(component, instance),
    }
    ports = _ports(component, settings) if instance in instances(component)[:1] else []
    if ports:
        found["ports"] = ports
    if component.extra_hosts:
        found["extra_hosts"] = [f"{name}:host-gateway" for name in component.extra_hosts]
    mounts = [f"{volume}:{path}" for volume, path in volumes(component, instance)]
    mounts += [f"{folder}:{folder}:ro" for folder in component.host_folders]
    if component.configs:
        mounts.append(f"./config/{component.name}:/etc/slostack:ro")
    if mounts:
        found["volumes"] = mounts
    if component.secrets:
        found["secrets"] = sorted({secret.name for secret in component.secrets})
    found |= _health(component)
    waits = _waits_for(component, plan)
    if waits:
        found["depends_on"] = waits
    found["deploy"] = _deploy(component)
    found["logging"] = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}}
    found["labels"] = {"slostack.config": digest, **_why_no_health(component)}
    return found


def _escaped(text: str) -> str:
    return text.replace("$", "$$")


def _networks(component: Component, instance: str) -> dict[str, Any]:
    alias = {} if instance == component.name else {"aliases": [component.name]}
    outside = component.name in _CALLS_OUT or any(port.exposed for port in component.ports)
    return {"inside": alias, "outside": {}} if outside else {"inside": alias}


def _ports(component: Component, settings: StackSettings) -> list[str]:
    address = settings.exposure(component.name).address
    host = f"[{address}]" if ":" in address else address
    more = component.replicas - 1
    return [
        # Several containers cannot share a port of the machine: each takes one of a range.
        f"{host}:{port.number}{f'-{port.number + more}' if more else ''}:{port.number}"
        for port in component.ports
        if port.exposed
    ]


def _health(component: Component) -> dict[str, Any]:
    if not component.probe.command:
        return {}
    return {
        "healthcheck": {
            "test": ["CMD", *map(_escaped, component.probe.command)],
            "interval": "15s",
            "timeout": "5s",
            "retries": 4,
            "start_period": f"{component.probe.startup_seconds}s",
            "start_interval": "2s",
        }
    }


def _why_no_health(component: Component) -> dict[str, str]:
    if component.probe.command:
        return {}
    port = component.port(component.probe.port).number
    return {"slostack.health": f"the image has no program to ask with; ask port {port} from inside"}


def _waits_for(component: Component, plan: StackPlan) -> dict[str, Any]:
    waits: dict[str, Any] = {}
    if component in prepared(plan):
        waits[PREPARE] = {"condition": "service_completed_successfully"}
    for name in component.needs:
        needed = plan.component(name)
        condition = "service_healthy" if needed.probe.command else "service_started"
        waits |= {instance: {"condition": condition} for instance in instances(needed)}
    return waits


def _deploy(component: Component) -> dict[str, Any]:
    resources = component.resources
    found: dict[str, Any] = {}
    if len(instances(component)) < component.replicas:
        found["replicas"] = component.replicas
    found["resources"] = {
        "limits": {
            "cpus": f"{resources.cpu * _CPU_BURST:g}",
            "memory": f"{resources.memory_limit_mib}M",
        },
        "reservations": {"cpus": f"{resources.cpu:g}", "memory": f"{resources.memory_mib}M"},
    }
    return found
