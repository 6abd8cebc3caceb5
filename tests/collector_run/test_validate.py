"""A real collector accepts every configuration that is made for its version."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings

from slo.collector.emit import collector_artifacts
from slo.collector.options import CollectorOptions
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.plan import SpecSet
from tests.collector.documents import read
from tests.collector.test_graph import documents
from tests.collector_run.running import PROGRAM, needs_collector

pytestmark = needs_collector

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    {
        path.parent
        for path in (ROOT / "examples").rglob("*.yaml")
        if "kind: Telemetry" in path.read_text()
    }
)
# The collector of the tests is built without them, see scripts/build-collector.
MISSING = ("elasticsearch", "datadog")
VERSION = "0.161"


def problems(folder: Path, specs: SpecSet) -> list[str]:
    """Return what the collector says against the configurations of *specs*."""
    artifacts, _ = collector_artifacts(specs, CollectorOptions(target_version=VERSION))
    said = []
    for artifact in artifacts:
        file = folder / Path(artifact.path).name
        file.write_text(artifact.text)
        done = subprocess.run(
            [PROGRAM, "validate", "--config", file],
            capture_output=True,
            text=True,
            timeout=60,
            env={"T": "token", "TOKEN": "token", "P": "password"},
        )
        # A name that will go away is only warned of, with status 0.
        if done.returncode or "deprecated" in done.stderr:
            said.append(f"{artifact.path}: {done.stderr}\n{artifact.text}")
    return said


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.name)
def test_examples(tmp_path: Path, folder: Path) -> None:
    compiled = compile_specs([folder], CompileOptions())

    assert [] == problems(tmp_path, compiled.specs)
    assert {"agent.yaml", "gateway.yaml"} == {path.name for path in tmp_path.iterdir()}


# Smaller examples of a failure would take minutes to find.
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(documents())
def test_random_specs(tmp_path: Path, texts: list[str]) -> None:
    specs, _ = read(*texts)
    (plan,) = specs.telemetry
    runnable = tuple(d for d in plan.destinations if d.kind not in MISSING)
    names = {d.name for d in runnable}
    routes = tuple(r for r in plan.routes if names.issuperset(r.destinations))
    assume(runnable)
    jobs = [scrape.job for s in specs.services if s.telemetry for scrape in s.telemetry.scrapes]
    assume(len(jobs) == len(set(jobs)))

    plan = plan._replace(destinations=runnable, routes=routes)
    specs = specs._replace(telemetry=(plan,))

    assert [] == problems(tmp_path, specs)


def test_a_fault_is_noticed(tmp_path: Path) -> None:
    """The check can fail: it sees a setting that no component has."""
    file = tmp_path / "wrong.yaml"
    file.write_text(
        "receivers: {otlp: {protocols: {grpc: {}}}}\n"
        "exporters: {debug: {colour: red}}\n"
        "service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}\n"
    )

    done = subprocess.run(
        [PROGRAM, "validate", "--config", file], capture_output=True, text=True, timeout=60
    )

    assert 1 == done.returncode
    assert "colour" in done.stderr
