"""Show whole objects, so that a reviewer sees what a change does to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo.stack.settings import Exposure, StackSettings
from slo.stack.targets.kubernetes import render
from tests.stack.components.stacks import compiled

GOLDEN = Path(__file__).parent / "golden"
# Images by names of their own: a new version of one is no change of the objects.
SETTINGS = StackSettings(
    name="shop",
    host="slo.example.com",
    parts=frozenset(("engine",)),
    replicas={"engine": 2},
    expose={"engine": Exposure("0.0.0.0")},
    images={
        name: f"registry.example.com/{name}:1" for name in ("engine", "postgres", "prometheus")
    },
)
SHOWN = (
    "base/engine.yaml",
    "base/postgres.yaml",
    "kube-prometheus-stack/values.yaml",
    "overlays/development/kustomization.yaml",
    "overlays/production/autoscaling.yaml",
    "overlays/production/disruption.yaml",
    "overlays/production/ingress.yaml",
    "overlays/production/kustomization.yaml",
    "secrets/kustomization.yaml",
)


@pytest.mark.parametrize("path", SHOWN)
def test_objects_are_as_they_were(path: str, update_golden: bool) -> None:
    rendered = {a.path: a.text for a in render(SETTINGS, compiled(), Path("stack/kubernetes"))}
    golden = GOLDEN / path
    if update_golden and (not golden.exists() or golden.read_text() != rendered[path]):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(rendered[path])
        pytest.fail(f"{golden} is new or changed: review it")

    assert rendered[path] == golden.read_text()


def test_nothing_else_is_golden() -> None:
    found = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.yaml")}

    assert found == set(SHOWN)
