"""What the rules would have recorded equals what a real Prometheus makes of them."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo import conventions as names
from slo.alerts.event_history import EventHistory
from slo.alerts.grid_evaluation import Grid, GridSeries, evaluate
from slo.alerts.grid_operators import labels_of
from slo.alerts.grid_sums import RunningSums
from slo.alerts.model import RecordingRule
from slo.alerts.recorded_history import RecordedHistory, recording_groups
from slo.alerts.timing import DEFAULT_INTERVAL, Timing
from slo.duration import Duration, seconds
from slo.engine.backfill.remote_write import STALE, RemoteWriter
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.engine.sources.connection import Connection, connect
from slo.engine.sources.protocol import MetricsSource
from slo.plan import SloPlan
from slo.stack.prometheus import prometheus_config, run_prometheus

SPEC = """
version: slo/v1
service: shop
slos:
  - name: requests
    objective: 99.9
    window: 7d
    alerting: {min_bad_events: 5}
    indicator: &events
      events:
        error: sum by (zone) (rate(errors_total[{{.window}}]))
        total: sum by (zone) (rate(requests_total[{{.window}}]))
    group_by: [zone]
"""
# A Monday; the month changes two days later.
START = 1_790_553_600
DAYS = 4


def plans(text: str, folder: Path) -> tuple[SloPlan, ...]:
    path = folder / "spec.yaml"
    path.write_text(text)
    result = compile_specs([str(path)], CompileOptions(kinds=()))
    assert not result.failed, result.diagnostics
    return result.specs.slos


def noisy(step: Duration, days: float, seed: int, idle: bool = True) -> EventHistory:
    """Return rates with a daily cycle, gaps, idle times, and errors that are born late."""
    noise = random.Random(seed)
    count = int(days * 86_400 / step.seconds)
    error: list[float | None] = []
    total: list[float | None] = []
    down = 0
    for index in range(count):
        second = index * step.seconds
        if not down and noise.random() < 0.0005:
            down = noise.randrange(1, 200)
        if down:
            down -= 1
            error.append(None)
            total.append(None)
            continue
        rate = 5 + 4 * math.sin(second / 86_400 * 2 * math.pi) + noise.random()
        if idle and second % 86_400 < 2 * 3600:
            rate = 0.0
        born = second > 0.3 * days * 86_400
        share = noise.choice([0, 0, 0.001, 0.2]) if born else 0.0
        total.append(rate)
        error.append(rate * share)
    return EventHistory({"zone": "a"}, START, step, error, total)


def close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    # Rounding errors of a difference, such as `1 - burn rate`, are those of its parts.
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) or (a != a and b != b)


@contextmanager
def loaded(folder: Path, histories: list[RecordedHistory]) -> Iterator[MetricsSource]:
    """Run a Prometheus that has recorded *histories*, with marks where a series ends."""
    flags = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=20y"]
    with run_prometheus(folder, prometheus_config(), arguments=flags) as prometheus:
        write(f"{prometheus.url}/api/v1/write", histories)
        with connect(Connection(prometheus.url)) as source:
            yield source


def write(url: str, histories: list[RecordedHistory]) -> None:
    by_time: dict[int, list[tuple[str, dict[str, str], list[tuple[int, float]]]]] = {}
    for history in histories:
        for series in history.series():
            interval = next(
                group.interval
                for group in recording_groups(history.plan, history.timing)
                for rule in group.rules
                if isinstance(rule, RecordingRule) and rule.record == series.name
            )
            assert interval is not None
            samples: list[tuple[int, float]] = []
            for at, value in zip(series.times, series.values, strict=True):
                if samples and at - samples[-1][0] > interval.milliseconds:
                    samples.append((samples[-1][0] + interval.milliseconds, STALE))
                samples.append((at, value))
            for sample in samples:
                part = by_time.setdefault(sample[0] // 1_800_000, [])
                if not part or part[-1][:2] != (series.name, series.labels):
                    part.append((series.name, dict(series.labels), []))
                part[-1][2].append(sample)
    with closing(RemoteWriter(Connection(url))) as writer:
        for key in sorted(by_time):
            writer.send(by_time[key])


def compare(
    source: MetricsSource, history: RecordedHistory, group_labels: dict[str, str], shift: float
) -> int:
    """Demand that every rule gives what was predicted, and return how many values were seen."""
    predicted = {(s.name, labels_of(s.labels.items())): s for s in history.series()}
    compared = 0
    base = history.timing.base
    raw = (names.error_events_rate(base), names.total_events_rate(base))
    for group in recording_groups(history.plan, history.timing):
        assert group.interval is not None
        for rule in group.rules:
            if not isinstance(rule, RecordingRule) or rule.record in raw:
                continue
            found: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
            for day in range(DAYS):
                first = START + day * 86_400 + shift
                last = first + 86_400 - group.interval.seconds
                for series in source.range(rule.expr, first, last, group.interval).series:
                    labels = {**series.labels, **rule.labels}
                    labels.pop("__name__", None)
                    column = found.setdefault(labels_of(labels.items()), {})
                    column.update((round(at - shift), value) for at, value in series.samples)
            mine = {
                key[1]: {
                    at // 1000: value for at, value in zip(known.times, known.values, strict=True)
                }
                for key, known in predicted.items()
                if key[0] == rule.record
                and rule.labels.items() <= dict(key[1]).items()
                and (group_labels.items() <= dict(key[1]).items() or not group_labels)
            }
            mine = {labels: column for labels, column in mine.items() if column}
            for labels in mine.keys() | found.keys():
                a, b = mine.get(labels, {}), found.get(labels, {})
                wrong = [
                    (at, a.get(at), b.get(at))
                    for at in sorted(a.keys() | b.keys())
                    if not close(a.get(at), b.get(at))
                ]
                assert [] == wrong[:5], (rule.record, labels, rule.expr, len(wrong))
                compared += len(a)
    return compared


needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs the Debian package prometheus"
)

CASES = {
    "events": SPEC,
    "several windows": SPEC.replace("window: 7d", "window: [7d, 3d, {calendar: week}]"),
    "calendar": SPEC.replace("window: 7d", "window: {calendar: month, time_zone: Europe/Berlin}"),
    "quarter": SPEC.replace("window: 7d", "window: {calendar: quarter, time_zone: Asia/Tokyo}"),
    "slices": SPEC.replace(
        "alerting: {min_bad_events: 5}",
        "budgeting: {timeslices: {slice: 1m, target: 95, empty: good}}",
    ),
}


@pytest.mark.servers
@needs_prometheus
class TestAgainstPrometheus:
    @pytest.mark.parametrize("left_open", [False, True])
    @pytest.mark.parametrize("name", CASES)
    def test_every_rule(self, name: str, left_open: bool, tmp_path: Path) -> None:
        """Prometheus 2 includes both ends; a moment later no sample lies on the older one."""
        (plan,) = plans(CASES[name], tmp_path)
        timing = Timing.of(plan, DEFAULT_INTERVAL)
        history = RecordedHistory(plan, timing, noisy(timing.fast, DAYS, 7), left_open=left_open)

        with loaded(tmp_path / "prometheus", [history]) as source:
            compared = compare(source, history, {}, 0.001 if left_open else 0)

        assert compared > 20_000

    @pytest.mark.parametrize(
        ("rule", "silent"),
        [("weighted", "ignored"), ("series", "ignored"), ("series", "good"), ("worst", "bad")],
    )
    def test_composites(self, rule: str, silent: str, tmp_path: Path) -> None:
        """A composite follows from what its members recorded."""
        text = SPEC + (
            "  - name: orders\n    objective: 99\n    window: 7d\n    indicator: *events\n"
            "    group_by: [zone]\n"
            "  - name: both\n    objective: 99\n    window: 7d\n    indicator:\n"
            f"      composite:\n        rule: {rule}\n        silent: {silent}\n"
            "        members: [{slo: requests}, {slo: orders}]\n"
        )
        found = plans(text, tmp_path)
        timing = Timing.of(found[0], DEFAULT_INTERVAL)
        members = [
            RecordedHistory(plan, timing, noisy(timing.fast, DAYS, seed), left_open=False)
            for seed, plan in enumerate(found[:2])
        ]
        count = len(members[0].history)
        steps = EventHistory({}, START, timing.fast, [None] * count, [None] * count)
        both = RecordedHistory(found[2], timing, steps, members=members, left_open=False)

        with loaded(tmp_path / "prometheus", [*members, both]) as source:
            compared = compare(source, both, {}, 0)

        assert compared > 20_000


class TestAccess:
    @pytest.fixture
    def recorded(self, tmp_path: Path) -> RecordedHistory:
        (plan,) = plans(SPEC.replace("    alerting: {min_bad_events: 5}\n", ""), tmp_path)
        timing = Timing.of(plan, DEFAULT_INTERVAL)
        count = 2 * 2880
        error = [0.0] * (count - 120) + [1.0] * 120
        return RecordedHistory(
            plan, timing, EventHistory({"zone": "a"}, START, timing.fast, error, [2.0] * count)
        )

    def test_ratio_holds_between_evaluations(self, recorded: RecordedHistory) -> None:
        """A window that is recorded every few minutes has a value at every step."""
        slow = [w for w in recorded.plan.policy.windows if not recorded.timing.is_fast(w)][-1]
        ratios = recorded.ratio(slow)

        assert len(recorded.history) == len(ratios)
        assert None not in ratios
        stride = recorded.timing.slow.milliseconds // recorded.timing.fast.milliseconds
        assert 1 == len(set(ratios[-stride:]))
        assert ratios[-1] != ratios[-1 - stride]

    def test_ratio_of_the_period(self, recorded: RecordedHistory) -> None:
        """One hour of fifty percent in two days of constant traffic is about a percent."""
        ratio = recorded.ratio(recorded.plan.time_window)[-1]

        assert 0.5 / 48 == pytest.approx(ratio, rel=0.07)

    def test_bad_events_without_a_guard(self, recorded: RecordedHistory) -> None:
        """They can be asked for even where no rule records them."""
        (window,) = {p.long_window for p in recorded.plan.policy.pages[:1]}

        # Rates that jump are no rates over five minutes: they count for half of that more.
        assert 3600 + 150 == pytest.approx(recorded.bad_events(Duration.parse("6h"))[-1])
        assert len(recorded.history) == len(recorded.bad_events(window))
        with pytest.raises(ValueError, match="not a long window"):
            recorded.bad_events(seconds(17))

    def test_step_must_be_that_of_the_rules(self, recorded: RecordedHistory) -> None:
        other = EventHistory({}, START, seconds(60), [], [])

        with pytest.raises(ValueError, match="history every 1m, rules every 30s"):
            RecordedHistory(recorded.plan, recorded.timing, other)

    def test_labels(self, recorded: RecordedHistory) -> None:
        """Series carry the group, the identity and the rule's own labels."""
        series = next(s for s in recorded.series() if s.name == names.ERROR_BUDGET_REMAINING)

        wanted = {"zone": "a"} | recorded.plan.identity_labels | recorded.plan.labels
        assert wanted.items() <= series.labels.items()
        assert list(series.times) == sorted(series.times)


class TestRunningSums:
    @given(
        st.lists(st.none() | st.floats(-1e12, 1e12) | st.floats(0, 1e-6), max_size=60),
        st.data(),
    )
    def test_equal_the_sum_of_the_stretch(
        self, values: list[float | None], data: st.DataObject
    ) -> None:
        """However large what came before is."""
        low = data.draw(st.integers(0, len(values)))
        high = data.draw(st.integers(low, len(values)))
        part = [v for v in values[low:high] if v is not None]
        found = RunningSums(values).total(low, high)

        if not part:
            assert found is None
        else:
            bound = 1e-15 * sum(map(abs, part)) + 1e-18
            assert math.fsum(part) == pytest.approx(found, rel=1e-12, abs=bound)

    def test_infinity_does_not_stay(self) -> None:
        sums = RunningSums([1.0, math.inf, 2.0])

        assert math.inf == sums.total(0, 3)
        assert 2.0 == sums.total(2, 3)


def test_what_is_not_known_is_refused() -> None:
    """A rule that a plugin adds may hold anything."""
    grid = Grid(0, 1000, 2)
    series = [((), GridSeries(grid, [1.0, 2.0]))]

    for expression in ("quantile_over_time(0.5, a[5m])", "topk(1, a)", "a[5m:1m]", "1 + 1"):
        with pytest.raises(ValueError, match=r"not known|not a vector"):
            evaluate(expression, grid, lambda _: series, True)
