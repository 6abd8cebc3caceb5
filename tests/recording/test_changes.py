"""What a change of the spec does to the period that is running: docs/changes-over-time.md."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus

HOUR = 3600
END = 1_700_006_400
CHANGE = END - 4 * HOUR
START = CHANGE - 8 * HOUR
RATIO = "slo:sli_error:ratio_rate30d"
LEFT = "slo:period_error_budget_remaining:ratio"
ERROR = 'sum(rate(errors_total{kind="old"}[{{.window}}]))'


def spec(
    *,
    service: str = "shop",
    name: str = "requests",
    objective: str = "95",
    window: str = "30d",
    labels: str = "{region: eu}",
    error: str = ERROR,
    total: str = "sum(rate(requests_total[{{.window}}]))",
    more: str = "",
) -> str:
    return f"""
version: slo/v1
service: {service}
labels: {labels}
slos:
  - name: {name}
    objective: {objective}
    window: {window}
    indicator:
      events:
        error: {error}
        total: {total}
{more}"""


@pytest.fixture
def traffic(history: Any) -> Any:
    """Return a history in which 2 % of the events are bad by one count, and 8 % by another."""

    def counter(per_step: float) -> Iterator[tuple[float, float]]:
        return ((t, per_step * n) for n, t in enumerate(range(START, END + 1, 30)))

    history.add(
        {
            'errors_total{kind="new",route="x"}': counter(8),
            'errors_total{kind="old",route="x"}': counter(2),
            'requests_total{route="x"}': counter(100),
        }
    )
    return history


@pytest.fixture
def change(traffic: Any, compile_rules: Any) -> Any:
    """Return a function that records one spec until the change and another one after it."""

    def function(before: str, after: str, *wanted: str, **options: Any) -> Any:
        first = options.pop("profile", "exact")
        options["profile"] = options.pop("profile_after", "exact")
        traffic.record(compile_rules(before, profile=first), START, CHANGE)
        later = compile_rules(after, **options)
        traffic.record(later, CHANGE + 240, END, *wanted)
        return traffic

    return function


def values(history: Any, series: str, at: int = END) -> list[tuple[dict[str, str], float]]:
    with history.server() as prometheus:
        found = prometheus.query(series, at=at // 240 * 240)
    return [(dict(sample.labels), sample.value) for sample in found]


def one(history: Any, series: str, at: int = END) -> float:
    ((_, value),) = values(history, series, at)
    return value


def counted_hours(history: Any, series: str = "slo:total_events:count30d") -> float:
    """Return how many hours of traffic a period holds."""
    return one(history, series) / (100 * 120)


def test_label_of_the_user(change: Any) -> None:
    """The period goes on; its series carry the new label."""
    history = change(spec(), spec(labels="{region: us, tier: gold}"))

    ((labels, ratio),) = values(history, RATIO)
    assert ("us", "gold") == (labels["region"], labels["tier"])
    assert pytest.approx(0.02, rel=0.01) == ratio
    assert pytest.approx(12, abs=0.2) == counted_hours(history)


def test_objective(change: Any) -> None:
    """The whole period is valued by the new objective at once."""
    history = change(spec(), spec(objective="98.4"))

    assert pytest.approx(1 - 0.02 / 0.05, abs=0.01) == one(history, LEFT, CHANGE)
    assert pytest.approx(1 - 0.02 / 0.016, abs=0.01) == one(history, LEFT, CHANGE + 240)
    assert pytest.approx(12, abs=0.2) == counted_hours(history)


def test_length_of_a_rolling_window(change: Any) -> None:
    """What is recorded already counts for the new length at once."""
    history = change(spec(), spec(window="7d"))

    assert pytest.approx(12, abs=0.2) == counted_hours(history, "slo:total_events:count1w")
    assert pytest.approx(0.6, abs=0.01) == one(history, LEFT)


def test_rolling_window_becomes_a_calendar_period(change: Any) -> None:
    """Records carry the period they belong to from the change on; the coverage shows it."""
    history = change(spec(), spec(window="{calendar: month}"))

    assert pytest.approx(4, abs=0.2) == counted_hours(history, "slo:total_events:count_month")
    assert one(history, "slo:period_coverage:ratio") < 0.02


def test_time_zone_of_a_calendar_period(change: Any) -> None:
    """Records keep the day that they were given."""
    history = change(
        spec(window="{calendar: month}"),
        spec(window="{calendar: month, time_zone: Asia/Tokyo}"),
    )

    assert pytest.approx(12, abs=0.2) == counted_hours(history, "slo:total_events:count_month")


def test_query(change: Any) -> None:
    """Old events stay counted as they were, until the window has passed them."""
    history = change(spec(), spec(error=ERROR.replace("old", "new")))

    assert pytest.approx((8 * 0.02 + 4 * 0.08) / 12, rel=0.03) == one(history, RATIO)
    assert pytest.approx(12, abs=0.2) == counted_hours(history)


def test_groups(change: Any) -> None:
    """The ungrouped series stays beside the groups until the window has passed it."""
    grouped = spec(
        error='sum by (route) (rate(errors_total{kind="old"}[{{.window}}]))',
        total="sum by (route) (rate(requests_total[{{.window}}]))",
        more="    group_by: [route]\n",
    )

    history = change(spec(), grouped)

    found = {
        labels.get("route", "none"): value / (100 * 120)
        for labels, value in values(history, "slo:total_events:count30d")
    }
    assert {"none": pytest.approx(8, abs=0.2), "x": pytest.approx(4, abs=0.2)} == found


@pytest.mark.parametrize("after", [spec(name="orders"), spec(service="store")])
def test_name(change: Any, after: str) -> None:
    """Another name is another objective: its period begins anew, the old one's series end."""
    history = change(spec(), after)

    assert pytest.approx(4, abs=0.2) == counted_hours(history)
    ((labels, _),) = values(history, RATIO)
    assert labels["sloth_id"] in ("shop-orders", "store-requests")


@pytest.mark.parametrize(("interval", "expected"), [("1m", 12), ("15s", 12), ("10s", 4)])
def test_interval(change: Any, interval: str, expected: float) -> None:
    """The period goes on while records of its length are there, from whichever group."""
    history = change(spec(), spec(), interval=interval)

    assert pytest.approx(expected, abs=0.2) == counted_hours(history)


def test_profile_sloth_to_exact(change: Any) -> None:
    """Profile `exact` reads its own records only: its period begins with the change."""
    history = change(spec(), spec(), profile="sloth")

    assert pytest.approx(4, abs=0.2) == counted_hours(history)
    # The series has one name in both profiles, and does not break.
    assert pytest.approx(0.02, rel=0.01) == one(history, RATIO, CHANGE)
    assert pytest.approx(0.02, rel=0.01) == one(history, RATIO, CHANGE + 240)


def test_profile_exact_to_sloth(change: Any) -> None:
    """The mean of ratios that `sloth` takes goes on over those that `exact` recorded."""
    history = change(spec(), spec(error=ERROR.replace("old", "new")), RATIO, profile_after="sloth")

    assert pytest.approx((8 * 0.02 + 4 * 0.08) / 12, rel=0.03) == one(history, RATIO)


def test_slices_in_place_of_events(change: Any) -> None:
    """Slices are other records than events: the period begins anew."""
    sliced = spec(more="    budgeting: {timeslices: {slice: 1m, target: 95}}\n")

    history = change(spec(), sliced)

    slices = one(history, "slo:total_slices:count30d")
    assert pytest.approx(4 * 60, abs=6) == slices


def test_target_of_slices(change: Any) -> None:
    """Slices that are recorded keep their verdict."""
    sliced = spec(more="    budgeting: {timeslices: {slice: 1m, target: 95}}\n")

    history = change(sliced, sliced.replace("target: 95", "target: 99"))

    # All 8 hours before were good, all 4 hours after are bad.
    assert pytest.approx(4 / 12, abs=0.01) == one(history, RATIO)


def live_rules(folder: Path, labels: str) -> None:
    """Write rules that are evaluated each second."""
    text = spec(
        labels=labels,
        window="[30d, {calendar: month}]",
        error="sum(count_over_time(up[{{.window}}])) or vector(1)",
        total="sum(count_over_time(up[{{.window}}])) or vector(100)",
    )
    (folder / "spec.yaml").write_text(text)
    result = compile_specs([str(folder / "spec.yaml")], CompileOptions(kinds=("rules",)))
    rules = next(a.text for a in result.artifacts if a.path == "rules/spec.yaml")
    (folder / "rules.yaml").write_text(re.sub(r"interval: \w+", "interval: 1s", rules))


def failures(prometheus: PrometheusClient, region: str) -> set[str]:
    """Return which rules fail until the series of *region* have been recorded for a while."""
    found: set[str] = set()
    deadline = time.monotonic() + 60
    recorded = 0
    while recorded < 8:
        assert time.monotonic() < deadline, "nothing is recorded"
        found |= {f"{r.name}: {r.error}" for r in prometheus.rules() if r.health == "err"}
        recorded += bool(prometheus.query(f'{LEFT}{{region="{region}"}}'))
        time.sleep(0.5)
    return found


@pytest.mark.slow
def test_no_rule_fails_when_a_label_of_the_user_changes(tmp_path: Path) -> None:
    """Neither after a reload nor after a restart, when series with both labels are there."""
    config = prometheus_config(rule_files=[tmp_path / "rules.yaml"])
    live_rules(tmp_path, "{region: eu}")
    with run_prometheus(tmp_path / "prometheus", config) as prometheus:
        assert set() == failures(prometheus, "eu")
        live_rules(tmp_path, "{region: us}")
        prometheus.reload()
        assert set() == failures(prometheus, "us")
    live_rules(tmp_path, "{region: asia}")
    with run_prometheus(tmp_path / "prometheus", config) as prometheus:
        assert set() == failures(prometheus, "asia")
        assert 2 == len(prometheus.query(LEFT)), "the old series is not seen any more"
