"""The accuracy benchmark runs, and profile `exact` shows what happened."""

import shutil
from pathlib import Path

import pytest
from accuracy import EXACT, PYRRA, SLOTH, measure
from harness.traffic import patterns

DAYS = 3
NEEDED = ("prometheus", "promtool")


@pytest.mark.servers
@pytest.mark.skipif(
    any(shutil.which(name) is None for name in NEEDED), reason="prometheus or promtool is missing"
)
def test_the_budget_of_a_few_days_equals_the_count_of_events(tmp_path: Path) -> None:
    names = ("daily cycle 10:1", "incident at night", "missed evaluations", "dead nights")
    chosen = [p for p in patterns(DAYS) if p.name in names]

    results = {r.pattern.name: r for r in measure(tmp_path, chosen, DAYS, lambda text: None)}

    assert set(names) == set(results)
    for result in results.values():
        # The first day alone holds too few bad events to judge by.
        deviation = result.deviations(EXACT)[-1]
        assert deviation is not None
        assert deviation == pytest.approx(0, abs=result.pattern.goal), result.pattern.name
        # Raw counters hold every event: the benchmark counts as they do.
        assert result.deviations(PYRRA)[-1] == pytest.approx(0, abs=0.001)
    # The benchmark sees a wrong number where there is one.
    averaged = results["incident at night"].deviations(SLOTH)[-1]
    assert averaged is not None
    assert averaged > 1
    assert results["dead nights"].deviations(SLOTH)[-1] is None
