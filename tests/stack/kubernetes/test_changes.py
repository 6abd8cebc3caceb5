"""Changed specs take effect: by new pods where a program reads at its start, else without."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.engine.discovery import discover
from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes import render
from tests.stack.components.stacks import SPEC, compiled
from tests.stack.kubernetes.cluster import WORKLOADS

CHANGED = SPEC.replace("99.9", "99.5")


def templates(spec: str, settings: StackSettings) -> dict[str, Any]:
    found = {}
    for artifact in render(settings, compiled(spec), Path("stack/kubernetes")):
        if artifact.path.startswith("base/"):
            for document in yaml.load_all(artifact.text, Loader=yaml.CSafeLoader):
                if document["kind"] in WORKLOADS:
                    found[document["metadata"]["name"]] = document["spec"]["template"]
    return found


@pytest.mark.parametrize(
    ("settings", "restarted"),
    [
        (StackSettings(), {"engine"}),
        (StackSettings(engine="victoria-metrics"), {"engine"}),
    ],
    ids=["prometheus", "victoria-metrics"],
)
def test_a_changed_objective_restarts_the_engine_only(
    settings: StackSettings, restarted: set[str]
) -> None:
    before, after = templates(SPEC, settings), templates(CHANGED, settings)

    assert {name for name in before if before[name] != after[name]} == restarted


def test_a_changed_receiver_restarts_alertmanager() -> None:
    spec = SPEC.replace("tickets.example.com", "work.example.com")
    before, after = templates(SPEC, StackSettings()), templates(spec, StackSettings())

    assert before["alertmanager"] != after["alertmanager"]
    assert before["prometheus"] == after["prometheus"]


@pytest.mark.parametrize(
    ("settings", "component", "watching"),
    [
        (StackSettings(), "prometheus", "--enable-feature=auto-reload-config"),
        (StackSettings(engine="victoria-metrics"), "vmalert", "-configCheckInterval=30s"),
    ],
)
def test_what_is_not_restarted_looks_for_changes(
    settings: StackSettings, component: str, watching: str
) -> None:
    [container] = templates(SPEC, settings)[component]["spec"]["containers"]

    assert watching in container["args"]


def test_specs_are_found_in_a_mounted_folder(tmp_path: Path) -> None:
    """A mounted ConfigMap is made of links: into a hidden folder, and from that into another."""
    version = tmp_path / "..2026_01_01_00_00_00.1"
    (version / "specs").mkdir(parents=True)
    (version / "specs" / "checkout.yaml").write_text(SPEC)
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "specs").symlink_to(Path("..data") / "specs")

    [found], _ = discover([os.fspath(tmp_path / "specs")])

    assert found.path.read_text() == SPEC
