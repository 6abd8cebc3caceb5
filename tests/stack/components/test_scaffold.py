"""Check that `slo init` writes settings that can be rendered at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo.engine.scaffold import scaffold
from slo.engine.stack_inputs import read_stack


@pytest.mark.parametrize("service", ["checkout", "Shop.v2", "9lives", "a_b"])
def test_settings_of_a_new_folder_are_good(service: str, tmp_path: Path) -> None:
    for file in scaffold(service, "payments"):
        path = tmp_path / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, "utf-8")
    inputs = read_stack(tmp_path / "slostack.yaml")

    assert (tmp_path / ".slo/stack-v1.schema.json").is_file()
    assert {f"{service}.yaml", "owners.yaml"} == set(inputs.compiled.sources)
