from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from slo.alerts.plugins.catalog import BUILTIN_IDS
from slo.duration import days, minutes
from slo.plan import AlertMeta, Origin, PluginCall, RatioIndicator, SloPlan
from slo.plugins import load_plugins

Make = Callable[..., SloPlan]
SELECTOR = '{sloth_id="checkout-requests", sloth_service="checkout", sloth_slo="requests"}'
LABELS = {"owner": "a", "tier": "1"}
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


class TestSliRules:
    def test_events_are_divided_over_every_window(self, sloth: Any, make_plan: Make) -> None:
        rules = sloth(make_plan(labels={"team": "a"}))

        for window in WINDOWS:
            rule = rules.record(f"slo:sli_error:ratio_rate{window}")
            assert f"(sum(rate(bad[{window}])))\n/\n(sum(rate(all[{window}])))\n" == rule.expr
            assert {
                "sloth_id": "checkout-requests",
                "sloth_service": "checkout",
                "sloth_slo": "requests",
                "sloth_window": window,
                "team": "a",
            } == rule.labels

    def test_the_period_averages_the_shortest_window(self, sloth: Any, make_plan: Make) -> None:
        series = f"slo:sli_error:ratio_rate5m{SELECTOR}[30d]"

        expr = sloth(make_plan()).expr("slo:sli_error:ratio_rate30d")

        assert (
            f"sum_over_time({series}) / ignoring (sloth_window) count_over_time({series})" == expr
        )

    def test_a_ratio_is_put_in_parentheses(self, sloth: Any, make_plan: Make) -> None:
        indicator = RatioIndicator("avg_over_time(x[{{.window}}])", make_plan().span)

        expr = sloth(make_plan(indicator=indicator)).expr("slo:sli_error:ratio_rate2h")

        assert "(avg_over_time(x[2h]))" == expr


class TestNumbers:
    @pytest.mark.parametrize(
        ("objective", "ratio", "percent"),
        [
            ("99.9", "0.9990000000000001", "99.9"),
            ("99.99", "0.9998999999999999", "99.99"),
            ("99.999", "0.9999899999999999", "99.999"),
            ("95", "0.95", "95"),
            ("90", "0.9", "90"),
            ("100", "1", "100"),
        ],
    )
    def test_objective_and_budget_are_the_floats_of_sloth(
        self, sloth: Any, make_plan: Make, objective: str, ratio: str, percent: str
    ) -> None:
        """`99.9 / 100` in binary is what sloth prints, and what its users see."""
        rules = sloth(make_plan(objective=Decimal(objective)))

        assert f"vector({ratio})" == rules.expr("slo:objective:ratio")
        assert f"vector(1-{ratio})" == rules.expr("slo:error_budget:ratio")
        assert percent == rules.record("sloth_slo_info").labels["sloth_objective"]

    @pytest.mark.parametrize(
        ("objective", "budget"),
        [
            ("99.9", "0.0009999999999999432"),
            ("99.99", "0.00010000000000005117"),
            ("99.999", "1.0000000000047748e-05"),
            ("95", "0.05"),
            ("90", "0.1"),
            ("100", "0"),
        ],
    )
    def test_thresholds_hold_the_budget_as_a_float(
        self, sloth: Any, make_plan: Make, objective: str, budget: str
    ) -> None:
        page, _ = sloth(make_plan(objective=Decimal(objective))).alerts

        assert 2 == page.expr.count(f"> (14.4 * {budget})")
        assert 2 == page.expr.count(f"> (6 * {budget})")

    @pytest.mark.parametrize(
        ("period", "factors"),
        [
            (28, ("13.44", "5.6000000000000005", "2.8000000000000003", "0.9333333333333333")),
            (30, ("14.4", "6", "3", "1")),
        ],
    )
    def test_factors_are_computed_in_the_order_of_sloth(
        self, sloth: Any, make_plan: Make, period: int, factors: tuple[str, ...]
    ) -> None:
        page, ticket = sloth(make_plan(time_window=days(period))).alerts

        for alert, expected in ((page, factors[:2]), (ticket, factors[2:])):
            for factor in expected:
                assert 2 == alert.expr.count(f"> ({factor} * 0.0009999999999999432)")

    def test_the_float_of_the_dialect_wins(self, sloth: Any, make_plan: Make) -> None:
        """A hundred times OpenSLO's 0.57 is not the float 57, and sloth shows it."""
        origin = Origin("openslo-v1alpha", "cli-gen-openslo", "openslo/v1alpha", 0.57 * 100)

        rules = sloth(make_plan(objective=Decimal(57), origin=origin))

        assert "56.99999999999999" == rules.record("sloth_slo_info").labels["sloth_objective"]


class TestMetadataRules:
    def test_come_in_the_order_of_sloth(self, sloth: Any, make_plan: Make) -> None:
        _, metadata, _ = sloth(make_plan()).groups

        assert [
            "slo:objective:ratio",
            "slo:error_budget:ratio",
            "slo:time_period:days",
            "slo:current_burn_rate:ratio",
            "slo:period_burn_rate:ratio",
            "slo:period_error_budget_remaining:ratio",
            "sloth_slo_info",
        ] == [rule.record for rule in metadata.rules]

    def test_burn_rates_divide_by_the_budget(self, sloth: Any, make_plan: Make) -> None:
        rules = sloth(make_plan())
        join = "/ on(sloth_id, sloth_slo, sloth_service) group_left"
        budget = f"slo:error_budget:ratio{SELECTOR}"

        assert f"slo:sli_error:ratio_rate5m{SELECTOR} {join} {budget}" == rules.expr(
            "slo:current_burn_rate:ratio"
        )
        assert f"slo:sli_error:ratio_rate30d{SELECTOR} {join} {budget}" == rules.expr(
            "slo:period_burn_rate:ratio"
        )
        assert f"1 - slo:period_burn_rate:ratio{SELECTOR}" == rules.expr(
            "slo:period_error_budget_remaining:ratio"
        )

    def test_the_info_series_names_version_mode_and_spec(self, sloth: Any, make_plan: Make) -> None:
        labels = sloth(make_plan(labels={"team": "a"})).record("sloth_slo_info").labels

        assert ("1.2.3", "cli-gen-prom", "slo/v1", "a") == tuple(
            labels[key] for key in ("sloth_version", "sloth_mode", "sloth_spec", "team")
        )

    @pytest.mark.parametrize(("period", "text"), [("30d", "30"), ("4w", "28"), ("7d12h", "7.5")])
    def test_the_period_is_in_days(
        self, sloth: Any, make_plan: Make, period: str, text: str
    ) -> None:
        plan = make_plan(time_window=days(float(text)))

        assert period == str(plan.time_window)
        assert f"vector({text})" == sloth(plan).expr("slo:time_period:days")


class TestAlerts:
    def test_both_pairs_of_a_severity_are_one_alert(self, sloth: Any, make_plan: Make) -> None:
        page, _ = sloth(make_plan()).alerts
        budget = "0.0009999999999999432"

        def side(window: str, factor: str) -> str:
            return (
                f"    max(slo:sli_error:ratio_rate{window}{SELECTOR} > ({factor} * {budget}))"
                " without (sloth_window)\n"
            )

        assert (
            f"(\n{side('5m', '14.4')}    and\n{side('1h', '14.4')})\nor\n"
            f"(\n{side('30m', '6')}    and\n{side('6h', '6')})\n"
        ) == page.expr

    def test_labels_and_annotations_of_the_spec_are_kept(self, sloth: Any, make_plan: Make) -> None:
        meta = AlertMeta("Errors", {"routing": "x"}, {"title": "T", "more": "M"})

        page, ticket = sloth(make_plan(page=meta)).alerts

        assert {"sloth_severity": "page", "routing": "x"} == page.labels
        assert ("T", "M") == (page.annotations["title"], page.annotations["more"])
        assert {"sloth_severity": "ticket"} == ticket.labels
        assert (
            "(ticket) {{$labels.sloth_service}} {{$labels.sloth_slo}} SLO error budget burn rate "
            "is too fast."
        ) == ticket.annotations["title"]

    @pytest.mark.parametrize(
        ("off", "left"),
        [(("page",), ["ticket"]), (("ticket",), ["page"]), (("page", "ticket"), [])],
    )
    def test_a_severity_that_is_off_has_no_alert(
        self, sloth: Any, make_plan: Make, off: tuple[str, ...], left: list[str]
    ) -> None:
        rules = sloth(make_plan(**dict.fromkeys(off)))

        assert left == [alert.labels["sloth_severity"] for alert in rules.alerts]
        assert (3 if left else 2) == len(rules.groups)


@pytest.fixture
def traced(tmp_path: Path) -> Path:
    """Return a plugin that adds a rule with the names of the first rules it sees."""
    path = tmp_path / "trace.py"
    path.write_text(
        "from slo.alerts.model import RecordingRule\n"
        "SLO_PLUGIN_ID = 'test/trace'\n"
        "def process_slo(request, rules):\n"
        "    name = request.config['name']\n"
        "    seen = len(rules.metadata.rules)\n"
        "    rules.metadata.rules.append(RecordingRule(f'{name}:{seen}', '1'))\n"
    )
    return path


class TestPluginOrder:
    def names(self, rules: Any) -> list[str]:
        return [
            r.record for r in rules.records if not r.record.startswith(("slo:", "sloth_slo_info"))
        ]

    def test_default_rules_replace_what_ran_before_them(
        self, sloth: Any, make_plan: Make, call: Any, traced: Path
    ) -> None:
        plan = make_plan(
            plugins=(
                call("test/trace", 10, name="last"),
                call("test/trace", -1, name="before"),
                call("test/trace", 0, name="a"),
                call("test/trace", 0, name="b"),
            )
        )

        rules = sloth(plan, (traced,))

        assert [] == rules.diagnostics
        assert ["a:7", "b:8", "last:9"] == self.names(rules)

    def test_without_default_rules_all_plugins_build_on_each_other(
        self, sloth: Any, make_plan: Make, call: Any, traced: Path
    ) -> None:
        plan = make_plan(
            override_default_plugins=True,
            plugins=(
                call("test/trace", 0, name="c"),
                call("test/trace", -2, name="a"),
                call("test/trace", -1, name="b"),
            ),
        )

        assert ["a:0", "b:1", "c:2"] == [r.record for r in sloth(plan, (traced,)).records]

    def test_core_plugins_make_the_default_rules(
        self, sloth: Any, make_plan: Make, call: Any
    ) -> None:
        core = ("sli_rules", "metadata_rules", "alert_rules", "noop", "debug", "validate")
        plan = make_plan(
            override_default_plugins=True,
            plugins=tuple(call(f"sloth.dev/core/{name}/v1") for name in core),
        )

        assert sloth(make_plan()).groups == sloth(plan).groups

    def test_raw_series_over_the_whole_period_on_demand(
        self, sloth: Any, make_plan: Make, call: Any
    ) -> None:
        plan = make_plan(plugins=(call("sloth.dev/core/sli_rules/v1", disableOptimized=True),))

        expr = sloth(plan).expr("slo:sli_error:ratio_rate30d")

        assert "(sum(rate(bad[30d]))) / (sum(rate(all[30d])))" == expr

    def test_an_unknown_plugin_is_located(self, sloth: Any, make_plan: Make, call: Any) -> None:
        plan = make_plan(plugins=(call("test/none"),))

        (found,) = sloth(plan).diagnostics

        assert ("SLO901", 7) == (found.code, found.span.line)

    @pytest.mark.parametrize("error", ["KeyError('x')", "ValueError('x')"])
    def test_a_plugin_that_fails_is_located(
        self, sloth: Any, make_plan: Make, call: Any, tmp_path: Path, error: str
    ) -> None:
        path = tmp_path / "bad.py"
        path.write_text(f"SLO_PLUGIN_ID = 'bad/one'\ndef process_slo(r, s): raise {error}\n")

        (found,) = sloth(make_plan(plugins=(call("bad/one"),)), (path,)).diagnostics

        assert ("SLO902", 7) == (found.code, found.span.line)
        assert "bad/one" in found.message
        assert "x" in found.message

    def test_shipped_plugins_cannot_be_shadowed(
        self, tmp_path: Path, sloth: Any, make_plan: Make, call: Any
    ) -> None:
        path = tmp_path / "shadow.py"
        path.write_text(
            "SLO_PLUGIN_ID = 'sloth.dev/core/noop/v1'\ndef process_slo(r, s): raise KeyError\n"
        )

        assert (
            [] == sloth(make_plan(plugins=(call("sloth.dev/core/noop/v1"),)), (path,)).diagnostics
        )
        assert load_plugins([path]).slo.keys() <= BUILTIN_IDS


class TestRuleIntervals:
    def intervals(self, rules: Any) -> list[str]:
        return [str(group.interval) for group in rules.groups]

    @pytest.mark.parametrize(
        ("interval", "expected"),
        [
            ({"default": "5m"}, ["5m", "5m", "5m"]),
            ({"default": "5m", "sliError": "1m"}, ["1m", "5m", "5m"]),
            ({"default": "5m", "metadata": "10m", "alert": "30s"}, ["5m", "10m", "30s"]),
        ],
    )
    def test_each_group_has_its_interval(
        self, sloth: Any, make_plan: Make, call: Any, interval: dict[str, str], expected: list[str]
    ) -> None:
        plan = make_plan(plugins=(call("rule_intervals", interval=interval),))

        assert expected == self.intervals(sloth(plan))

    @pytest.mark.parametrize(
        ("config", "reason"),
        [
            ({}, "at least default interval is required"),
            ({"interval": {"sliError": "1m"}}, "at least default interval is required"),
            ({"interval": {"default": "often"}}, "`default` must be a duration"),
            ({"interval": {"default": "1m", "sli": "1m"}}, "unknown setting `sli`"),
            ({"intervals": {}}, "unknown setting `intervals`; known: `interval`"),
        ],
    )
    def test_wrong_settings_are_told(
        self, sloth: Any, make_plan: Make, call: Any, config: dict[str, Any], reason: str
    ) -> None:
        (found,) = sloth(make_plan(plugins=(call("rule_intervals", **config),))).diagnostics

        assert "SLO902" == found.code
        assert reason in found.message


class TestInfoLabels:
    def test_labels_are_added_to_the_info_series_only(
        self, sloth: Any, make_plan: Make, call: Any
    ) -> None:
        rules = sloth(make_plan(plugins=(call("info_labels", labels={"a": 1}),)))

        assert "1" == rules.record("sloth_slo_info").labels["a"]
        assert 1 == sum("a" in rule.labels for rule in rules.records)

    def test_another_metric_can_be_named(self, sloth: Any, make_plan: Make, call: Any) -> None:
        config = {"labels": {"a": "b"}, "metricName": "slo:time_period:days"}

        rules = sloth(make_plan(plugins=(call("info_labels", **config),)))

        assert ["slo:time_period:days"] == [r.record for r in rules.records if "a" in r.labels]

    @pytest.mark.parametrize(
        ("config", "reason"),
        [
            ({}, "at least one label is required"),
            ({"labels": []}, "at least one label is required"),
            ({"labels": "a"}, "`labels` must be a mapping"),
            ({"label": {}}, "unknown setting `label`"),
        ],
    )
    def test_wrong_settings_are_told(
        self, sloth: Any, make_plan: Make, call: Any, config: dict[str, Any], reason: str
    ) -> None:
        (found,) = sloth(make_plan(plugins=(call("info_labels", **config),))).diagnostics

        assert reason in found.message


class TestRemoveLabels:
    def test_custom_labels_stay_on_the_info_series_only(
        self, sloth: Any, make_plan: Make, call: Any
    ) -> None:
        plan = make_plan(labels=LABELS, plugins=(call("remove_labels"),))

        rules = sloth(plan)

        assert ["sloth_slo_info"] == [r.record for r in rules.records if "owner" in r.labels]
        for rule in rules.records:
            assert {"sloth_id", "sloth_service", "sloth_slo"} <= rule.labels.keys()
        assert "5m" == rules.record("slo:sli_error:ratio_rate5m").labels["sloth_window"]

    def test_some_labels_and_metrics_can_be_kept(
        self, sloth: Any, make_plan: Make, call: Any
    ) -> None:
        config = {"preserveLabels": ["tier"], "skipMetrics": ["slo:objective:ratio"]}
        plan = make_plan(labels=LABELS, plugins=(call("remove_labels", **config),))

        rules = sloth(plan)

        assert all(rule.labels["tier"] == "1" for rule in rules.records)
        assert ["slo:objective:ratio", "sloth_slo_info"] == [
            r.record for r in rules.records if "owner" in r.labels
        ]

    @pytest.mark.parametrize(
        ("config", "reason"),
        [
            ({"preserveLabels": "tier"}, "`preserveLabels` must be a list"),
            ({"skipMetrics": {}}, None),
            ({"keep": []}, "unknown setting `keep`"),
        ],
    )
    def test_wrong_settings_are_told(
        self, sloth: Any, make_plan: Make, call: Any, config: dict[str, Any], reason: str | None
    ) -> None:
        found = sloth(make_plan(plugins=(call("remove_labels", **config),))).diagnostics

        assert (reason is None) == (not found)
        assert all(reason in d.message for d in found)


class TestErrorBudgetExhaustedAlert:
    def test_defaults(self, sloth: Any, make_plan: Make, call: Any) -> None:
        plan = make_plan(labels={"team": 'a"b'}, plugins=(call("error_budget_exhausted_alert"),))

        alert = sloth(plan).alerts[-1]

        assert ("ErrorBudgetExhausted", minutes(5), {}, {}) == (
            alert.alert,
            alert.for_,
            alert.labels,
            alert.annotations,
        )
        assert (
            'slo:period_error_budget_remaining:ratio{sloth_id="checkout-requests",'
            'sloth_service="checkout",sloth_slo="requests",team="a\\"b"} <= 0'
        ) == alert.expr

    def test_all_settings(self, sloth: Any, make_plan: Make, call: Any) -> None:
        config = {
            "threshold": 0.1,
            "for": "1h",
            "alert_name": "Gone",
            "alert_labels": {"severity": "low"},
            "annotations": {"summary": "S"},
            "selector_labels": {"sloth_slo": "other"},
        }

        alert = sloth(make_plan(plugins=(call("error_budget_exhausted_alert", **config),))).alerts[
            -1
        ]

        assert ("Gone", minutes(60), {"severity": "low"}, {"summary": "S"}) == (
            alert.alert,
            alert.for_,
            alert.labels,
            alert.annotations,
        )
        assert 'sloth_slo="other"}' in alert.expr
        assert alert.expr.endswith(" <= 0.1")

    @pytest.mark.parametrize(
        ("config", "reason"),
        [
            ({"threshold": "0"}, "`threshold` must be a number"),
            ({"threshold": True}, "`threshold` must be a number"),
            ({"for": "soon"}, "`for` must be a duration"),
            ({"annotations": "x"}, "`annotations` must be a mapping"),
            ({"treshold": 0}, "unknown setting `treshold`"),
        ],
    )
    def test_wrong_settings_are_told(
        self, sloth: Any, make_plan: Make, call: Any, config: dict[str, Any], reason: str
    ) -> None:
        plan = make_plan(plugins=(call("error_budget_exhausted_alert", **config),))

        (found,) = sloth(plan).diagnostics

        assert reason in found.message


class TestDenominatorCorrectedRules:
    def test_each_window_is_scaled_by_its_share_of_the_traffic(
        self, sloth: Any, make_plan: Make, call: Any
    ) -> None:
        rules = sloth(make_plan(plugins=(call("denominator_corrected_rules"),)))

        for window in WINDOWS:
            share = f"slo:numerator_correction:ratio{window}{SELECTOR}"
            assert (
                f"( {share} * on() sum(rate(bad[{window}])) ) / (sum(rate(all[{window}])))"
            ) == rules.expr(f"slo:sli_error:ratio_rate{window}")
            assert f"(sum(rate(all[{window}])))/(sum(rate(all[30d])))" == rules.expr(
                f"slo:numerator_correction:ratio{window}"
            )

    @pytest.mark.parametrize("raw", [False, True])
    def test_the_period_stays_as_it_is(
        self, sloth: Any, make_plan: Make, call: Any, raw: bool
    ) -> None:
        plan = make_plan(plugins=(call("denominator_corrected_rules", disableOptimized=raw),))

        assert raw == ("rate(bad[30d])" in sloth(plan).expr("slo:sli_error:ratio_rate30d"))

    def test_a_ratio_has_no_events_to_correct(self, sloth: Any, make_plan: Make, call: Any) -> None:
        plan = make_plan(plugins=(call("denominator_corrected_rules"),))
        indicator = RatioIndicator("avg_over_time(x[{{.window}}])", plan.span)

        (found,) = sloth(replace(plan, indicator=indicator)).diagnostics

        assert "requires SLI event type" in found.message

    @pytest.mark.parametrize("config", [{"disableOptimized": "yes"}, {"disabled": True}])
    def test_wrong_settings_are_told(
        self, sloth: Any, make_plan: Make, call: Any, config: dict[str, Any]
    ) -> None:
        plan = make_plan(plugins=(call("denominator_corrected_rules", **config),))

        assert ["SLO902"] == [d.code for d in sloth(plan).diagnostics]


def test_every_plugin_that_ships_accepts_a_plan(sloth: Any, make_plan: Make) -> None:
    """Each id of the catalog runs without a crash, whatever it thinks of empty settings."""
    for plugin_id in sorted(BUILTIN_IDS):
        plan = make_plan(plugins=(PluginCall(plugin_id, {}, 0, make_plan().span),))

        assert {"SLO902"} >= {d.code for d in sloth(plan).diagnostics}
