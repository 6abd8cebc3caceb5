"""`slo simulate` prints what constant error rates do, and what a replay found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from slo.alerts.backtest_result import Backtest, FiringEpisode, GroupBacktest, Stretch
from slo.duration import days, minutes, seconds
from slo.engine.cli import program
from slo.engine.moments import read_moment, read_span
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.engine.reporters import backtest as reporter
from slo.engine.reporters.figures import factor_text, painter, percent_text, time_text
from slo.engine.simulate.axes import LogAxis, percent_marks, power_marks, time_marks
from slo.engine.simulate.backtest_svg import backtest_svg
from slo.engine.simulate.comparison import Comparison, compare
from slo.plan import SloPlan

SVG = "{http://www.w3.org/2000/svg}"


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(program, ["simulate", *arguments], env=environment)


@pytest.fixture
def spec(write_spec: Callable[..., Path]) -> str:
    return str(write_spec())


class TestErrorRates:
    def test_rows(self, spec: str) -> None:
        result = run(spec, "--error-rates", "100,0.2")

        assert 0 == result.exit_code, result.output
        rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
        assert (
            "checkout availability 99.9 % over 30d; the budget is worth 43m12s of full outage"
            in rows
        )
        assert "100 % >> page 1h/5m 14.4x 1m 52s 5m 4m56s 2.3 % (1m)" in rows
        assert "page 1h/5m, 6h/30m never" in rows
        assert any(row.startswith("0.2 % >> ticket 3d/6h 1x 1d12h") for row in rows)

    def test_fits_into_a_hundred_columns(self, spec: str) -> None:
        for profile in ("exact", "sloth"):
            lines = run(spec, "--profile", profile).stdout.splitlines()

            assert 100 >= max(map(len, lines))

    def test_a_pipe_gets_no_colours(self, spec: str) -> None:
        assert "\033" not in run(spec).stdout

    def test_json(self, spec: str) -> None:
        document = json.loads(run(spec, "--error-rates", "10", "--format", "json").stdout)

        (simulation,) = document["simulations"]
        assert ["checkout-availability"] == simulation["slos"]
        (rate,) = simulation["error_rates"]
        assert (10, 100) == (rate["error_percent"], rate["burn_rate"])
        first = rate["alerts"][rate["first"]]
        assert ("page", "1h/5m", 518.4) == (
            first["severity"],
            first["windows"],
            first["theory_fires_seconds"],
        )
        assert [10, 100, 1000, 10_000] == [
            each["events_per_hour"] for each in simulation["pages_by_chance"]
        ]

    def test_chance_pages_are_those_of_the_specs_traffic(
        self, write_spec: Callable[..., Path]
    ) -> None:
        path = write_spec(more="    expected_events_per_hour: 60\n")
        document = json.loads(run(str(path), "--format", "json").stdout)

        assert [60] == [
            each["events_per_hour"] for each in document["simulations"][0]["pages_by_chance"]
        ]

    def test_plot(self, spec: str, tmp_path: Path) -> None:
        """The file is whole, has a point for each alert that fires, and names its axes."""
        file = tmp_path / "plot.svg"
        result = run(spec, "--error-rates", "100,0.2", "--plot", str(file))

        assert 0 == result.exit_code
        root = ElementTree.fromstring(file.read_text())
        notes = [point.findtext(f"{SVG}title") for point in root.iter(f"{SVG}circle")]
        assert "100 % errors: page after 1m" in notes
        assert 3 == len(notes)
        texts = {element.text for element in root.iter(f"{SVG}text")}
        assert {"share of events that are bad", "page", "ticket", "1m", "100 %"} <= texts
        assert "prefers-color-scheme: dark" in file.read_text()
        assert [file] == [path for path in tmp_path.iterdir() if path.is_file()]

    def test_a_plot_that_cannot_be_written(self, spec: str, tmp_path: Path) -> None:
        result = run(spec, "--plot", str(tmp_path / "missing" / "plot.svg"))

        assert 1 == result.exit_code
        assert "cannot write" in result.stderr

    def test_one_slo(self, write_spec: Callable[..., Path]) -> None:
        write_spec("a.yaml", service="aa")
        folder = write_spec("b.yaml", service="bb", objective="99").parent

        for name in ("bb-availability", "bb/availability"):
            shown = run(str(folder), "--slo", name).stdout
            assert "bb availability" in shown
            assert "aa availability" not in shown

    def test_alike_slos_are_shown_once(self, write_spec: Callable[..., Path]) -> None:
        write_spec("a.yaml", service="aa")
        folder = write_spec("b.yaml", service="bb").parent
        shown = run(str(folder)).stdout

        assert 1 == shown.count("fires after")
        assert shown.startswith("aa availability\nbb availability  99.9 % over 30d")

    def test_without_alerts(self, write_spec: Callable[..., Path]) -> None:
        path = write_spec(more="    alerting: {page: false, ticket: false}\n")

        assert "no alerts" in run(str(path)).stdout

    def test_with_hardly_a_budget(self, write_spec: Callable[..., Path]) -> None:
        """Theory comes to less than a millisecond there."""
        result = run(str(write_spec(objective="99.9999999999")))

        assert 0 == result.exit_code, result.output
        assert "Time until the first alert" in result.stdout

    def test_without_a_budget(self, write_spec: Callable[..., Path]) -> None:
        result = run(str(write_spec(objective="100")))

        assert 0 == result.exit_code, result.output
        assert "of full outage" not in result.stdout


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--error-rates", "x"), "'x' is not a percentage"),
            (("--error-rates", "0"), "0 is not between"),
            (("--error-rates", "101"), "101 is not between"),
            (("--error-rates", "NaN"), "NaN is not between"),
            (("--slo", "nobody"), "no SLO is called nobody"),
            (("--since", "1d"), "--prometheus"),
            (("--against", "x"), "--since"),
            (("--until", "1d"), "--since"),
            (("--prometheus", "http://127.0.0.1:1"), "--since"),
            (("--time-zone", "Mars"), "not a time zone"),
        ],
    )
    def test_mistakes(self, spec: str, arguments: tuple[str, ...], message: str) -> None:
        result = run(spec, *arguments)

        assert 2 == result.exit_code
        assert message in result.stderr

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--profile", "sloth", "--since", "1d"), "profile exact"),
            (("--since", "later"), "neither a length"),
            (("--since", "1d", "--until", "2d"), "before"),
            (("--since", "2999-01-01"), "future"),
        ],
    )
    def test_mistakes_with_a_server(
        self, spec: str, arguments: tuple[str, ...], message: str
    ) -> None:
        result = run(spec, "--prometheus", "http://127.0.0.1:1", *arguments)

        assert 2 == result.exit_code
        assert message in result.stderr

    def test_a_server_of_the_environment_does_not_start_a_replay(self, spec: str) -> None:
        assert "fires after" in run(spec, SLO_PROMETHEUS="http://127.0.0.1:1").stdout

    def test_a_broken_spec(self, write_spec: Callable[..., Path]) -> None:
        result = run(str(write_spec(objective="199")))

        assert 1 == result.exit_code
        assert "SLO201" in result.stderr

    def test_nobody_answers(self, spec: str) -> None:
        pytest.importorskip("prometheus_api_client")
        result = run(
            spec, "--since", "1d", "--prometheus", "http://127.0.0.1:1", "--timeout", "500ms"
        )

        assert 1 == result.exit_code
        assert "gave no answer" in result.stderr


DAY = 86_400
SINCE, UNTIL = 1_762_300_800, 1_762_300_800 + 3 * DAY


def episode(severity: str, start: int, end: int | None, **fields: Any) -> FiringEpisode:
    fired = Stretch(SINCE + start, None if end is None else SINCE + end)
    given = {"kind": "burn_rate", "windows": "1h/5m", "burn_rate": "14.4x"} | fields
    return FiringEpisode(
        severity, fired=fired, began_before=False, peak_burn_rate=100.0, spent=0.1, **given
    )


@pytest.fixture
def plan(spec: str) -> SloPlan:
    return compile_specs([spec], CompileOptions(kinds=())).specs.slos[0]


def outcome(
    plan: SloPlan, *episodes: FiringEpisode, labels: dict[str, str] | None = None
) -> Backtest:
    group = GroupBacktest(
        labels or {},
        episodes,
        coverage=0.999,
        measured_from=SINCE - 31 * DAY,
        spent=0.3,
        remaining=0.1,
        worst_day=(date(2025, 11, 6), 0.2),
        start=SINCE,
        burn_rates=[0.5, None, 100.0, float("inf"), 0.5] * 20,
        budget=[0.4, None, 0.1, 0.1, 0.1] * 20,
    )
    return Backtest(plan, SINCE, UNTIL, seconds(30), days(30), (group,))


class TestReplayReport:
    def test_text(self, plan: SloPlan) -> None:
        test = outcome(
            plan,
            episode("page", 3600, 7200),
            episode("page", 3700, 9000, windows="6h/30m"),
            episode("ticket", 2 * DAY, None, kind="missing_data", windows=""),
        )
        rows = [" ".join(line.split()) for line in reporter.lines([test], UTC, color=False)]

        assert "2025-11-05 00:00 to 2025-11-08 00:00 UTC (3d), 99.9 % of it measured" in rows
        assert "budget 30 % spent, 10 % left at the end, worst day 2025-11-06 with 20 %" in rows
        assert "pages 1 page, firing for 1h30m" in rows
        assert "page 1h/5m 14.4x 2025-11-05 01:00:00 1h 100x 10 %" in rows
        assert "ticket no data 2025-11-07 00:00:00 1d > 100x 10 %" in rows

    def test_a_history_that_is_too_short_is_named(self, plan: SloPlan) -> None:
        test = outcome(plan)
        short = replace(test, groups=(replace(test.groups[0], measured_from=float(SINCE)),))
        text = "\n".join(reporter.lines([short], UTC, color=False))

        assert "history begins 2025-11-05 00:00:00, not 2025-10-06 00:00:00" in text
        assert not short.is_complete
        assert test.is_complete

    def test_nothing_was_measured(self, plan: SloPlan) -> None:
        nothing = replace(outcome(plan), groups=())

        assert any("nothing was measured" in row for row in reporter.lines([nothing], UTC, False))

    def test_json_can_be_read(self, plan: SloPlan) -> None:
        (test,) = json.loads(json.dumps(reporter.as_dict([outcome(plan, episode("page", 0, 60))])))[
            "backtests"
        ]

        assert {"count": 1, "firing_seconds": 60} == test["groups"][0]["pages"]
        assert SINCE == test["groups"][0]["episodes"][0]["start"]

    def test_plot(self, plan: SloPlan) -> None:
        before, after = outcome(plan, episode("page", 0, 60)), outcome(plan)
        root = ElementTree.fromstring(backtest_svg([Comparison(before, after)], UTC))
        texts = {element.text for element in root.iter(f"{SVG}text")}

        assert {"pages before", "tickets after", "14.4x page 1h", "10 % left", "06 Nov"} <= texts
        notes = [each.findtext(f"{SVG}title") for each in root.iter(f"{SVG}rect")]
        assert "page at 2025-11-05 00:00 for 1m" in [
            n and n.replace(":00 for", " for") for n in notes
        ]


class TestComparison:
    def test_what_only_one_version_sends(self, plan: SloPlan) -> None:
        before = outcome(plan, episode("page", 0, 100), episode("page", 1000, 1100))
        after = outcome(
            replace(plan, objective=Decimal(99)),
            episode("page", 50, 300),
            episode("ticket", 1000, 1100),
        )
        (found,) = compare([before], [after])

        assert [("before", "page", 1000), ("after", "ticket", 1000)] == [
            (d.only, d.severity, d.fired.start - SINCE) for d in found.differences
        ]
        text = "\n".join(reporter.comparison_lines([found], UTC, color=False))
        assert "gone: 1 notification" in text
        assert "new: 1 notification" in text
        assert "99.9 % over 30d" in text

    def test_new_and_removed_slos(self, plan: SloPlan) -> None:
        other = replace(plan, id="checkout-other")
        found = compare([outcome(other, episode("page", 0, 1))], [outcome(plan)])

        assert [(None, plan.id), (other.id, None)] == [
            (c.before and c.before.plan.id, c.after and c.after.plan.id) for c in found
        ]
        text = "\n".join(reporter.comparison_lines(found, UTC, color=False))
        assert "does not exist" in text

    def test_no_difference(self, plan: SloPlan) -> None:
        found = compare([outcome(plan)], [outcome(plan)])

        assert "the same pages" in "\n".join(reporter.comparison_lines(found, UTC, color=False))

    def test_nothing_was_measured(self, plan: SloPlan) -> None:
        """Then nothing is known to be the same."""
        empty = replace(outcome(plan), groups=())
        text = "\n".join(reporter.comparison_lines(compare([empty], [empty]), UTC, color=False))

        assert "nothing was measured" in text
        assert "look at its metric" in text
        assert "the same pages" not in text

    def test_groups_are_compared_with_themselves(self, plan: SloPlan) -> None:
        before = outcome(plan, episode("page", 0, 9), labels={"route": "a"})
        after = outcome(plan, episode("page", 0, 9), labels={"route": "b"})
        (found,) = compare([before], [after])

        assert ["route=b", "route=a"] == [d.group for d in found.differences] or [
            "route=a",
            "route=b",
        ] == [d.group for d in found.differences]


class TestFigures:
    @pytest.mark.parametrize(
        ("milliseconds", "text"),
        [(0, "0s"), (51_840, "52s"), (38_880_000, "10h48m"), (129_720_000, "1d12h2m")],
    )
    def test_time(self, milliseconds: int, text: str) -> None:
        assert text == time_text(minutes(milliseconds / 60_000))

    @pytest.mark.parametrize(
        ("share", "text"),
        [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.0231481, "2.31 %"),
            (-0.5, "-50 %"),
            (12.346, "1235 %"),
            (1e-9, "<0.0001 %"),
        ],
    )
    def test_percent(self, share: float, text: str) -> None:
        assert text == percent_text(share)

    def test_factor(self) -> None:
        assert ["1,000x", "14.4x", "3.5x", "0.051x"] == [
            factor_text(value) for value in (999.6, 14.4, 3.5, 0.0512)
        ]

    def test_colour(self) -> None:
        assert ("\033[31mx\033[0m", "", "x") == (
            painter(True)("x", "31"),
            painter(True)("", "31"),
            painter(False)("x", "31"),
        )


class TestAxes:
    def test_places(self) -> None:
        axis = LogAxis(1, 100)

        assert [0, 0, 0.5, 1, 1] == [axis.place(v) for v in (0, 1, 10, 100, 1e9)]
        assert pytest.approx(10) == axis.value(0.5)

    def test_marks(self) -> None:
        assert ["0.1 %", "0.2 %", "0.5 %", "1 %"] == [
            m.text for m in percent_marks(LogAxis(0.001, 0.01))
        ]
        assert ["1m", "10m", "1h"] == [m.text for m in time_marks(LogAxis(50, 4000))]
        assert ["0.1", "1", "10", "1,000"] == [
            m.text for m in power_marks(LogAxis(0.1, 1000)) if m.text != "100"
        ]


class TestMoments:
    def test_forms(self) -> None:
        now = float(UNTIL)

        assert now == read_moment("now", now, UTC)
        assert now - 3 * DAY == read_moment("3d", now, UTC)
        assert SINCE == read_moment("2025-11-05", now, UTC)
        assert SINCE - 3600 == read_moment("2025-11-05T00:00+01:00", now, UTC)

    @pytest.mark.parametrize("text", ["", "soon", "-5d", "2300-01-01", "9999y", "0001-01-01"])
    def test_no_moment_of_the_past(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"neither a length|in the future|before 1970"):
            read_moment(text, float(UNTIL), UTC)

    def test_nothing_between(self) -> None:
        with pytest.raises(ValueError, match="--since 0d is not before --until now"):
            read_span("0d", "now", float(UNTIL))
