"""The compiled groups stay within the limits that a Mimir has by default."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs

EXAMPLES = Path(__file__).parents[2] / "examples" / "specs"
RULES_PER_GROUP = 20


@pytest.mark.parametrize("profile", ["exact", "sloth"])
def test_rules_of_a_group(profile: str) -> None:
    """No group of the examples has more rules than `ruler_max_rules_per_rule_group` allows."""
    result = compile_specs([str(EXAMPLES)], CompileOptions(kinds=("rules",), profile=profile))

    sizes = {
        group["name"]: len(group["rules"])
        for artifact in result.artifacts
        for group in yaml.safe_load(artifact.text)["groups"]
    }
    assert sizes
    assert {} == {name: size for name, size in sizes.items() if size > RULES_PER_GROUP}
