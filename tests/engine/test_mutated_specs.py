"""No mistake in a spec crashes the compiler: broken copies of the examples yield diagnostics."""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs

EXAMPLES = Path(__file__).parents[2] / "examples"
EVERY_KEY = Path(__file__).with_name("every_key.yaml")
DOCUMENTS = [
    document
    for path in [*sorted(EXAMPLES.rglob("*.yaml")), EVERY_KEY]
    for document in yaml.safe_load_all(path.read_text())
]
NEW_KINDS = [d for d in DOCUMENTS if d.get("kind") in ("Telemetry", "Packs", "Stack")]
NEW_KINDS += [d for d in DOCUMENTS if "telemetry" in d]
REPLACEMENTS: list[Any] = [
    None,
    5,
    -1,
    3.5,
    True,
    float("inf"),
    "",
    "x",
    "no",
    "a\nb",
    "{{.window}}",
    "sum(rate(x[{{.window}}]))",
    "((((",
    [],
    [None],
    {},
    {"a": None},
    10**400,
    "x" * 300,
    "-5m",
    "9" * 30 + "d",
    "1:30",
    "\x85",
    "日本",
    "${env:HOME}",
    "http://[::1",
    "http://a:99999",
    "a:99999",
    "../../etc/passwd",
    ["a", "a"],
]


def _mutate(document: Any, choose: random.Random) -> None:
    """Replace, delete, rename or add something at a random place of *document*."""
    node = document
    while isinstance(node, dict | list) and node:
        key = choose.choice(list(node)) if isinstance(node, dict) else choose.randrange(len(node))
        deeper = isinstance(node[key], dict | list) and choose.random() < 0.8
        if deeper:
            node = node[key]
            continue
        action = choose.choice(["replace", "replace", "delete", "rename", "add"])
        if action == "replace" or isinstance(node, list):
            node[key] = copy.deepcopy(choose.choice(REPLACEMENTS))
        elif action == "delete":
            del node[key]
        elif action == "rename":
            node[f"{key}x"] = node.pop(key)
        else:
            node[choose.choice(["extra", 5, None, True])] = choose.choice(REPLACEMENTS)
        return


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("profile", ["exact", "sloth"])
def test_broken_specs_yield_diagnostics(profile: str, seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)
    path = tmp_path / "spec.yaml"
    failed = 0
    for _ in range(60):
        document = copy.deepcopy(choose.choice(DOCUMENTS))
        for _ in range(choose.choice([1, 1, 2, 3])):
            _mutate(document, choose)
        path.write_text(yaml.safe_dump(document))
        result = compile_specs([str(path)], CompileOptions(profile=profile))
        failed += result.failed
        lines = path.read_text().count("\n") + 1

        assert all(1 <= d.span.line <= lines for d in result.diagnostics)
        assert not (result.failed and result.artifacts)

    assert failed > 20, "the mutations hardly break anything"


@pytest.mark.parametrize("seed", range(8))
def test_broken_telemetry_packs_and_stacks_yield_diagnostics(seed: int, tmp_path: Path) -> None:
    choose = random.Random(seed)
    path = tmp_path / "spec.yaml"
    failed = 0
    for _ in range(60):
        documents = [copy.deepcopy(choose.choice(NEW_KINDS)) for _ in range(2)]
        for _ in range(choose.choice([1, 1, 2, 3])):
            _mutate(documents, choose)
        path.write_text(yaml.safe_dump_all(documents))
        result = compile_specs([str(path)], CompileOptions())
        failed += result.failed
        lines = path.read_text().count("\n") + 1

        assert all(1 <= d.span.line <= lines for d in result.diagnostics)
        for artifact in result.artifacts:
            if artifact.path.startswith(("collector/", "rules/")):
                yaml.load(artifact.text, yaml.CSafeLoader)

    assert failed > 20, "the mutations hardly break anything"
