"""Turn one component into the pods that run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slo.stack.components.model import Component, Port, Volume
from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes_objects import (
    Object,
    bundles,
    cluster_rights,
    digest,
    labels,
    metadata,
    selector,
    service_account,
    services,
    watches_cluster,
)
from slo.stack.targets.kubernetes_places import CONFIG_FOLDER, SECRET_FOLDER, headless

__all__ = ["component_objects", "kind_of", "scales", "secret_name", "spread", "workload"]

# Paths that say whether the process works, whatever else it waits for: a restart cures nothing
# that is wrong elsewhere.
_ALIVE: Mapping[str, str] = {
    "alertmanager": "/-/healthy",
    "engine": "/healthz",
    "grafana": "/api/health",
    "prometheus": "/-/healthy",
    "victoria-metrics": "/health",
    "vmagent": "/health",
    "vmalert": "/health",
    "vminsert": "/health",
    "vmselect": "/health",
    "vmstorage": "/health",
}
# Seconds from the wish to stop until the kill: what is in memory has to reach the disk.
_STOP_SECONDS = {"prometheus": 120, "collector-gateway": 60, "postgres": 60}
# What writes somewhere else than to its volume and /tmp.
_SCRATCH = {"postgres": ("/var/run/postgresql",)}
_SCRATCH_SIZE = "64Mi"
# Queries of a cluster leave results here.
_TMP_SIZE = {"vmselect": "2Gi"}
_PROBE_SECONDS, _PROBE_TIMEOUT = 10, 5
_STARTUP_SECONDS = 5


def kind_of(component: Component) -> str:
    """Return the kind of workload that suits *component*."""
    if component.every_node:
        return "DaemonSet"
    return "StatefulSet" if component.volumes else "Deployment"


def scales(component: Component) -> bool:
    """Tell whether an autoscaler decides how many of *component* there are."""
    return component.scalable and not component.every_node


def secret_name(component: Component) -> str:
    """Return the Secret with everything secret that *component* reads, and nothing else."""
    return f"{component.name}-secrets"


def component_objects(component: Component, settings: StackSettings) -> tuple[Object, ...]:
    """Return the objects of one component, but for its configuration and network policy."""
    return (
        service_account(component, settings),
        *cluster_rights(component, settings),
        *services(component, settings),
        workload(component, settings),
    )


def workload(component: Component, settings: StackSettings) -> Object:
    """Return the Deployment, StatefulSet or DaemonSet of *component*."""
    kind = kind_of(component)
    spec: Object = {"selector": {"matchLabels": selector(component.name, settings)}}
    if kind != "DaemonSet" and not scales(component):
        spec["replicas"] = component.replicas
    spec["revisionHistoryLimit"] = 5
    if kind == "StatefulSet":
        spec |= {
            "serviceName": headless(component.name),
            "podManagementPolicy": "Parallel",
            # Data outlives everything but its own deletion.
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Retain",
                "whenScaled": "Retain",
            },
            "volumeClaimTemplates": [_claim(v, component, settings) for v in component.volumes],
        }
    elif kind == "Deployment":
        # The old pod serves until the new one does.
        spec["strategy"] = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        }
    else:
        spec["updateStrategy"] = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": "10%"},
        }
    spec["template"] = _template(component, settings)
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata(component.name, component.name, settings),
        "spec": spec,
    }


def _claim(volume: Volume, component: Component, settings: StackSettings) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": volume.name, "labels": selector(component.name, settings)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{volume.size_gib}Gi"}},
        },
    }


def _template(component: Component, settings: StackSettings) -> Object:
    return {
        "metadata": {
            "labels": labels(component.name, settings),
            "annotations": {
                "kubectl.kubernetes.io/default-container": component.name,
                # New pods where a file changed that is read at the start only.
                "slostack/config": digest(component),
            },
        },
        "spec": _pod(component, settings),
    }


def _pod(component: Component, settings: StackSettings) -> Object:
    spec: Object = {
        "serviceAccountName": component.name,
        "automountServiceAccountToken": watches_cluster(component),
        # Variables such as PROMETHEUS_PORT that are made of service names mislead programs.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": component.user,
            "runAsGroup": component.user,
            "fsGroup": component.user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": _STOP_SECONDS.get(component.name, 30),
    }
    if component.every_node:
        # Programs run on every node, whatever the node is reserved for.
        spec["tolerations"] = [{"operator": "Exists", "effect": "NoSchedule"}]
    if scales(component) or component.replicas > 1:
        spec["topologySpreadConstraints"] = spread(component, settings)
    spec["containers"] = [_container(component)]
    spec["volumes"] = _volumes(component)
    return spec


def spread(component: Component, settings: StackSettings) -> list[Object]:
    """Return what keeps the pods of *component* from failing together."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            # A small cluster runs them side by side rather than not at all.
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(component.name, settings)},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def _container(component: Component) -> Object:
    container: Object = {
        "name": component.name,
        "image": component.image.reference,
        "imagePullPolicy": "IfNotPresent",
    }
    if component.arguments:
        # `$(NAME)` would be taken for a variable.
        container["args"] = [word.replace("$(", "$$(") for word in component.arguments]
    if component.environment:
        container["env"] = [
            {"name": name, "value": value.replace("$(", "$$(")}
            for name, value in component.environment.items()
        ]
    resources = component.resources
    container |= {
        "ports": [{"name": p.name, "containerPort": p.number} for p in component.ports],
        **_probes(component),
        "resources": {
            "requests": {"cpu": _cores(resources.cpu), "memory": f"{resources.memory_mib}Mi"},
            # No limit of cores: being throttled is worse than being last in the queue.
            "limits": {"memory": f"{resources.memory_limit_mib}Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(component),
    }
    return container


def _cores(cores: float) -> str:
    return f"{round(cores * 1000)}m"


def _probes(component: Component) -> dict[str, Any]:
    probe = component.probe
    timing = {"periodSeconds": _PROBE_SECONDS, "timeoutSeconds": _PROBE_TIMEOUT}
    ready = _ready(component)
    return {
        "startupProbe": {
            **ready,
            "periodSeconds": _STARTUP_SECONDS,
            "timeoutSeconds": _PROBE_TIMEOUT,
            "failureThreshold": max(1, probe.startup_seconds // _STARTUP_SECONDS),
        },
        "readinessProbe": {**ready, **timing, "failureThreshold": 3},
        "livenessProbe": {**_alive(component), **timing, "failureThreshold": 6},
    }


def _ready(component: Component) -> Object:
    probe = component.probe
    port = component.port(probe.port)
    if _asks_for_password(component, port) or not probe.path:
        if probe.command:
            return {"exec": {"command": list(probe.command)}}
        return {"tcpSocket": {"port": probe.port}}
    return {"httpGet": _get(component, port, probe.path)}


def _alive(component: Component) -> Object:
    port = component.port(component.probe.port)
    path = _ALIVE.get(component.name)
    if path is None or _asks_for_password(component, port):
        return {"tcpSocket": {"port": port.name}}
    return {"httpGet": _get(component, port, path)}


def _get(component: Component, port: Port, path: str) -> Object:
    scheme = component.access.scheme if port.exposed else "http"
    return {"path": path, "port": port.name, "scheme": scheme.upper()}


def _asks_for_password(component: Component, port: Port) -> bool:
    """Tell whether the kubelet, which knows no password, would be turned away at *port*."""
    # Grafana and the engine let everybody ask for their health.
    return port.exposed and bool(component.access.user) and component.name != "grafana"


def _mounts(component: Component) -> list[Object]:
    mounts: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - of a container
    mounts += [
        {"name": f"scratch-{number}", "mountPath": path}
        for number, path in enumerate(_SCRATCH.get(component.name, ()), 1)
    ]
    mounts += [{"name": volume.name, "mountPath": volume.path} for volume in component.volumes]
    if component.configs:
        mounts.append({"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True})
    if component.secrets:
        mounts.append({"name": "secrets", "mountPath": SECRET_FOLDER, "readOnly": True})
    return mounts


def _volumes(component: Component) -> list[Object]:
    tmp = _TMP_SIZE.get(component.name, _SCRATCH_SIZE)
    found: list[Object] = [{"name": "tmp", "emptyDir": {"sizeLimit": tmp}}]
    found += [
        {"name": f"scratch-{number}", "emptyDir": {"sizeLimit": _SCRATCH_SIZE}}
        for number, _ in enumerate(_SCRATCH.get(component.name, ()), 1)
    ]
    if component.every_node:
        # A folder of the node is closed to pods without privileges: what an agent queues
        # outlives its container, not its pod.
        found += [
            {"name": volume.name, "emptyDir": {"sizeLimit": f"{volume.size_gib}Gi"}}
            for volume in component.volumes
        ]
    if component.configs:
        found.append({"name": "config", "projected": {"sources": _sources(component)}})
    if component.secrets:
        found.append({"name": "secrets", "secret": _secret(component)})
    return found


def _sources(component: Component) -> list[Object]:
    return [
        {
            "configMap": {
                "name": bundle.name,
                "items": [{"key": key, "path": path} for path, key in bundle.keys.items()],
            }
        }
        for bundle in bundles(component)
    ]


def _secret(component: Component) -> Object:
    names = sorted({secret.name for secret in component.secrets})
    return {
        "secretName": secret_name(component),
        # For the group of the pod, which is the process.
        "defaultMode": 0o440,
        "items": [{"key": name, "path": name} for name in names],
    }
