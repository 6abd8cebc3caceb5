"""The tests that the compiler writes for each indicator pass, on raw series where it can."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from slo.duration import days
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.indicators import handbook
from slo.indicators.catalog import TYPED

# Where PromQL compares, or reads native histograms, nobody can make up raw series with
# certainty; test_worlds.py proves these queries.
GIVEN_RESULTS = {
    "batch_freshness",
    "http_latency",
    "log_events",
    "probe_latency",
    "queue_age",
    "queue_drain",
    "restart_loops",
    "saturation",
}
# The slow alerts only repeat the arithmetic, over hours.
PAGES_ONLY = {"ticket": False, "missing_data": False, "budget_exhausted": False}


def test_they_pass(promtool: str, tmp_path: Path) -> None:
    for name in TYPED:
        spec = yaml.safe_load(handbook.example(name))
        for slo in spec["slos"]:
            slo["alerting"] = PAGES_ONLY
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(spec))
    # The windows of a week are the shortest: what is proven here are the queries.
    options = CompileOptions(kinds=("rules", "tests"), period=days(7))
    result = compile_specs([str(tmp_path)], options)
    given, tests = set(), []
    for artifact in result.artifacts:
        target = tmp_path / "out" / artifact.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(artifact.text)
        if artifact.path.startswith("rules-tests/") and "copies/" not in artifact.path:
            tests.append(target)
            if "Nobody can make up raw series" in artifact.text:
                given.add(target.name.partition(".")[0])
    run = subprocess.run(
        [promtool, "test", "rules", *map(str, tests)], capture_output=True, text=True, timeout=600
    )

    assert 0 == run.returncode, run.stdout + run.stderr
    assert given == GIVEN_RESULTS
    assert len(tests) >= len(TYPED)
