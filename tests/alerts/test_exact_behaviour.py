"""Profile `exact` counts right where ratios of ratios do not: shown by promtool's own engine."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing")

EVENTS = """
      events:
        error: sum(rate(errors_total[{{.window}}]))
        total: sum(rate(requests_total[{{.window}}]))
"""


def spec(indicator: str, objective: str = "99.9", more: str = "") -> str:
    return f"""
version: slo/v1
service: shop
slos:
  - name: requests
    objective: {objective}
    indicator:{indicator}{more}
"""


@dataclass
class Scenario:
    """Run rules over made-up series; a counter is a list of (minutes, increase per minute)."""

    folder: Path
    text: str
    profile: str = "exact"
    series: dict[str, list[tuple[int, float | None]]] = field(default_factory=dict)

    def counter(self, name: str, *phases: tuple[int, float | None]) -> "Scenario":
        """Add a counter; an increase of `None` means that it does not exist."""
        self.series[name] = list(phases)
        return self

    def expect(self, *checks: tuple[str, str]) -> None:
        """Demand that each (time, expression) has a result."""
        path = self.folder / "spec.yaml"
        path.write_text(self.text)
        options = CompileOptions(profile=self.profile, kinds=("rules",))
        result = compile_specs([str(path)], options)
        assert not result.failed, result.diagnostics
        rules = next(a for a in result.artifacts if a.path == "rules/spec.yaml")
        (self.folder / "rules.yaml").write_text(rules.text)
        lines = ["rule_files: [rules.yaml]", "evaluation_interval: 30s", "tests:"]
        lines += ["  - interval: 1m", "    input_series:"]
        for name, phases in self.series.items():
            lines.append(f"      - {{series: '{name}', values: '{_values(phases)}'}}")
        lines.append("    promql_expr_test:")
        for time, expression in checks:
            lines.append(f"      - expr: 'count({expression}) or vector(0)'")
            lines.append(f"        eval_time: {time}")
            lines.append("        exp_samples: [{labels: '{}', value: 1}]")
        (self.folder / "test.yaml").write_text("\n".join(lines))
        run = subprocess.run(
            ["promtool", "test", "rules", "test.yaml"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

        assert 0 == run.returncode, run.stdout + run.stderr


def _values(phases: list[tuple[int, float | None]]) -> str:
    parts, value = [], 0.0
    for minutes, increase in phases:
        if increase is None:
            parts.append(f"_x{minutes}")
            continue
        parts.append(f"{value:g}+{increase:g}x{minutes - 1}")
        value += increase * minutes
    return " ".join(parts)


def near(series: str, value: float, tolerance: float = 0.005) -> str:
    """Return a condition: *series* is within a relative *tolerance* of *value*."""
    low, high = value * (1 - tolerance), value * (1 + tolerance)
    return f"{series} > {low:.9g} and {series} < {high:.9g}"


RATIO_30D = "slo:sli_error:ratio_rate30d"


@pytest.mark.slow
def test_busy_hours_weigh_more_than_quiet_ones(tmp_path: Path) -> None:
    """Weigh 23 quiet clean hours and one busy bad hour by their events: 8.1 %, not 0.4 %."""
    scenario = Scenario(tmp_path, spec(EVENTS))
    scenario.counter("requests_total", (23 * 60, 60), (60, 6000), (10, 60))
    scenario.counter("errors_total", (23 * 60, 0), (60, 600), (10, 0))
    true = 36_000 / (23 * 3600 + 360_000 + 600)

    scenario.expect(("24h8m", near(RATIO_30D, true, 0.01)))


def test_sloth_profile_shows_the_mean_of_ratios_on_the_same_data(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, spec(EVENTS), profile="sloth")
    scenario.counter("requests_total", (23 * 60, 60), (60, 6000), (10, 60))
    scenario.counter("errors_total", (23 * 60, 0), (60, 600), (10, 0))

    scenario.expect(("24h8m", near(RATIO_30D, 0.0042, 0.1)))


def test_night_without_traffic_poisons_nothing(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, spec(EVENTS))
    scenario.counter("requests_total", (60, 600), (240, 0), (60, 600))
    scenario.counter("errors_total", (60, 6), (240, 0), (60, 6))

    scenario.expect(
        ("4h", f"absent({RATIO_30D} != {RATIO_30D})"),
        ("4h", "absent(slo:sli_error:ratio_rate5m)"),
        ("4h", near("slo:sli_error:ratio_rate6h", 0.01, 0.02)),
        ("6h", near(RATIO_30D, 0.01, 0.02)),
    )


def test_error_series_that_does_not_exist_counts_as_zero(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, spec(EVENTS)).counter("requests_total", (60, 600))

    scenario.expect(
        ("30m", "slo:sli_error:ratio_rate5m == 0"),
        ("30m", "slo:sli_error:ratio_rate1h == 0"),
        ("30m", "slo:period_error_budget_remaining:ratio == 1"),
    )


def test_error_series_born_late_counts_from_its_birth(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, spec(EVENTS)).counter("requests_total", (120, 600))
    scenario.counter("errors_total", (60, None), (60, 60))

    scenario.expect(("1h55m", near("slo:sli_error:ratio_rate5m", 0.1)))


def test_good_events_that_do_not_exist_are_an_outage(tmp_path: Path) -> None:
    """Show a wrong selector as an outage, not as an objective that is always met."""
    indicator = """
      http_latency: {metric: latency_seconds, threshold: 300ms}
"""
    scenario = Scenario(tmp_path, spec(indicator))
    scenario.counter("latency_seconds_count", (30, 600))
    scenario.counter('latency_seconds_bucket{le="0.25"}', (30, 600))

    scenario.expect(("20m", "slo:sli_error:ratio_rate5m == 1"))


def test_latency_counts_requests_above_the_threshold(tmp_path: Path) -> None:
    indicator = """
      http_latency: {metric: latency_seconds, threshold: 2s}
"""
    scenario = Scenario(tmp_path, spec(indicator))
    scenario.counter("latency_seconds_count", (30, 600))
    # Prometheus 3 writes the bound with a decimal point.
    scenario.counter('latency_seconds_bucket{le="2.0"}', (30, 540))

    scenario.expect(("20m", near("slo:sli_error:ratio_rate5m", 0.1)))


def test_groups_are_kept_and_a_group_without_errors_has_none(tmp_path: Path) -> None:
    indicator = """
      events:
        error: sum by (route) (rate(errors_total[{{.window}}]))
        total: sum by (route) (rate(requests_total[{{.window}}]))
"""
    scenario = Scenario(tmp_path, spec(indicator, more="    group_by: [route]\n"))
    scenario.counter('requests_total{route="/a"}', (60, 600))
    scenario.counter('requests_total{route="/b"}', (60, 600))
    scenario.counter('errors_total{route="/a"}', (60, 60))

    scenario.expect(
        ("30m", near('slo:sli_error:ratio_rate1h{route="/a"}', 0.1)),
        ("30m", 'slo:sli_error:ratio_rate1h{route="/b"} == 0'),
        ("30m", 'slo:period_error_budget_remaining:ratio{route="/b"} == 1'),
        ("30m", 'ALERTS{route="/a", long_window="1h", alertstate="firing"}'),
        ("30m", 'absent(ALERTS{route="/b"})'),
    )


def test_objective_of_100_alerts_on_any_error_and_is_never_nan(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, spec(EVENTS, objective="100"))
    scenario.counter("requests_total", (60, 600)).counter("errors_total", (30, 0), (30, 1))

    scenario.expect(
        ("20m", "slo:period_error_budget_remaining:ratio == 1"),
        ("20m", "slo:current_burn_rate:ratio == 0"),
        ("20m", "absent(ALERTS)"),
        ("40m", "slo:current_burn_rate:ratio == Inf"),
        ("40m", "slo:period_error_budget_remaining:ratio == -Inf"),
        ("40m", 'ALERTS{long_window="1h", alertstate="firing"}'),
    )


def test_few_bad_events_stay_silent_under_the_guard(tmp_path: Path) -> None:
    guard = "    alerting: {min_bad_events: 5}\n"
    scenario = Scenario(tmp_path, spec(EVENTS, more=guard))
    scenario.counter("requests_total", (120, 1)).counter("errors_total", (60, 0), (60, 1))

    scenario.expect(
        # Three of three requests failed: a burn rate far above every threshold.
        ("1h3m", "slo:current_burn_rate:ratio > 100"),
        ("1h3m", 'absent(ALERTS{slo_alert="burn_rate"})'),
        ("1h12m", 'ALERTS{long_window="1h", alertstate="firing"}'),
    )


def test_vanished_series_are_missing_data_and_idle_ones_are_not(tmp_path: Path) -> None:
    scenario = Scenario(tmp_path, spec(EVENTS))
    scenario.counter("requests_total", (30, 600), (60, 0), (60, None))

    scenario.expect(
        ("1h25m", 'absent(ALERTS{alertname="SLOMissingData"})'),
        ("2h", 'ALERTS{alertname="SLOMissingData", alertstate="firing"}'),
    )


def test_page_outlives_the_data_of_a_service_that_dies(tmp_path: Path) -> None:
    """Do not take vanished series for recovery: the page lasts until missing data alerts."""
    scenario = Scenario(tmp_path, spec(EVENTS))
    scenario.counter("requests_total", (60, 600), (6, 600), (60, None))
    scenario.counter("errors_total", (60, 0), (6, 600), (60, None))
    page = 'ALERTS{sloth_severity="page", long_window="1h", alertstate="firing"}'

    scenario.expect(
        ("1h5m", page),
        # Five minutes after the last scrape there is no rate any more.
        ("1h12m", "absent(slo:total_events:rate5m)"),
        ("1h12m", page),
        ("1h20m", page),
        ("1h21m30s", 'ALERTS{alertname="SLOMissingData", alertstate="firing"}'),
        ("1h22m", page),
        ("1h26m", f"absent({page})"),
    )


def test_template_marks_in_a_description_are_text(tmp_path: Path) -> None:
    """Load rules whose description holds what looks like a template, as a real server would."""
    described = '    description: "Carts such as {{ cart }} and {{ are kept."\n'
    scenario = Scenario(tmp_path, spec(EVENTS, more=described))
    scenario.counter("requests_total", (20, 600)).counter("errors_total", (20, 600))

    scenario.expect(("10m", 'ALERTS{long_window="1h", alertstate="firing"}'))


def test_division_is_weighted_and_another_ratio_is_a_plain_mean(tmp_path: Path) -> None:
    weighted = """
      ratio:
        error: sum(rate(errors_total[{{.window}}])) / sum(rate(requests_total[{{.window}}]))
"""
    plain = """
      ratio: {error: "avg_over_time(broken[{{.window}}])"}
"""
    first = Scenario(tmp_path, spec(weighted))
    first.counter("requests_total", (60, 600), (60, 6000))
    first.counter("errors_total", (60, 0), (60, 600))
    first.expect(("1h58m", near("slo:sli_error:ratio_rate6h", 0.09, 0.02)))

    second = Scenario(tmp_path, spec(plain))
    # A gauge: 0 for an hour, then 1.
    second.series["broken"] = [(60, 0), (1, 1), (59, 0)]
    second.expect(("2h", near("slo:sli_error:ratio_rate6h", 0.5, 0.03)))
