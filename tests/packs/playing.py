"""Compile packs in memory, and play their scenarios to real programs."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from slo.alerts.packs.artifacts import pack_artifacts
from slo.alerts.packs.reader import PackSet, read_packs
from slo.diagnostics import Diagnostic
from slo.source import Source, parse_documents

FILE = "packs.yaml"


def read(text: str) -> tuple[PackSet | None, list[Diagnostic]]:
    """Return what a Packs document asks for, and what is wrong with it."""
    (document,) = parse_documents(Source(FILE, text))
    return read_packs(document)


def packs_of(packs: Mapping[str, Any], **more: Any) -> PackSet:
    """Return the packs of a document that must be right."""
    root = {"version": "slo/v1", "kind": "Packs", "name": "main", **more, "packs": dict(packs)}
    found, diagnostics = read(yaml.safe_dump(root, sort_keys=False))
    assert [] == diagnostics
    assert found is not None
    return found


def promtool(packs: PackSet, folder: Path) -> list[str]:
    """Write rules and tests of *packs*, and return what promtool has against them."""
    made = pack_artifacts(packs, "1.2.3")
    for artifact in made:
        path = folder / artifact.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(artifact.text)
    rules = [str(folder / a.path) for a in made if a.kind == "rules"]
    tests = [str(folder / a.path) for a in made if a.kind == "tests"]
    runs = [["check", "rules", *rules], ["test", "rules", *tests]]
    done = [subprocess.run(["promtool", *run], capture_output=True, text=True) for run in runs]
    return [run.stdout + run.stderr for run in done if run.returncode]
