"""Compile packs in memory, and play their scenarios to real programs."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from slo.alerts.packs.artifacts import pack_artifacts
from slo.alerts.packs.reader import PackSet, read_packs
from slo.diagnostics import Diagnostic
from slo.source import Source, parse_documents

FILE = "packs.yaml"
_PART = re.compile(r"(?P<start>_|-?[0-9.]+?)(?:(?P<step>[+-][0-9.]+))?(?:x(?P<more>[0-9]+))?")


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


def expanded(values: str) -> Iterator[float | None]:
    """Yield the samples of promtool's notation; `None` for none."""
    for part in values.split():
        match = _PART.fullmatch(part)
        assert match is not None, part
        if match["start"] == "_":
            yield from [None] * int(match["more"] or 1)
            continue
        start, step = float(match["start"]), float(match["step"] or 0)
        yield from (start + step * turn for turn in range(int(match["more"] or 0) + 1))
