"""Read rendered objects as a cluster would: all together, by kind and name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from slo.artifact import Artifact
from slo.stack.targets.kubernetes import render
from tests.stack.components.stacks import VARIANTS, compiled

__all__ = [
    "BASE",
    "OPERATOR",
    "STACKS",
    "WORKLOADS",
    "files",
    "named",
    "objects",
    "pods",
    "template",
]

Object = dict[str, Any]

BASE, OPERATOR = ("base/", "overlays/production/"), ("kube-prometheus-stack/",)
WORKLOADS = ("DaemonSet", "Deployment", "StatefulSet")
# Every stack in every form that it can be applied in.
STACKS = [
    (name, form)
    for name, settings in VARIANTS.items()
    for form in (BASE, OPERATOR)
    if form == BASE or settings.engine == "prometheus"
]


@cache
def files(name: str) -> tuple[Artifact, ...]:
    """Return the files of the variant *name*."""
    return render(VARIANTS[name], compiled(), Path("stack/kubernetes"))


@cache
def _all_objects(name: str, form: tuple[str, ...]) -> tuple[Object, ...]:
    return tuple(
        found
        for artifact in files(name)
        if artifact.path.startswith(form)
        and not artifact.path.endswith(("kustomization.yaml", "values.yaml"))
        for found in yaml.load_all(artifact.text, Loader=yaml.CSafeLoader)
    )


def objects(name: str, form: tuple[str, ...] = BASE, *kinds: str) -> Iterator[Object]:
    """Yield the objects of the variant *name*, of all kinds or of *kinds*."""
    return (o for o in _all_objects(name, form) if not kinds or o["kind"] in kinds)


def named(name: str, form: tuple[str, ...], kind: str) -> dict[str, Object]:
    """Return the objects of one kind by name."""
    return {found["metadata"]["name"]: found for found in objects(name, form, kind)}


def template(workload: Object) -> Object:
    """Return the pod that *workload* makes."""
    found: Object = workload["spec"]["template"]
    return found


def pods(name: str, form: tuple[str, ...] = BASE) -> dict[str, Object]:
    """Return the labels and spec of the pods of each component."""
    return {found["metadata"]["name"]: template(found) for found in objects(name, form, *WORKLOADS)}
