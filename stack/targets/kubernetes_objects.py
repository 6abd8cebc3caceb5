"""Make the objects that surround a workload: names and labels, configuration, services, rights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from slo.errors import ToolError
from slo.stack.components.context import dump_yaml
from slo.stack.components.model import Component, ConfigFile
from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes_places import headless

__all__ = [
    "Bundle",
    "Object",
    "bundles",
    "cluster_rights",
    "config_map",
    "config_maps",
    "digest",
    "has_pods_of_its_own",
    "kustomization",
    "labels",
    "metadata",
    "namespace",
    "object_text",
    "selector",
    "service_account",
    "services",
    "unique",
    "watches_cluster",
]

Object = dict[str, Any]

# An object may hold 1 MiB; a third is left for escapes in JSON and what the server adds.
_BUNDLE_BYTES = 700_000
# Folders of configuration that the running program reads again by itself, so that a change needs
# no new pods: Grafana does anyway, the others are told to by the target.
_LIVE_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "grafana": ("dashboards",),
    "prometheus": ("", "rules"),
    "victoria-metrics": ("",),
    "vmagent": ("",),
    "vmalert": ("rules",),
}
# Configuration with one of these words asks the API server about pods.
_CLUSTER_WORDS = ("k8s_attributes", "k8sattributes", "kubernetes_sd_configs", "k8s_observer")

# From here on, YAML gives keys a form of their own.
_LONG_KEY = 100
# What keys of ConfigMaps must not have.
_KEY_SIGN = re.compile(r"[^-._a-zA-Z0-9]")


class Bundle(NamedTuple):
    """
    Hold the files of one ConfigMap.

    Args:
        keys: Names of the files there, by their names in the folder of configuration.
        live: A change is taken by the running program.
    """

    name: str
    files: tuple[ConfigFile, ...]
    live: bool

    @property
    def keys(self) -> dict[str, str]:
        """Return the key of each file: a path may have slashes and any letter, a key must not."""
        return unique(
            {file.name: _KEY_SIGN.sub("-", file.name.replace("/", ".")) for file in self.files}
        )


def unique(wanted: Mapping[str, str]) -> dict[str, str]:
    """
    Return *wanted* with a number before each value that another one has already.

    >>> unique({"a b": "a-b", "a-b": "a-b"})
    {'a b': 'a-b', 'a-b': '2-a-b'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name, text in wanted.items():
        numbered, number = text, 1
        while numbered in taken:
            number += 1
            numbered = f"{number}-{text}"
        taken.add(numbered)
        found[name] = numbered
    return found


def labels(component: str, settings: StackSettings) -> dict[str, str]:
    """Return the recommended labels of everything that belongs to *component*."""
    return {
        **selector(component, settings),
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": settings.name,
        "app.kubernetes.io/managed-by": "slostack",
    }


def selector(component: str, settings: StackSettings) -> dict[str, str]:
    """Return the labels that tell the pods of *component*; they never change."""
    return {"app.kubernetes.io/name": component, "app.kubernetes.io/instance": settings.name}


def metadata(name: str, component: str, settings: StackSettings) -> Object:
    """Return the metadata of an object of *component*."""
    return {"name": name, "namespace": settings.name, "labels": labels(component, settings)}


def namespace(settings: StackSettings) -> Object:
    """Return the namespace; it takes no pod that breaks the strictest security standard."""
    enforced = {
        f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")
    }
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": settings.name,
            "labels": {
                "app.kubernetes.io/part-of": settings.name,
                "app.kubernetes.io/managed-by": "slostack",
                **enforced,
            },
        },
    }


def bundles(component: Component) -> tuple[Bundle, ...]:
    """
    Return the files of *component* as ConfigMaps, one for each folder, more where they are large.

    Raises:
        ToolError: One file is too large for any object.
    """
    folders: dict[str, list[ConfigFile]] = {}
    for file in component.configs:
        folder, _, rest = file.name.partition("/")
        folders.setdefault(folder if rest else "", []).append(file)
    return tuple(
        bundle for folder, files in folders.items() for bundle in _split(component, folder, files)
    )


def _split(component: Component, folder: str, files: list[ConfigFile]) -> Iterator[Bundle]:
    live = folder in _LIVE_FOLDERS.get(component.name, ())
    parts: list[list[ConfigFile]] = [[]]
    room = _BUNDLE_BYTES
    for file in files:
        size = len(file.text.encode()) + len(file.name)
        if size > _BUNDLE_BYTES:
            raise ToolError(
                f"{component.name}: {file.name} has {size:,} bytes, more than an object of "
                "Kubernetes may hold.\nSplit the spec into several files: each becomes a file of "
                "its own"
            )
        if size > room:
            parts.append([])
            room = _BUNDLE_BYTES
        parts[-1].append(file)
        room -= size
    for number, part in enumerate(parts, 1):
        words = (component.name, folder or "config", *([str(number)] if number > 1 else []))
        yield Bundle("-".join(words), tuple(part), live)


def config_maps(component: Component, settings: StackSettings) -> Iterator[Object]:
    """Yield the ConfigMaps of *component*."""
    for bundle in bundles(component):
        data = {bundle.keys[file.name]: file.text for file in bundle.files}
        yield config_map(bundle.name, component.name, data, settings)


def config_map(
    name: str, component: str, data: Mapping[str, str], settings: StackSettings
) -> Object:
    """Return one ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, component, settings),
        "data": dict(data),
    }


def object_text(found: Object) -> str:
    """Return an object as YAML; files in it are written by hand, where they are large."""
    data = found.get("data") or {}
    plain = all(len(key) < _LONG_KEY and _is_plain(text) for key, text in data.items())
    if found.get("kind") != "ConfigMap" or not data or not plain:
        return dump_yaml(found)
    # The emitter looks at each letter, which takes a minute for three hundred services.
    head = dump_yaml({key: value for key, value in found.items() if key != "data"})
    parts = [head, "data:\n"]
    for key, text in data.items():
        name = dump_yaml({key: ""}).rpartition(": ")[0]
        lines = (f"    {line}" if line else "" for line in text[:-1].split("\n"))
        parts.append(f"  {name}: |\n" + "\n".join(lines) + "\n")
    return "".join(parts)


def _is_plain(text: str) -> bool:
    """Tell whether *text* can be a block as it is."""
    lines = text.split("\n")
    return (
        len(lines) > 1
        and not lines[-1]
        and bool(lines[-2])
        and bool(lines[0])
        and not lines[0].startswith(" ")
        and all(line.isprintable() and not line.endswith(" ") for line in lines)
    )


def digest(component: Component) -> str:
    """Return what changes with any file that *component* reads only when it starts."""
    found = hashlib.sha256()
    for bundle in bundles(component):
        for file in () if bundle.live else bundle.files:
            found.update(f"{file.name}\0{file.text}\0".encode())
    return found.hexdigest()[:16]


def has_pods_of_its_own(component: Component) -> bool:
    """Tell whether others have to reach single pods of *component*, not any of them."""
    return component.every_node or component.scalable or component.replicas > 1


def services(component: Component, settings: StackSettings) -> Iterator[Object]:
    """Yield the service of *component*, and the headless one where single pods matter."""
    ports = [
        {"name": port.name, "port": port.number, "targetPort": port.name, "protocol": "TCP"}
        for port in component.ports
    ]
    spec: Object = {
        "type": "ClusterIP",
        "selector": selector(component.name, settings),
        "ports": ports,
    }
    if component.every_node:
        # What a pod sends goes to the agent of its own node, and nowhere if that is down.
        spec["internalTrafficPolicy"] = "Local"
    yield _service(component.name, component, spec, settings)
    if has_pods_of_its_own(component) or component.volumes:
        spec = {**spec, "clusterIP": "None"}
        spec.pop("internalTrafficPolicy", None)
        yield _service(headless(component.name), component, spec, settings)


def _service(name: str, component: Component, spec: Object, settings: StackSettings) -> Object:
    found = metadata(name, component.name, settings)
    if "clusterIP" in spec:
        # A monitor that selects services by label must not find the same pods twice.
        found["labels"]["slostack/headless"] = "true"
    return {"apiVersion": "v1", "kind": "Service", "metadata": found, "spec": spec}


def service_account(component: Component, settings: StackSettings) -> Object:
    """Return the account of *component*; its token is in a pod only where rights go with it."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(component.name, component.name, settings),
        "automountServiceAccountToken": False,
    }


def watches_cluster(component: Component) -> bool:
    """Tell whether the configuration of *component* asks the API server about pods."""
    return any(
        word in file.text
        for file in component.configs
        if "/" not in file.name
        for word in _CLUSTER_WORDS
    )


def cluster_rights(component: Component, settings: StackSettings) -> Iterator[Object]:
    """Yield the right to read which pod is where, for a *component* that asks."""
    if not watches_cluster(component):
        return
    name = f"{settings.name}-{component.name}"
    found = {"name": name, "labels": labels(component.name, settings)}
    reading = ["get", "list", "watch"]
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": found,
        "rules": [
            {"apiGroups": [""], "resources": ["namespaces", "nodes", "pods"], "verbs": reading},
            {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": reading},
        ],
    }
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": found,
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": name,
        },
        "subjects": [
            {"kind": "ServiceAccount", "name": component.name, "namespace": settings.name}
        ],
    }


def kustomization(**content: Any) -> Object:
    """Return a kustomization with all of *content* that is not empty."""
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return {**head, **{key: value for key, value in content.items() if value}}
