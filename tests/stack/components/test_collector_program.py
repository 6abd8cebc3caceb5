"""A real collector takes every configuration that a stack has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.components.context import Compiled, Versions
from slo.stack.components.model import StackPlan
from slo.stack.components.plan import stack_plan
from slo.stack.settings import StackSettings
from slo.stack.targets.compose import compose_plan
from slo.stack.targets.kubernetes import kubernetes_plan
from slo.stack.targets.kubernetes_operator import operator_plan
from slo.stack.targets.local_places import LocalPlaces
from tests.collector.real_collector import validate
from tests.collector_run.running import needs_collector
from tests.stack.components.stacks import SPEC, VARIANTS, compiled
from tests.stack.components.test_collector import PLATFORM

pytestmark = needs_collector

TELEMETRY = Path(__file__).parents[3] / "examples" / "telemetry"


def local_plan(settings: StackSettings, found: Compiled) -> StackPlan:
    """Return the stack of this machine, whichever programs it has."""
    alone = replace(settings, replicas={})
    versions = Versions(collector=(0, 161))
    return stack_plan(alone, found, LocalPlaces(alone, Path("/srv/data")), versions=versions)


TARGETS: dict[str, Callable[[StackSettings, Compiled], StackPlan]] = {
    "compose": compose_plan,
    "kubernetes": kubernetes_plan,
    "local": local_plan,
    "operator": operator_plan,
}
SETTINGS = {name: found for name, found in VARIANTS.items() if "collector" in found.parts}


def example() -> Compiled:
    result = compile_specs([str(TELEMETRY)], CompileOptions())
    return Compiled(result.specs, result.artifacts)


SPECS: dict[str, Callable[[], Compiled]] = {
    "nothing of telemetry": compiled,
    "destinations": lambda: compiled(SPEC + PLATFORM),
    "example": example,
}


@pytest.mark.parametrize("specs", SPECS)
@pytest.mark.parametrize("variant", SETTINGS)
@pytest.mark.parametrize("target", TARGETS)
def test_takes_what_a_stack_has(target: str, variant: str, specs: str, tmp_path: Path) -> None:
    if target == "operator" and SETTINGS[variant].engine != "prometheus":
        pytest.skip("the chart runs Prometheus only")
    plan = TARGETS[target](SETTINGS[variant], SPECS[specs]())
    for name in ("collector-agent", "collector-gateway"):
        [config] = plan.component(name).configs

        assert "" == validate(config.text, tmp_path), name


def test_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    """So that the other tests can fail."""
    [config] = compose_plan(StackSettings(), compiled()).component("collector-agent").configs

    assert "retry_on_failures" in validate(
        config.text.replace("retry_on_failure:", "retry_on_failures:"), tmp_path
    )
