"""
Each indicator tells good from bad in raw series, over every window and by group.

All queries are evaluated by promtool, in one run per version of it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from slo.duration import Duration
from slo.indicators.catalog import TYPED
from slo.indicators.params import Queries
from slo.promql import render

from .worlds import STEPS, WORLDS, World

GOOD, BAD, HALF = range(3)
SHORT, LONG = Duration.parse("5m"), Duration.parse("1h")
END = "2h"


def ratio(queries: Queries, window: Duration) -> str:
    """Return the error ratio the way the rules compute it."""
    error, total = (render(query, window) for query in (queries.error, queries.total))
    return f"round((({error}) or 0 * ({total})) / (({total}) > 0), 0.01)"


def expect(queries: Queries, window: Duration, *values: tuple[str, float]) -> dict[str, object]:
    samples = [{"labels": labels, "value": value} for labels, value in values]
    return {"expr": ratio(queries, window), "eval_time": END, "exp_samples": samples}


def with_label(series: str, label: str) -> str:
    if "{" not in series:
        return f"{series}{{{label}}}"
    return f"{series[:-1]},{label}}}"


def series_of(world: World, condition: int, label: str | None = None) -> list[dict[str, str]]:
    return [
        {"series": with_label(name, label) if label else name, "values": text}
        for name, values in world.series.items()
        if (text := values[condition]) is not None
    ]


def vanished(world: World) -> list[dict[str, str]]:
    """Return good series that end ten minutes before, as when their target is gone."""
    found = series_of(world, GOOD)
    for entry in found:
        entry["values"] += " stale" if "stale" not in entry["values"] else ""
        entry["values"] = entry["values"].replace(f"x{STEPS} ", f"x{STEPS - 20} ")
    return found


def cases(world: World) -> Iterator[dict[str, object]]:
    """Yield promtool's tests of one world."""
    alone = TYPED[world.indicator](world.params, ())
    grouped = TYPED[world.indicator](world.params, ("zone",))

    def case(what: str, series: list[dict[str, str]], *checks: object) -> dict[str, object]:
        return {
            "name": f"{world}: {what}",
            "interval": "30s",
            "input_series": series,
            "promql_expr_test": list(checks),
        }

    for what, condition, value in (("all good", GOOD, 0.0), ("all bad", BAD, 1.0)):
        both = [expect(alone, window, ("{}", value)) for window in (SHORT, LONG)]
        yield case(what, series_of(world, condition), *both)
    yield case("half", series_of(world, HALF), expect(alone, LONG, ("{}", world.half)))
    yield case("no series", [{"series": "else", "values": "1x240"}], expect(alone, SHORT))
    if all(f"x{STEPS}" in (values[GOOD] or f"x{STEPS}") for values in world.series.values()):
        yield case("gone", vanished(world), expect(alone, SHORT))
    yield case(
        "groups",
        series_of(world, GOOD, 'zone="a"') + series_of(world, BAD, 'zone="b"'),
        expect(grouped, LONG, ('{zone="a"}', 0.0), ('{zone="b"}', 1.0)),
    )


def run(promtool: str, worlds: list[World], folder: Path) -> str:
    """Return what promtool has to say against *worlds*, nothing if all is well."""
    return promtool_says(promtool, [case for world in worlds for case in cases(world)], folder)


def promtool_says(promtool: str, tests: list[dict[str, object]], folder: Path) -> str:
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump({"evaluation_interval": "30s", "tests": tests}))
    done = subprocess.run(
        [promtool, "test", "rules", str(path)], capture_output=True, text=True, timeout=300
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_indicators_tell_good_from_bad(promtool: str, tmp_path: Path) -> None:
    assert "" == run(promtool, [world for world in WORLDS if not world.new], tmp_path)


@pytest.mark.prometheus3
def test_indicators_tell_good_from_bad_under_prometheus_3(promtool_3: str, tmp_path: Path) -> None:
    assert "" == run(promtool_3, WORLDS, tmp_path)


def test_a_wrong_world_is_noticed(promtool: str, tmp_path: Path) -> None:
    """The test of the test: bad series in place of good ones."""
    wrong = [
        World(w.indicator, w.params, {name: values[::-1] for name, values in w.series.items()})
        for w in WORLDS[:1]
    ]

    assert "FAILED" in run(promtool, wrong, tmp_path)


@pytest.mark.prometheus3
def test_native_histograms_without_events_have_no_errors(promtool_3: str, tmp_path: Path) -> None:
    """The fraction of nothing is NaN, which would stay in every sum for a whole period."""
    queries = TYPED["http_latency"]({"threshold": "250ms", "histogram": "native"}, ())
    metric = "http_server_request_duration_seconds"
    case = {
        "interval": "30s",
        "input_series": [
            {"series": metric, "values": "{{schema:0 count:9 sum:9 buckets:[9]}}x240"}
        ],
        "promql_expr_test": [
            {
                "expr": render(queries.error, SHORT),
                "eval_time": END,
                "exp_samples": [{"labels": "{}", "value": 0}],
            }
        ],
    }

    assert "" == promtool_says(promtool_3, [case], tmp_path)


@pytest.mark.parametrize("name", TYPED)
def test_every_indicator_has_a_world(name: str) -> None:
    assert any(world.indicator == name for world in WORLDS)
