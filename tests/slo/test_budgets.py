"""What a budget is for and what it counts, as specs say it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slo.duration import Duration
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.plan import Calendar, ComplianceWindow, SloPlan, Timeslices
from slo.time_zones import is_time_zone, offset_changes, time_zones


def compiled(folder: Path, text: str, **options: Any) -> tuple[SloPlan, list[str]]:
    """Return the last SLO of a spec, and the codes of what is wrong with it."""
    path = folder / "spec.yaml"
    path.write_text(f"version: slo/v1\nservice: shop\nslos:\n{text}")
    result = compile_specs([str(path)], CompileOptions(kinds=("rules",), **options))
    return result.specs.slos[-1], [d.code for d in result.diagnostics]


def slo(**keys: str) -> str:
    keys = {
        "objective": "99.9",
        "indicator": "{http_availability: {}}",
        **keys,
    }
    return "  - name: requests\n" + "".join(f"    {k}: {v}\n" for k, v in keys.items())


class TestWindows:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("7d", [ComplianceWindow(Duration.parse("7d"))]),
            ("{calendar: week}", [ComplianceWindow(Duration.parse("7d"), Calendar("week", "UTC"))]),
            (
                "[{calendar: quarter, time_zone: Asia/Tokyo}, 1d]",
                [
                    ComplianceWindow(Duration.parse("90d"), Calendar("quarter", "Asia/Tokyo")),
                    ComplianceWindow(Duration.parse("1d")),
                ],
            ),
        ],
    )
    def test_first_one_alerts(
        self, tmp_path: Path, text: str, expected: list[ComplianceWindow]
    ) -> None:
        plan, codes = compiled(tmp_path, slo(window=text))

        assert [] == codes
        assert expected == list(plan.windows)
        assert expected[0].length == plan.policy.time_window

    @pytest.mark.parametrize(
        ("window", "retention", "enough"),
        [
            ("30d", "30d", True),
            ("{calendar: month}", "30d", False),
            ("{calendar: month}", "32d", True),
            ("[7d, {calendar: quarter}]", "91d", False),
        ],
    )
    def test_retention_is_compared_with_the_longest_that_a_period_can_be(
        self, tmp_path: Path, window: str, retention: str, enough: bool
    ) -> None:
        _, codes = compiled(tmp_path, slo(window=window), retention=Duration.parse(retention))

        assert ([] if enough else ["SLO207"]) == codes


class TestBudgeting:
    def test_events_are_counted_unless_slices_are_asked_for(self, tmp_path: Path) -> None:
        assert compiled(tmp_path, slo())[0].timeslices is None
        assert compiled(tmp_path, slo(budgeting="occurrences"))[0].timeslices is None

    def test_ratios_of_slices_have_no_target(self, tmp_path: Path) -> None:
        plan, _ = compiled(tmp_path, slo(budgeting="{ratio_timeslices: {slice: 5m}}"))

        assert Timeslices(Duration.parse("5m"), None, "excluded") == plan.timeslices

    def test_intervals_of_a_plugin_do_not_tear_slices_apart(self, tmp_path: Path) -> None:
        """The plugin is told to do nothing; the groups keep the length of the slice."""
        path = tmp_path / "spec.yaml"
        plugin = "[{id: sloth.dev/contrib/rule_intervals/v1, config: {interval: {default: 30s}}}]"
        sliced = slo(budgeting="{timeslices: {slice: 2m, target: 95}}", plugins=plugin)
        path.write_text(f"version: slo/v1\nservice: shop\nslos:\n{sliced}")

        result = compile_specs([str(path)], CompileOptions(kinds=("rules",)))

        assert ["SLO501"] == [d.code for d in result.diagnostics]
        rules = next(a.text for a in result.artifacts if a.path == "rules/spec.yaml")
        assert "  - name: slo-fast-shop-requests\n    interval: 2m\n" in rules


COMPOSITE = "{composite: {rule: weighted, silent: ignored, members: [{slo: cart}]}}"


class TestGuard:
    """The compiler chooses how many bad events alerts wait for, where it knows the traffic."""

    @pytest.mark.parametrize(
        ("keys", "expected"),
        [
            ({}, (5, True)),
            ({"alerting": "{min_bad_events: 0}"}, (0, False)),
            ({"alerting": "{min_bad_events: 9}"}, (9, False)),
            # Slices of time are not events, nor are ratios, nor the sums of others' events.
            ({"budgeting": "{timeslices: {slice: 1m, target: 95}}"}, (0, False)),
            ({"indicator": "{ratio: {error: 'avg_over_time(x[{{.window}}])'}}"}, (0, False)),
            ({"indicator": COMPOSITE}, (0, False)),
            ({"alerting": "{page: false}"}, (0, False)),
            ({"objective": "100"}, (0, False)),
        ],
    )
    def test_is_chosen_where_events_are_counted(
        self, tmp_path: Path, keys: dict[str, str], expected: tuple[int, bool]
    ) -> None:
        cart = "  - {name: cart, objective: 99.9, indicator: {http_availability: {}}}\n"
        text = cart + slo(expected_events_per_hour="60", **keys)

        plan, _ = compiled(tmp_path, text)

        assert expected == (plan.min_bad_events, plan.min_bad_events_chosen)

    def test_alert_says_what_it_waits_for(self, tmp_path: Path) -> None:
        path = tmp_path / "spec.yaml"
        path.write_text(
            "version: slo/v1\nservice: shop\nslos:\n" + slo(expected_events_per_hour="60")
        )

        result = compile_specs([str(path)], CompileOptions(kinds=("rules",)))

        rules = next(a.text for a in result.artifacts if a.path == "rules/spec.yaml")
        chance = "as chance alone brings some at 60 events an hour"
        assert f"Little traffic: waits for 5 bad events in 6h, {chance}\n" in rules
        assert 4 == rules.count("Little traffic: waits for 5 bad events")


class TestMembers:
    def test_are_found_in_other_files(self, tmp_path: Path) -> None:
        (tmp_path / "cart.yaml").write_text(
            "version: slo/v1\nservice: cart\nslos:\n"
            "  - {name: opens, objective: 99.9, indicator: {http_availability: {}}}\n"
        )
        members = "{composite: {rule: worst, silent: bad, members: [{slo: cart/opens}]}}"
        (tmp_path / "shop.yaml").write_text(
            "version: slo/v1\nservice: shop\nslos:\n" + slo(indicator=members)
        )

        both = compile_specs([str(tmp_path)], CompileOptions(kinds=("rules",)))
        alone = compile_specs([str(tmp_path / "shop.yaml")], CompileOptions(kinds=("rules",)))

        assert () == both.diagnostics
        assert ["SLO407"] == [d.code for d in alone.diagnostics]


class TestTimeZones:
    @pytest.mark.parametrize("name", ["", "Europe", "CEST", "../UTC", "Europe/Berlin\0", "x" * 999])
    def test_other_names_are_refused(self, name: str) -> None:
        assert not is_time_zone(name)

    def test_all_names_can_be_written_out(self) -> None:
        """Offsets are whole minutes and changes come in order, in every zone."""
        assert len(time_zones()) > 300
        for name in sorted(time_zones()):
            first, changes = offset_changes(name)
            moments = [moment for moment, _ in changes]

            assert moments == sorted(set(moments)), name
            assert all(offset % 60 == 0 for offset in (first, *(jump for _, jump in changes))), name
