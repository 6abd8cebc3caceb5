"""History is read as the rules would have recorded it."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path

import pytest

from slo import conventions as names
from slo.alerts.event_rates import event_rates
from slo.alerts.model import RecordingRule
from slo.alerts.timing import DEFAULT_INTERVAL, Timing
from slo.duration import Duration, seconds
from slo.engine.history import HistoryReader, aligned, read_history
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.engine.sources.connection import Connection, connect
from slo.engine.sources.protocol import Answer, SourceSeries, TooMuchData
from slo.errors import ToolError
from slo.plan import SloPlan
from slo.stack.prometheus import prometheus_config, run_prometheus

from .history_servers import load_blocks, load_remote, noisy_raw, run_victoria_metrics

INDICATORS = {
    "error": """events:
        error: sum by (pod) (rate(errors_total[{{.window}}]))
        total: sum by (pod) (rate(requests_total[{{.window}}]))""",
    "good": """events:
        good: sum by (pod) (rate(requests_total[{{.window}}])) * 0.999
        total: sum by (pod) (rate(requests_total[{{.window}}]))""",
    "no good events": """events:
        good: sum by (pod) (rate(good_total[{{.window}}]))
        total: sum by (pod) (rate(requests_total[{{.window}}]))""",
    "ratio": """ratio:
        error: sum by (pod) (rate(errors_total[{{.window}}]))
          / sum by (pod) (rate(requests_total[{{.window}}]))""",
    "complement": """ratio:
        error: 1 - (sum by (pod) (rate(errors_total[{{.window}}]))
          / sum by (pod) (rate(requests_total[{{.window}}])))""",
    "bare": """ratio:
        error: avg by (pod) (avg_over_time(share[{{.window}}])) - 0.4""",
}


def plan_of(indicator: str, folder: Path, group_by: str = "group_by: [pod]") -> SloPlan:
    path = folder / "spec.yaml"
    path.write_text(
        "version: slo/v1\nservice: shop\nslos:\n  - name: requests\n    objective: 99.9\n"
        f"    {group_by}\n    indicator:\n      {indicator}\n"
    )
    result = compile_specs([str(path)], CompileOptions(kinds=()))
    assert not result.failed, result.diagnostics
    return result.specs.slos[0]


def rule_results(
    source: object, plan: SloPlan, timing: Timing, start: int, end: int
) -> dict[tuple[str, str], dict[int, float]]:
    """Return what a server makes of the two rules, by record and pod."""
    total_name = names.total_events_rate(timing.base)
    error_name = names.error_events_rate(timing.base)
    rules = [r for r in event_rates(plan, timing.base) if isinstance(r, RecordingRule)]
    exprs = {rule.record: rule.expr for rule in rules}
    first, second = rules[0].record, rules[1].record
    # The second reads what the first recorded: put that in its place.
    exprs[second] = exprs[second].replace(f"{first}{plan.selector}", f"({exprs[first]})")
    assert {total_name, error_name} == exprs.keys()
    found = {}
    for record, expr in exprs.items():
        for at in range(start, end, 86_400):
            last = min(at + 86_400, end) - timing.fast.seconds
            for series in source.range(expr, at, last, timing.fast).series:  # type: ignore[attr-defined]
                key = (record, series.labels["pod"])
                found.setdefault(key, {}).update(
                    (round(t), v) for t, v in series.samples if not math.isnan(v)
                )
    return found


def same_as_rules(url: str, indicator: str, folder: Path, start: int, end: int) -> None:
    plan = plan_of(indicator, folder)
    timing = Timing.of(plan, DEFAULT_INTERVAL)
    with connect(Connection(url)) as source:
        histories = read_history(source, plan, timing, start, end)
        wanted = rule_results(source, plan, timing, start, end)
    read: dict[tuple[str, str], dict[int, float]] = {}
    for history in histories:
        assert {"pod"} == history.labels.keys()
        for name, column in (
            (names.error_events_rate(timing.base), history.error),
            (names.total_events_rate(timing.base), history.total),
        ):
            read[name, history.labels["pod"]] = {
                round(history.time(index)): value
                for index, value in enumerate(column)
                if value is not None and not math.isnan(value)
            }
    assert wanted.keys() == read.keys()
    for key, column in wanted.items():
        assert len(column) > 100
        assert column.keys() == read[key].keys(), key
        for at, value in column.items():
            assert value == pytest.approx(read[key][at], rel=1e-12, abs=1e-12), (key, at)


@pytest.mark.servers
class TestAgainstServers:
    @pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus")
    def test_prometheus(self, tmp_path: Path) -> None:
        """Every way to count, with gaps, resets and errors that are born late."""
        end = aligned(time.time(), seconds(60)) - 3600
        start = end - 2 * 86_400
        raw = noisy_raw(start, end)
        raw.series["share", (("pod", "a"),)] = [
            (at, (at // 60 % 7) / 7) for at in range(start, end, 60)
        ]
        load_blocks(raw, tmp_path / "prometheus" / "data", gauges=("share",))
        config = prometheus_config()
        with run_prometheus(
            tmp_path / "prometheus", config, arguments=["--storage.tsdb.retention.time=1y"]
        ) as client:
            for indicator in INDICATORS.values():
                same_as_rules(client.url, indicator, tmp_path, start + 30, end)

    @pytest.mark.skipif(shutil.which("victoria-metrics") is None, reason="needs victoria-metrics")
    def test_victoria_metrics(self, tmp_path: Path) -> None:
        end = aligned(time.time(), seconds(60)) - 3600
        start = end - 86_400
        raw = noisy_raw(start, end)
        with run_victoria_metrics(tmp_path / "vm") as url:
            load_remote(raw, f"{url}/api/v1/write")
            time.sleep(5)
            for name in ("error", "good", "ratio"):
                same_as_rules(url, INDICATORS[name], tmp_path, start + 600, end)


class Recorded:
    """Answer from a table of expressions; refuse more than *most* points."""

    url = "table"

    def __init__(self, found: dict[str, dict[str, list[float | None]]], most: int = 10**9) -> None:
        self._found, self._most = found, most
        self.asked: list[tuple[str, int]] = []

    def instant(self, query: str, at: float | None = None) -> Answer:
        raise AssertionError("not asked")

    def head_start(self) -> float | None:
        return None

    def range(self, query: str, start: float, end: float, step: Duration) -> Answer:
        count = round((end - start) / step.seconds) + 1
        self.asked.append((query, count))
        if count > self._most:
            raise TooMuchData("too many samples")
        series = []
        for pod, values in self._found.get(query, {}).items():
            samples = [
                (start + i * step.seconds, value)
                for i in range(count)
                if (value := values[round(start / step.seconds) + i]) is not None
            ]
            if samples:
                series.append(SourceSeries({"pod": pod} if pod else {}, tuple(samples)))
        return Answer(tuple(series), ("a store did not answer",))


class TestReading:
    @pytest.fixture
    def plan(self, tmp_path: Path) -> SloPlan:
        indicator = """events:
        error: sum(rate(bad[{{.window}}]))
        total: sum(rate(all[{{.window}}]))"""
        return plan_of(indicator, tmp_path, group_by="")

    def test_errors_that_do_not_exist_are_zero(self, plan: SloPlan) -> None:
        source = Recorded(
            {
                "sum(rate(all[5m]))": {"": [1.0, 2.0, None, 4.0]},
                "sum(rate(bad[5m]))": {"": [None, 0.5, None, None]},
            }
        )
        (found,) = read_history(source, plan, Timing.of(plan, DEFAULT_INTERVAL), 0, 120)

        assert [1.0, 2.0, None, 4.0] == found.total
        assert [0.0, 0.5, None, 0.0] == found.error
        assert {} == found.labels
        assert 0.75 == found.coverage
        assert 120 == found.end

    def test_no_data(self, plan: SloPlan) -> None:
        timing = Timing.of(plan, DEFAULT_INTERVAL)

        assert [] == read_history(Recorded({}), plan, timing, 0, 120)
        assert [] == read_history(Recorded({}), plan, timing, 120, 120)

    def test_asks_for_less_when_the_server_refuses(self, plan: SloPlan) -> None:
        """The length that it can answer is kept for what follows."""
        values: list[float | None] = [float(i) for i in range(4000)]
        source = Recorded({"sum(rate(all[5m]))": {"": values}}, most=800)
        reader = HistoryReader(source)
        timing = Timing.of(plan, DEFAULT_INTERVAL)
        seen: list[tuple[int, int]] = []
        (found,) = reader.read(plan, timing, 0, 4000 * 30, lambda *at: seen.append(at))

        assert values == found.total
        assert 720 == reader.steps
        assert (4000, 4000) == seen[-1]
        assert sorted(seen) == seen
        assert ("a store did not answer",) == reader.warnings

    def test_gives_up_in_the_end(self, plan: SloPlan) -> None:
        timing = Timing.of(plan, DEFAULT_INTERVAL)

        with pytest.raises(TooMuchData):
            read_history(Recorded({}, most=3), plan, timing, 0, 86_400)

    def test_a_composite_reads_no_raw_series(self, plan: SloPlan, tmp_path: Path) -> None:
        text = (
            "composite:\n        rule: worst\n        silent: bad\n        members: [{slo: one}]\n"
            "  - name: one\n    objective: 99\n    indicator: {http_availability: {}}"
        )
        path = tmp_path / "spec.yaml"
        path.write_text(
            "version: slo/v1\nservice: shop\nslos:\n  - name: all\n    objective: 99\n"
            f"    indicator:\n      {text}\n"
        )
        result = compile_specs([str(path)], CompileOptions(kinds=()))
        assert not result.failed, result.diagnostics
        composite = result.specs.slos[0]

        with pytest.raises(ToolError, match="its history follows from its members'"):
            read_history(Recorded({}), composite, Timing.of(composite, DEFAULT_INTERVAL), 0, 3600)

    def test_steps_are_multiples_of_the_interval(self, plan: SloPlan) -> None:
        assert 120 == aligned(90.5, seconds(30))
        assert 90 == aligned(90, seconds(30))
        source = Recorded({"sum(rate(all[5m]))": {"": [1.0] * 9}})
        (found,) = read_history(source, plan, Timing.of(plan, DEFAULT_INTERVAL), 31, 149)

        assert (60, 3) == (found.start, len(found))
