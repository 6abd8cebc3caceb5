"""Render a stack for Kubernetes: a kustomize base with overlays, and values for an operator."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from slo.artifact import GENERATED, Artifact
from slo.stack.components.context import Compiled, dump_yaml
from slo.stack.components.model import Component, StackPlan
from slo.stack.components.plan import stack_plan
from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes_adapt import adapted, public_host
from slo.stack.targets.kubernetes_network import deny_all, network_policies
from slo.stack.targets.kubernetes_objects import (
    Object,
    config_maps,
    kustomization,
    metadata,
    namespace,
    object_text,
)
from slo.stack.targets.kubernetes_operator import operator_files
from slo.stack.targets.kubernetes_places import KubernetesPlaces
from slo.stack.targets.kubernetes_scale import autoscaler, disruption_budget
from slo.stack.targets.kubernetes_workload import (
    component_objects,
    kind_of,
    scales,
    secret_name,
)

__all__ = ["KUBERNETES", "kubernetes_plan", "render"]

KUBERNETES = "kubernetes"
_BASE, _SECRETS, _OVERLAYS = "base", "secrets", "overlays"
# Enough for trying out; what is there to stay asks for its own. Volumes have the same size in all
# overlays: the server refuses to change it, and so to go from one overlay to the other.
_DEVELOPMENT_CPU, _DEVELOPMENT_MEMORY = "10m", "64Mi"


def kubernetes_plan(settings: StackSettings, compiled: Compiled) -> StackPlan:
    """
    Return the stack as a cluster runs it.

    Raises:
        ToolError: The settings do not fit the specs.
    """
    places = KubernetesPlaces(settings)
    return adapted(stack_plan(settings, compiled, places), settings, places)


def render(
    settings: StackSettings, compiled: Compiled, folder: Path | None = None
) -> tuple[Artifact, ...]:
    """
    Return all files for Kubernetes.

    Args:
        folder: Where they will be written, since the secrets are named relative to it;
            `stack/kubernetes` beside the settings if left out.

    Raises:
        ToolError: The settings do not fit the specs, or a file is too large for an object.
    """
    plan = kubernetes_plan(settings, compiled)
    folder = folder or settings.folder / "stack" / KUBERNETES
    documents: dict[str, Iterable[Object]] = {
        **_base(plan, settings),
        **_overlays(plan, settings),
        f"{_SECRETS}/kustomization.yaml": [_secrets(plan, settings, folder)],
        **operator_files(settings, compiled),
    }
    header = (
        f"{GENERATED} for the stack `{settings.name}`. Do not edit: change the settings or the "
        "specs\n# and render again, or add a kustomization of your own on top.\n"
    )
    return tuple(
        Artifact(path, KUBERNETES, header + "---\n".join(object_text(o) for o in objects))
        for path, objects in sorted(documents.items())
    )


def _base(plan: StackPlan, settings: StackSettings) -> dict[str, Iterable[Object]]:
    files: dict[str, Iterable[Object]] = {"namespace.yaml": [namespace(settings)]}
    policies = network_policies(plan, settings, KubernetesPlaces(settings))
    files["deny-all.yaml"] = [deny_all(settings)]
    for component in plan.components:
        objects = component_objects(component, settings)
        files[f"{component.name}.yaml"] = (*objects, policies[component.name])
        configs = tuple(config_maps(component, settings))
        if configs:
            files[f"{component.name}-config.yaml"] = configs
    files["kustomization.yaml"] = [kustomization(resources=sorted(files))]
    return {f"{_BASE}/{path}": objects for path, objects in files.items()}


def _overlays(plan: StackPlan, settings: StackSettings) -> dict[str, Iterable[Object]]:
    base = f"../../{_BASE}"
    files: dict[str, Iterable[Object]] = {
        "development/kustomization.yaml": [
            kustomization(
                resources=[base],
                replicas=[
                    {"name": c.name, "count": 1}
                    for c in plan.components
                    if c.replicas > 1 and not scales(c) and not c.every_node
                ],
                patches=list(_small(plan)),
            )
        ]
    }
    production: dict[str, Iterable[Object]] = {
        "autoscaling.yaml": _present(autoscaler(c, settings) for c in plan.components),
        "disruption.yaml": _present(disruption_budget(c, settings) for c in plan.components),
        "ingress.yaml": _present(_ingress(c, settings) for c in plan.components),
    }
    production = {path: objects for path, objects in production.items() if objects}
    production["kustomization.yaml"] = [kustomization(resources=[base, *sorted(production)])]
    files |= {f"production/{path}": objects for path, objects in production.items()}
    return {f"{_OVERLAYS}/{path}": objects for path, objects in files.items()}


def _present(objects: Iterable[Object | None]) -> tuple[Object, ...]:
    return tuple(found for found in objects if found is not None)


def _small(plan: StackPlan) -> Iterator[Object]:
    """Yield patches that let the whole stack fit on one small machine."""
    container = "/spec/template/spec/containers/0/resources/requests"
    for component in plan.components:
        changes: list[Mapping[str, str]] = [
            {"op": "replace", "path": f"{container}/cpu", "value": _DEVELOPMENT_CPU},
            {"op": "replace", "path": f"{container}/memory", "value": _DEVELOPMENT_MEMORY},
        ]
        yield {
            "target": {"kind": kind_of(component), "name": component.name},
            "patch": dump_yaml(changes),
        }


def _ingress(component: Component, settings: StackSettings) -> Object | None:
    """Return the way in from outside, for what is exposed and speaks HTTP."""
    host = public_host(component.name, settings)
    ports = [p.name for p in component.ports if p.exposed and p.name in ("http", "otlp-http")]
    if not host or not ports:
        return None
    found = metadata(component.name, component.name, settings)
    if component.access.tls:
        # The pods speak TLS too; this is how the ingress of the NGINX project is told.
        found["annotations"] = {"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS"}
    backend = {"service": {"name": component.name, "port": {"name": ports[0]}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": found,
        "spec": {
            "tls": [{"hosts": [host], "secretName": f"{component.name}-ingress-tls"}],
            "rules": [
                {
                    "host": host,
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                }
            ],
        },
    }


def _secrets(plan: StackPlan, settings: StackSettings, folder: Path) -> Object:
    """Return what makes a Secret of each component from the files in the folder of secrets."""
    files = os.path.relpath(settings.folder / settings.secrets, folder / _SECRETS)
    generators = []
    for component in plan.components:
        names = sorted({secret.name for secret in component.secrets})
        if names:
            generator: Object = {
                "name": secret_name(component),
                "files": [f"{name}={files}/{name}" for name in names],
            }
            if component.name == "grafana":
                # The chart of Grafana wants the name of the user beside the password.
                generator["literals"] = [f"admin-user={component.access.user or 'admin'}"]
            generators.append(generator)
    return kustomization(
        namespace=settings.name,
        # Others, such as External Secrets, can make the same objects under the same names.
        generatorOptions={
            "disableNameSuffixHash": True,
            "labels": {
                "app.kubernetes.io/part-of": settings.name,
                "app.kubernetes.io/managed-by": "slostack",
            },
        },
        secretGenerator=generators,
    )
