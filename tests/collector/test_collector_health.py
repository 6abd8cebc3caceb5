"""The alerts on collectors fire when data is lost and reset when it is no longer."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs

EXAMPLES = Path(__file__).parents[2] / "examples"


def made(folder: str, **options: str) -> dict[str, str]:
    """Return the rules and tests that watch collectors, by path."""
    result = compile_specs([str(EXAMPLES / folder)], CompileOptions(**options))  # type: ignore[arg-type]
    return {a.path: a.text for a in result.artifacts if "slo-collector-health" in a.path}


def test_come_with_a_telemetry_document_only() -> None:
    assert {"rules/slo-collector-health.yaml", "rules-tests/slo-collector-health.yaml"} == set(
        made("telemetry")
    )
    assert {} == made("specs")


def test_profile_sloth_stays_what_it_is() -> None:
    assert {} == made("telemetry", profile="sloth")


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["prometheus", "kubernetes"])
def test_promtool_agrees(kind: str, tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is missing")
    for path, text in made("telemetry", format=kind).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    run = subprocess.run(
        ["promtool", "test", "rules", "slo-collector-health.yaml"],
        cwd=tmp_path / "rules-tests",
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert 0 == run.returncode, run.stdout + run.stderr
