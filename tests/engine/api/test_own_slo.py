"""The engine promises something about itself, by metrics that it really has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs

from .made import Made

EXAMPLES = Path(__file__).parents[3] / "examples" / "engine"
SPEC = EXAMPLES / "slostack.yaml"


def test_spec_compiles() -> None:
    result = compile_specs([str(SPEC)], CompileOptions())

    assert not result.diagnostics
    assert 4 == len(result.specs.slos)


def test_spec_reads_metrics_that_there_are(api: Made) -> None:
    text = api.client.get("/metrics").text
    wanted = set(re.findall(r"slo_engine_\w+", SPEC.read_text()))

    assert 5 <= len(wanted)
    for name in wanted:
        assert re.search(rf"^{name}[{{ ]", text, re.MULTILINE), name


def test_threshold_of_latency_is_a_bucket(api: Made) -> None:
    (bound,) = re.findall(r'le="([^"]+)"', SPEC.read_text())

    assert f'slo_engine_gate_seconds_bucket{{le="{bound}"}}' in api.client.get("/metrics").text


def test_what_can_fail_is_there_before_it_does(api: Made) -> None:
    """A ratio of a series that is born with the first error would miss that error."""
    text = api.client.get("/metrics").text

    assert 'slo_engine_gate_requests_total{outcome="failed"} 0.0' in text
    assert 'slo_engine_refreshes_total{outcome="failed"} 0.0' in text
    assert "slo_engine_decisions_unrecorded_total 0.0" in text


def test_example_of_a_configuration_names_options_that_there_are() -> None:
    from slo.engine.commands.serve import command

    known = {word.removeprefix("--") for option in command.params for word in option.opts}

    assert yaml.safe_load((EXAMPLES / "engine.yaml").read_text()).keys() <= known


@pytest.mark.servers
def test_its_alerts_fire_when_they_should(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "slo.engine.cli", "test", str(SPEC)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)

    assert 0 == run.returncode, run.stdout + run.stderr
