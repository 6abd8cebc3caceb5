"""Several windows of one objective, and objectives without a budget, give sound numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

MINUTE, HOUR = 60, 3600
END = 1_700_006_400
ID = '{sloth_id="shop-requests"}'
WINDOWS = "[30d, {calendar: week, time_zone: Asia/Kolkata}, {calendar: month}, 7d, 1d]"


def spec(objective: str, budgeting: str = "occurrences", windows: str = WINDOWS) -> str:
    return f"""
version: slo/v1
service: shop
slos:
  - name: requests
    objective: {objective}
    window: {windows}
    budgeting: {budgeting}
    indicator:
      events:
        error: sum(rate(errors_total[{{{{.window}}}}]))
        total: sum(rate(requests_total[{{{{.window}}}}]))
"""


def counters(start: int, end: int, bad: float) -> dict[str, Iterator[tuple[float, float]]]:
    times = range(start, end + 1, 30)
    return {
        "errors_total": ((t, bad * n) for n, t in enumerate(times)),
        "requests_total": ((t, 100.0 * n) for n, t in enumerate(times)),
    }


@pytest.mark.parametrize(
    "budgeting", ["occurrences", "{timeslices: {slice: 1m, target: 90}}"], ids=["events", "slices"]
)
def test_each_window_has_its_budget(history: Any, compile_rules: Any, budgeting: str) -> None:
    """Everything happened within the last day, so that all windows agree."""
    start = END - 6 * HOUR
    history.add(counters(start, END, 20.0))
    rules = compile_rules(spec("60", budgeting))

    history.record(rules, start, END)

    expected = 0.2 if budgeting == "occurrences" else 1.0
    with history.server() as prometheus:
        at = END // 240 * 240
        left = prometheus.query(f"slo:window_error_budget_remaining:ratio{ID}", at=at)
        found = {sample.labels["sloth_window"]: sample.value for sample in left}
        found["30d"] = prometheus.value(f"slo:period_error_budget_remaining:ratio{ID}", at=at)
    assert {
        window: pytest.approx(1 - expected / 0.4, abs=0.01)
        for window in ("30d", "week", "month", "1w", "1d")
    } == found


@pytest.mark.parametrize("windows", [WINDOWS, "[{calendar: month}, 30d]"])
@pytest.mark.parametrize("bad", [0.0, 1.0])
@pytest.mark.parametrize(
    "budgeting", ["occurrences", "{timeslices: {slice: 1m, target: 100}}"], ids=["events", "slices"]
)
def test_objective_of_100_percent(
    history: Any, compile_rules: Any, budgeting: str, bad: float, windows: str
) -> None:
    """Nothing is no number: without errors the budget is whole, with any it is gone for good."""
    start = END - HOUR
    history.add(counters(start, END, bad))
    rules = compile_rules(spec("100", budgeting, windows))

    history.record(rules, start, END)

    with history.server() as prometheus:
        at = END // 240 * 240
        for name in {rule.record for rule in rules}:
            for sample in prometheus.query(name, at=at):
                assert not math.isnan(sample.value), name
        names = [
            "slo:period_error_budget_remaining:ratio",
            "slo:window_error_budget_remaining:ratio",
        ]
        if windows != WINDOWS:
            names.append("slo:period_error_budget_remaining:projected")
        for name in names:
            for sample in prometheus.query(f"{name}{ID}", at=at):
                assert sample.value == (-math.inf if bad else 1), name
        alert = f"{names[-1]}{ID} <= 0"
        assert bool(bad) == bool(prometheus.query(alert, at=at))
