"""The kustomize of kubectl builds every folder, and the overlays change what they should."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stack.components.stacks import VARIANTS
from tests.stack.kubernetes.cluster import BASE, OPERATOR, WORKLOADS, files, named, objects

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is missing")

Object = dict[str, Any]


def build(name: str, folder: str, root: Path) -> list[Object]:
    for artifact in files(name):
        path = root / artifact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artifact.text)
    done = subprocess.run(
        ["kubectl", "kustomize", root / folder], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def keys(found: list[Object]) -> list[tuple[str, str]]:
    return sorted((o["kind"], o["metadata"]["name"]) for o in found)


@pytest.mark.parametrize("name", VARIANTS)
def test_production_is_the_base_and_more(name: str, tmp_path: Path) -> None:
    built = build(name, "overlays/production", tmp_path)

    assert keys(built) == keys(list(objects(name, BASE)))


def test_development_asks_for_little(tmp_path: Path) -> None:
    built = build("scaled", "overlays/development", tmp_path)
    workloads = [o for o in built if o["kind"] in WORKLOADS]

    assert len(workloads) == len(list(objects("scaled", ("base/",), *WORKLOADS)))
    for workload in workloads:
        [container] = workload["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["requests"] == {"cpu": "10m", "memory": "64Mi"}
    assert not [o for o in built if o["kind"] == "HorizontalPodAutoscaler"]


def test_volumes_are_the_same_in_all_overlays(tmp_path: Path) -> None:
    """The server refuses to change them, and so would refuse to go from one to the other."""
    claims = {
        overlay: {
            o["metadata"]["name"]: o["spec"]["volumeClaimTemplates"]
            for o in build("plain", f"overlays/{overlay}", tmp_path)
            if o["kind"] == "StatefulSet"
        }
        for overlay in ("development", "production")
    }

    assert claims["development"] == claims["production"]
    assert claims["development"]


def test_objects_for_the_operator_are_built(tmp_path: Path) -> None:
    built = build("plain", "kube-prometheus-stack", tmp_path)

    assert keys(built) == keys(list(objects("plain", OPERATOR)))
    assert named("plain", OPERATOR, "Namespace") == {}
