"""Show the structure of the rules; how they count is shown by running them elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import promql_parser
import pytest

from slo.alerts.exact_rules import Timing, is_weighted
from slo.burnrate import AlertPolicy, BurnWindow, scaled_policy
from slo.duration import Duration, days, hours, minutes, seconds
from slo.plan import (
    Calendar,
    ComplianceWindow,
    EventsIndicator,
    RatioIndicator,
    SloPlan,
    Timeslices,
)
from slo.promql import walk

Make = Callable[..., SloPlan]
SELECTOR = '{sloth_id="checkout-requests"}'
QUERY = "sum(rate({}[{{{{.window}}}}]))"
A, B = QUERY.format("a"), QUERY.format("b")


def metrics(expr: str) -> set[str]:
    """Return the names of the series that *expr* reads."""
    nodes = walk(promql_parser.parse(expr))
    return {n.name for n in nodes if isinstance(n, promql_parser.VectorSelector)}


def ratio(query: str, plan: SloPlan) -> SloPlan:
    return replace(plan, indicator=RatioIndicator(query, plan.span))


def policy(**pairs: tuple[str, str, str]) -> AlertPolicy:
    """Return the workbook's windows with some pairs replaced: percent, short, long."""
    given = {
        name: BurnWindow(Decimal(percent), Duration.parse(short), Duration.parse(long))
        for name, (percent, short, long) in pairs.items()
    }
    return replace(scaled_policy(days(30)), **given)


class TestStructure:
    def test_only_the_two_event_rates_read_raw_series(self, exact: Any, make_plan: Make) -> None:
        rules = exact(make_plan(min_bad_events=5)).all

        raw = [r for r in rules if metrics(r.expr) & {"bad", "all"}]

        assert ["slo:total_events:rate5m", "slo:error_events:rate5m"] == [r.record for r in raw]

    def test_every_expression_parses(self, exact: Any, make_plan: Make) -> None:
        rules = exact(make_plan(min_bad_events=5)).all

        assert len(rules) > 20
        for rule in rules:
            assert promql_parser.parse(rule.expr) is not None

    def test_every_recorded_series_that_is_read_is_made(self, exact: Any, make_plan: Make) -> None:
        rules = exact(make_plan(min_bad_events=5))
        made = {rule.record for rule in rules.records} | {"bad", "all"}

        for rule in rules.all:
            assert metrics(rule.expr) <= made

    @pytest.mark.parametrize("period", [7, 28, 30, 90])
    def test_every_window_of_the_policy_and_the_period_has_a_ratio(
        self, exact: Any, make_plan: Make, period: int
    ) -> None:
        plan = make_plan(time_window=days(period))

        rules = exact(plan)

        wanted = {*plan.policy.windows, minutes(5), plan.time_window}
        found = {
            rule.record.removeprefix("slo:sli_error:ratio_rate"): rule.labels["sloth_window"]
            for rule in rules.records
            if rule.record.startswith("slo:sli_error:")
        }
        assert {str(window): str(window) for window in wanted} == found

    def test_windows_of_pages_are_in_the_fast_group(self, exact: Any, make_plan: Make) -> None:
        fast, slow, period = exact(make_plan()).groups

        def windows(group: Any) -> list[str]:
            names = [getattr(rule, "record", "") for rule in group.rules]
            return [n.rpartition("_rate")[2] for n in names if n.startswith("slo:sli_error:")]

        assert ("slo-fast-checkout-requests", seconds(30)) == (fast.name, fast.interval)
        assert ("slo-slow-checkout-requests", minutes(2)) == (slow.name, slow.interval)
        assert ("slo-period-checkout-requests", minutes(4)) == (period.name, period.interval)
        assert ["5m", "30m", "1h", "6h"] == windows(fast)
        assert ["2h", "1d", "3d"] == windows(slow)
        assert ["30d"] == windows(period)

    def test_series_are_recorded_before_they_are_read(self, exact: Any, make_plan: Make) -> None:
        """Rules of a group are evaluated in order, so that all see the same instant."""
        for group in exact(make_plan(min_bad_events=5)).groups:
            made_here = {getattr(rule, "record", None) for rule in group.rules}
            seen: set[str] = set()
            for rule in group.rules:
                assert not (metrics(rule.expr) & made_here) - seen
                seen.add(getattr(rule, "record", ""))

    def test_the_event_rates_carry_no_labels_of_the_user(self, exact: Any, make_plan: Make) -> None:
        """A label that changes within the period would otherwise start its budget anew."""
        rules = exact(make_plan(labels={"team": "a"}))

        bare = {rule.record for rule in rules.records if "team" not in rule.labels}

        assert {
            "slo:total_events:rate5m",
            "slo:error_events:rate5m",
            "slo:total_events:rate5m_avg2m",
            "slo:error_events:rate5m_avg2m",
            "slo:total_events:rate5m_avg4m",
            "slo:error_events:rate5m_avg4m",
            "slo:total_events:count30d",
            "slo:error_events:count30d",
        } == bare

    def test_alerts_stand_in_the_group_of_their_long_windows(
        self, exact: Any, make_plan: Make
    ) -> None:
        groups = exact(make_plan()).groups

        kinds = [
            [rule.labels["slo_alert"] for rule in group.rules if hasattr(rule, "alert")]
            for group in groups
        ]

        assert [
            ["burn_rate", "burn_rate"],
            ["burn_rate", "burn_rate", "missing_data"],
            ["budget_exhausted"],
        ] == kinds


class TestWindows:
    def test_the_base_window_is_the_quotient_of_the_rates(
        self, exact: Any, make_plan: Make
    ) -> None:
        expr = exact(make_plan()).expr("slo:sli_error:ratio_rate5m")

        assert (
            f"slo:error_events:rate5m{SELECTOR} / (slo:total_events:rate5m{SELECTOR} > 0)" == expr
        )

    def test_longer_windows_are_exact_at_both_ends(self, exact: Any, make_plan: Make) -> None:
        """Five minutes at each end weigh ten records of 30 s; the rest is shifted by half."""
        error = f"slo:error_events:rate5m{SELECTOR}"

        expr = exact(make_plan()).expr("slo:sli_error:ratio_rate1h")

        assert expr.startswith(
            f"( 10 * {error} + (sum_over_time(slo:error_events:rate5m{SELECTOR}[50m] "
            f"offset 2m30s) or 0 * {error}) + 10 * ({error} offset 55m or 0 * {error}) ) "
            "/ ( ( 10 * slo:total_events:rate5m"
        )
        assert expr.endswith(") > 0 )")

    def test_slow_windows_sum_the_thinned_rates(self, exact: Any, make_plan: Make) -> None:
        thinned = f"slo:error_events:rate5m_avg2m{SELECTOR}"

        expr = exact(make_plan()).expr("slo:sli_error:ratio_rate1d")

        assert f"2.5 * slo:error_events:rate5m{SELECTOR}" in expr
        assert f"sum_over_time({thinned}[23h50m] offset 1m30s)" in expr

    def test_the_period_is_a_quotient_of_sums(self, exact: Any, make_plan: Make) -> None:
        rules = exact(make_plan())

        for kind in ("error", "total"):
            summed = f"sum_over_time(slo:{kind}_events:rate5m_avg4m{SELECTOR}[30d])"
            assert f"240 * {summed}" == rules.expr(f"slo:{kind}_events:count30d")
        bad, every = (f"slo:{kind}_events:count30d{SELECTOR}" for kind in ("error", "total"))
        assert f"{bad} / ({every} > 0)" == rules.expr("slo:sli_error:ratio_rate30d")

    def test_coverage_is_the_share_of_the_records_that_a_period_has_room_for(
        self, exact: Any, make_plan: Make
    ) -> None:
        counted = f"count_over_time(slo:total_events:rate5m_avg4m{SELECTOR}[30d])"

        expr = exact(make_plan()).expr("slo:period_coverage:ratio")

        assert f"clamp_max({counted} / 10800, 1)" == expr

    @pytest.mark.parametrize(
        ("interval", "near", "slow", "period"),
        [
            (15, "20", "1m", "2m"),
            (30, "10", "2m", "4m"),
            (60, "5", "2m", "4m"),
            (120, "2.5", "2m", "4m"),
            (150, "2", "2m30s", "2m30s"),
        ],
    )
    def test_other_intervals_weigh_the_near_end_alike(
        self, exact: Any, make_plan: Make, interval: int, near: str, slow: str, period: str
    ) -> None:
        rules = exact(make_plan(), seconds(interval))

        assert [str(seconds(interval)), slow, period] == [str(g.interval) for g in rules.groups]
        assert f"( {near} * slo:error_events" in rules.expr("slo:sli_error:ratio_rate1h")
        assert f"_avg{slow}{{" in rules.expr("slo:sli_error:ratio_rate1d")

    def test_a_shorter_window_becomes_the_base(self, exact: Any, make_plan: Make) -> None:
        plan = make_plan(policy=policy(page_quick=("1", "1m", "10m")))

        rules = exact(plan, seconds(10))

        assert "slo:error_events:rate1m" in {rule.record for rule in rules.records}
        assert "rate5m" not in rules.expr("slo:sli_error:ratio_rate1m")
        rate = f"slo:error_events:rate1m{SELECTOR}"
        assert f"6 * {rate} + (sum_over_time({rate}[8m] offset 30s)" in rules.expr(
            "slo:sli_error:ratio_rate10m"
        )
        assert rules.groups[1].interval <= minutes(1)

    @pytest.mark.parametrize("interval", [10, 30, 60, 150])
    @pytest.mark.parametrize("period", [7, 30, 90])
    def test_the_slow_interval_leaves_room_before_records_are_stale(
        self, make_plan: Make, interval: int, period: int
    ) -> None:
        timing = Timing.of(make_plan(time_window=days(period)), seconds(interval))

        assert timing.fast <= timing.slow <= minutes(2.5)
        assert timing.slow <= timing.period <= minutes(4)
        assert timing.slow <= timing.base


class TestIndicators:
    def test_bad_events_that_do_not_exist_are_zero(self, exact: Any, make_plan: Make) -> None:
        rules = exact(make_plan())

        assert "sum(rate(all[5m]))" == rules.expr("slo:total_events:rate5m")
        assert (
            "( sum(rate(bad[5m])) ) or ignoring (sloth_id, sloth_service, sloth_slo) "
            f"0 * slo:total_events:rate5m{SELECTOR}"
        ) == rules.expr("slo:error_events:rate5m")

    def test_good_events_are_taken_from_all(self, exact: Any, make_plan: Make) -> None:
        plan = make_plan()
        indicator = EventsIndicator("unused", B, plan.span, plan.span, good=A)

        expr = exact(replace(plan, indicator=indicator)).expr("slo:error_events:rate5m")

        assert expr.startswith(f"clamp_min( slo:total_events:rate5m{SELECTOR} - ignoring (")
        assert "( sum(rate(a[5m])) ) or ignoring" in expr
        assert expr.endswith(", 0)")

    @pytest.mark.parametrize(
        ("query", "numerator"), [(f"{A} / {B}", "error"), (f"1 - {A} / {B}", "good")]
    )
    def test_a_division_is_weighted_by_its_denominator(
        self, exact: Any, make_plan: Make, query: str, numerator: str
    ) -> None:
        plan = ratio(query, make_plan())

        rules = exact(plan)

        assert is_weighted(plan)
        assert "sum(rate(b[5m]))" == rules.expr("slo:total_events:rate5m")
        expr = rules.expr("slo:error_events:rate5m")
        assert ("clamp_min(" in expr) == (numerator == "good")
        assert {"a", "slo:total_events:rate5m"} == metrics(expr)

    def test_any_other_ratio_counts_one_event_per_second(self, exact: Any, make_plan: Make) -> None:
        """Comparing drops NaN, which would stay in every sum for a whole period."""
        plan = ratio("avg_over_time(share[{{.window}}])", make_plan(min_bad_events=5))

        rules = exact(plan)

        assert not is_weighted(plan)
        assert "clamp_min( avg_over_time(share[5m]) , 0) >= 0" == rules.expr(
            "slo:error_events:rate5m"
        )
        assert f"0 * slo:error_events:rate5m{SELECTOR} + 1" == rules.expr("slo:total_events:rate5m")
        assert not [r for r in rules.records if "increase" in r.record]
        assert all("increase" not in alert.expr for alert in rules.alerts)


class TestAlerts:
    def test_each_pair_of_windows_is_an_alert(self, exact: Any, make_plan: Make) -> None:
        alerts = exact(make_plan()).alerts[:4]

        assert [
            ("page", "1h", "5m"),
            ("page", "6h", "30m"),
            ("ticket", "1d", "2h"),
            ("ticket", "3d", "6h"),
        ] == [
            (a.labels["sloth_severity"], a.labels["long_window"], a.labels["short_window"])
            for a in alerts
        ]
        for alert, factor in zip(alerts, ("14.4", "6", "3", "1"), strict=True):
            long, short = alert.labels["long_window"], alert.labels["short_window"]
            ratio, above = "last_over_time(slo:sli_error:ratio_rate", f"> ({factor} * 0.001)"
            assert (
                f"( {ratio}{long}{SELECTOR}[15m]) {above} and ignoring (sloth_window) "
                f"{ratio}{short}{SELECTOR}[15m]) {above} ) / 0.001"
            ) == " ".join(alert.expr.split())

    @pytest.mark.parametrize(
        ("objective", "budget"),
        [
            ("99.9", "0.001"),
            ("99.99", "0.0001"),
            ("99.999", "0.00001"),
            ("95", "0.05"),
            ("90", "0.1"),
        ],
    )
    def test_budgets_are_exact_decimals(
        self, exact: Any, make_plan: Make, objective: str, budget: str
    ) -> None:
        rules = exact(make_plan(objective=Decimal(objective)))

        assert f"vector({budget})" == rules.expr("slo:error_budget:ratio")
        assert rules.alerts[0].expr.endswith(f"/ {budget}")
        assert rules.expr("slo:current_burn_rate:ratio").endswith(f"/ {budget}")

    def test_a_guard_counts_bad_events_in_the_long_window(
        self, exact: Any, make_plan: Make
    ) -> None:
        rules = exact(make_plan(min_bad_events=5))

        for alert in rules.alerts[:4]:
            series = f"slo:error_events:increase{alert.labels['long_window']}"
            assert f"last_over_time({series}{SELECTOR}[15m]) > 4.5" in alert.expr
            assert series in {rule.record for rule in rules.records}

    def test_without_a_guard_nothing_is_counted(self, exact: Any, make_plan: Make) -> None:
        assert not [r for r in exact(make_plan()).records if "increase" in r.record]

    @pytest.mark.parametrize(("function", "weight"), [("rate", "30 * ("), ("increase", "0.1 * (")])
    def test_the_guard_counts_events_whatever_the_query_counts(
        self, exact: Any, make_plan: Make, function: str, weight: str
    ) -> None:
        """A rate holds events per second; an increase holds each event for five minutes."""
        plan = make_plan(min_bad_events=5)
        bad, every = (QUERY.format(name).replace("rate", function) for name in ("bad", "all"))
        indicator = EventsIndicator(bad, every, plan.span, plan.span)

        expr = exact(replace(plan, indicator=indicator)).expr("slo:error_events:increase1h")

        assert expr.startswith(weight)

    def test_a_severity_that_is_off_has_no_alert(self, exact: Any, make_plan: Make) -> None:
        tickets = exact(make_plan(page=None)).alerts
        pages = exact(make_plan(ticket=None)).alerts

        assert {"ticket"} == {a.labels["sloth_severity"] for a in tickets}
        assert ["burn_rate", "burn_rate", "missing_data", "budget_exhausted"] == [
            a.labels["slo_alert"] for a in pages
        ]
        assert [] == exact(make_plan(page=None, ticket=None)).alerts

    @pytest.mark.parametrize(
        ("field", "alert"),
        [
            ("alert_on_exhaustion", "SLOErrorBudgetExhausted"),
            ("alert_on_missing_data", "SLOMissingData"),
        ],
    )
    def test_dead_ends_can_be_turned_off(
        self, exact: Any, make_plan: Make, field: str, alert: str
    ) -> None:
        assert alert in [a.alert for a in exact(make_plan()).alerts]
        assert alert not in [a.alert for a in exact(make_plan(**{field: False})).alerts]

    def test_missing_data_is_said_after_a_deployment_could_have_ended(
        self, exact: Any, make_plan: Make
    ) -> None:
        alerts = exact(make_plan(labels={"team": "a"})).alerts
        alert = next(found for found in alerts if found.alert == "SLOMissingData")

        assert ("SLOMissingData", minutes(10)) == (alert.alert, alert.for_)
        assert f"absent(slo:total_events:rate5m{SELECTOR})" == alert.expr
        assert ("a", "ticket", "requests") == tuple(
            alert.labels[key] for key in ("team", "sloth_severity", "sloth_slo")
        )

    def test_rules_of_one_group_differ_in_name_or_labels(self, exact: Any, make_plan: Make) -> None:
        """Prometheus refuses duplicates; the names of the alerts are the same for all SLOs."""
        for group in exact(make_plan(min_bad_events=5)).groups:
            keys = [
                (getattr(r, "record", None) or r.alert, tuple(sorted(r.labels.items())))
                for r in group.rules
            ]
            assert len(set(keys)) == len(keys)


class TestLabelsOfTheUser:
    def test_are_on_no_series_that_a_recording_rule_reads(
        self, exact: Any, make_plan: Make
    ) -> None:
        """Where one changes, series with both are there for minutes, and rules would fail."""
        periods = (ComplianceWindow(days(30), Calendar("month", "UTC")), ComplianceWindow(days(1)))
        for fields in (
            {},
            {"more_windows": periods, "min_bad_events": 5},
            {"calendar": Calendar("quarter", "Asia/Tokyo")},
            {"timeslices": Timeslices(minutes(1), Decimal(95), "good"), "more_windows": periods},
        ):
            rules = exact(make_plan(labels={"region": "eu"}, **fields))
            labelled = {rule.record for rule in rules.records if "region" in rule.labels}
            read = {name for rule in rules.records for name in re.findall(r"slo:[\w:]+", rule.expr)}

            assert len(labelled) > 8
            assert set() == labelled & read


class TestObjectiveOf100:
    def test_nothing_is_divided_by_zero_but_burn_rates_without_nan(
        self, exact: Any, make_plan: Make
    ) -> None:
        """Zero errors are a burn rate of 0 and any error is infinite, never NaN."""
        rules = exact(make_plan(objective=Decimal(100)))

        assert "vector(0)" == rules.expr("slo:error_budget:ratio")
        for name, kind in (("current", "rate5m"), ("period", "count30d")):
            sides = [f"slo:{side}_events:{kind}{SELECTOR}" for side in ("error", "total")]
            ratio = f"{sides[0]} / ({sides[1]} > 0)"
            ratio = f"({ratio})" if name == "current" else ratio
            assert f"({ratio} / 0 >= 0) or {ratio}" == rules.expr(f"slo:{name}_burn_rate:ratio")
        for alert in rules.alerts[:4]:
            assert not re.search(r"/ 0\b", alert.expr)
            assert "* 0)" in alert.expr


class TestPlugins:
    def test_intervals_come_from_the_plugin(self, exact: Any, make_plan: Make, call: Any) -> None:
        interval = {"default": "1m", "sliError": "15s"}
        plan = make_plan(plugins=(call("rule_intervals", interval=interval),))

        rules = exact(plan)

        assert [] == rules.diagnostics
        assert ["15s", "1m", "2m"] == [str(group.interval) for group in rules.groups]
        assert "( 20 * slo:error_events" in rules.expr("slo:sli_error:ratio_rate1h")
        assert "_avg2m{" in rules.expr("slo:total_events:count30d")

    def test_an_interval_that_leaves_gaps_is_refused(
        self, exact: Any, make_plan: Make, call: Any
    ) -> None:
        plan = make_plan(plugins=(call("rule_intervals", interval={"default": "10m"}),))

        (found,) = exact(plan).diagnostics

        assert ("SLO501", True, 7) == (found.code, found.is_error, found.span.line)

    def test_wrong_intervals_are_told_once(self, exact: Any, make_plan: Make, call: Any) -> None:
        plan = make_plan(plugins=(call("rule_intervals"),))

        assert ["SLO902"] == [d.code for d in exact(plan).diagnostics]

    def test_a_plugin_that_has_no_place_here_is_told(
        self, exact: Any, make_plan: Make, call: Any
    ) -> None:
        plan = make_plan(plugins=(call("denominator_corrected_rules"),))

        (found,) = exact(plan).diagnostics

        assert ("SLO501", False) == (found.code, found.is_error)
        assert exact(make_plan()).groups == exact(plan).groups

    def test_other_plugins_change_the_rules(self, exact: Any, make_plan: Make, call: Any) -> None:
        plan = make_plan(
            labels={"team": "a"},
            plugins=(
                call("info_labels", labels={"more": "x"}),
                call("error_budget_exhausted_alert"),
                call("sloth.dev/core/sli_rules/v1"),
            ),
        )

        rules = exact(plan)

        assert [] == rules.diagnostics
        assert "x" == rules.record("sloth_slo_info").labels["more"]
        assert "ErrorBudgetExhausted" in [a.alert for a in rules.alerts]
        assert "slo:error_events:rate5m" in {r.record for r in rules.records}


def test_the_policy_decides_the_windows(exact: Any, make_plan: Make) -> None:
    plan = make_plan(policy=policy(ticket_slow=("20", "8h", "4d")))

    rules = exact(plan)

    assert "4d" == rules.alerts[3].labels["long_window"]
    assert "> (1.5 * 0.001)" in rules.alerts[3].expr
    assert hours(8) not in {minutes(5), hours(6)}
    assert "slo:sli_error:ratio_rate8h" in [getattr(r, "record", "") for r in rules.groups[1].rules]
