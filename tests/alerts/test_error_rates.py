"""The arithmetic of the rules agrees with the SRE workbook at every error rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slo.alert_windows import builtin_policies, policy_for
from slo.alerts.alert_times import alert_times
from slo.alerts.error_rates import AlertAtRate, Simulation, expected_detection, simulate
from slo.diagnostics import Span
from slo.duration import Duration, days, hours, minutes, seconds
from slo.plan import AlertMeta, EventsIndicator, Origin, SloPlan, Timeslices

INTERVAL = seconds(30)


def plan_of(**fields: object) -> SloPlan:
    policy = policy_for(days(30), builtin_policies())
    assert policy is not None
    here = Span("spec.yaml", 1)
    alert = AlertMeta("Burns")
    plan = SloPlan(
        id="shop-orders",
        service="shop",
        name="orders",
        objective=Decimal("99.9"),
        time_window=days(30),
        indicator=EventsIndicator("bad", "all", here, here),
        policy=policy,
        origin=Origin("slo-v1", "cli-gen-prom", "slo/v1"),
        span=here,
        objective_span=here,
        page=alert,
        ticket=alert,
    )
    return replace(plan, **fields)  # type: ignore[arg-type]


def run(plan: SloPlan, *percents: str, exact: bool = True) -> Simulation:
    (found,) = simulate([plan], exact, INTERVAL, [Decimal(p) / 100 for p in percents])
    return found


def named(simulation: Simulation, windows: str, rate: int = 0) -> AlertAtRate:
    (found,) = [a for a in simulation.rates[rate].alerts if a.windows == windows]
    return found


class TestTheory:
    @pytest.mark.parametrize(
        ("percent", "windows", "fires", "resets"),
        [
            ("100", "1h/5m", 51.84, 295.68),
            ("10", "1h/5m", 518.4, 256.8),
            ("2", "6h/30m", 6480, 1260),
            ("1", "1d/2h", 25_920, 5040),
            ("0.2", "3d/6h", 129_600, 10_800),
        ],
    )
    def test_is_the_workbooks(
        self, percent: str, windows: str, fires: float, resets: float
    ) -> None:
        found = named(run(plan_of(), percent), windows)

        assert found.expected_fires is not None
        assert found.expected_resets is not None
        assert fires == found.expected_fires.seconds
        assert resets == found.expected_resets.seconds

    def test_below_the_threshold_nothing_fires(self) -> None:
        found = named(run(plan_of(), "1"), "1h/5m")

        assert (None, None, None, None) == (
            found.fires,
            found.resets,
            found.expected_fires,
            found.expected_resets,
        )

    def test_for_is_waited_for(self) -> None:
        plan = plan_of(page=AlertMeta("Burns", for_=minutes(10)))
        found = run(plan, "10")
        alert = named(found, "1h/5m")

        assert alert.expected_fires == seconds(518.4 + 600)
        assert alert.fires is not None
        assert abs(alert.fires.seconds - 1118.4) <= 60
        assert expected_detection(found, "page", Decimal("0.1")) == seconds(1118.4)


class TestMeasured:
    @settings(max_examples=15, deadline=None)
    @example(percent=Decimal("7.35"), objective=Decimal("99"))
    @given(
        percent=st.decimals("0.15", "100", places=2),
        objective=st.sampled_from([Decimal("99"), Decimal("99.5"), Decimal("99.9")]),
    )
    def test_is_within_an_evaluation_of_theory(self, percent: Decimal, objective: Decimal) -> None:
        """
        An alert is late by one evaluation of its group, and early by what the seams overcount.

        The overlap at the seam counts an outage as at most an eighth of the base window longer;
        at the old end of a window a record fades out over half a base window.
        """
        plan = plan_of(objective=objective)
        found = run(plan, str(percent))

        for alert in found.rates[0].alerts:
            if alert.kind != "burn_rate":
                continue
            threshold = Decimal(alert.burn_rate.rstrip("x")) * plan.error_budget
            if abs(percent / 100 / threshold - 1) < Decimal("0.02"):
                continue  # too close to the threshold for either to be sharp
            assert (alert.fires is None) == (alert.expected_fires is None)
            if alert.fires is None or alert.expected_fires is None:
                continue
            step = 30 if alert.severity == "page" else 120
            late = alert.fires.seconds - alert.expected_fires.seconds
            assert -45 <= late <= 2 * step
            assert alert.resets is not None
            assert alert.expected_resets is not None
            reset_late = alert.resets.seconds - alert.expected_resets.seconds
            assert -max(step, 45) <= reset_late <= 150 + step

    def test_full_outages_agree_with_the_tests_of_the_rules(self) -> None:
        plan = plan_of()
        wanted = {t.windows: t.fires for t in alert_times(plan, True, INTERVAL) if t.windows}

        assert wanted == {
            a.windows: a.fires for a in run(plan, "100").rates[0].alerts if a.kind == "burn_rate"
        }

    def test_spent_budget(self) -> None:
        """Ten percent of errors for 8.5 minutes are 51 s of outage: a fiftieth of 43.2 min."""
        found = named(run(plan_of(), "10"), "1h/5m")

        assert seconds(51) == found.outage
        assert found.spent is not None
        assert pytest.approx(0.0197, abs=1e-4) == float(found.spent)

    def test_first(self) -> None:
        found = run(plan_of(), "100", "0.2", "0.05")
        first = [outcome.first() for outcome in found.rates]

        assert [("page", "1h/5m"), ("ticket", "3d/6h")] == [
            (each.severity, each.windows) for each in first if each is not None
        ]
        assert first[2] is None
        assert found.rates[1].first("page") is None

    def test_profile_sloth_joins_its_pairs(self) -> None:
        found = named(run(plan_of(), "2", exact=False), "1h/5m or 6h/30m")

        assert found.expected_fires == minutes(43.2)
        assert found.expected_resets == minutes(21)
        assert found.resets is not None
        assert abs(found.resets.seconds - 21 * 60) <= 60

    def test_budget_used_up(self) -> None:
        (gone,) = [a for a in run(plan_of(), "1").rates[0].alerts if a.kind != "burn_rate"]

        assert days(3) == gone.expected_fires
        assert gone.fires is not None
        assert 0 <= (gone.fires - days(3)).seconds <= 600


class TestGuard:
    PLAN = plan_of(min_bad_events=5, events_per_hour=Decimal(10))

    def test_waits_for_bad_events(self) -> None:
        """
        At ten events an hour, five bad ones take half an hour of full outage.

        The guard rounds: it counts the fifth when half of it is there.
        """
        found = named(run(self.PLAN, "100"), "6h/30m")

        assert minutes(30) == found.expected_fires
        assert found.fires is not None
        assert abs(found.fires.seconds - 27 * 60) <= 60

    def test_may_never_be_reached(self) -> None:
        """Of ten events in an hour, four are bad."""
        found = named(run(self.PLAN, "40"), "1h/5m")

        assert (None, None) == (found.fires, found.expected_fires)

    def test_traffic_tells_slos_apart(self) -> None:
        busy = replace(self.PLAN, id="busy", events_per_hour=Decimal(1000))

        assert 2 == len(simulate([self.PLAN, busy], True, INTERVAL, [Decimal(1)]))


class TestGroups:
    def test_alike_slos_are_simulated_once(self) -> None:
        other = plan_of(id="shop-carts", name="carts", page=AlertMeta("Carts", {"a": "b"}))
        strict = plan_of(id="shop-pay", objective=Decimal("99.99"))
        found = simulate([plan_of(), strict, other], True, INTERVAL, [Decimal(1)])

        assert [["shop-orders", "shop-carts"], ["shop-pay"]] == [
            [plan.id for plan in each.plans] for each in found
        ]

    def test_without_alerts(self) -> None:
        found = run(plan_of(page=None, ticket=None), "100")

        assert () == found.rates[0].alerts
        assert expected_detection(found, "page", Decimal(1)) is None


class TestSlices:
    def test_a_slice_is_bad_as_a_whole(self) -> None:
        """With a target of 95 %, six percent of errors make every minute a bad one."""
        plan = plan_of(timeslices=Timeslices(minutes(1), Decimal(95), "excluded"))
        found = run(plan, "6", "4")

        assert [1000, 0] == [rate.burn_rate for rate in found.rates]
        assert found.rates[0].first("page") is not None
        assert found.rates[1].first() is None

    def test_ratios_of_slices(self) -> None:
        plan = plan_of(timeslices=Timeslices(minutes(1), None, "excluded"))
        found = named(run(plan, "10"), "1h/5m")

        assert found.expected_fires == seconds(518.4)
        assert found.fires is not None
        assert abs(found.fires.seconds - 518.4) <= 60


def test_theory_of_one_severity(make_plan: Callable[..., SloPlan]) -> None:
    found = run(make_plan(), "100")

    assert Duration(51_840) == expected_detection(found, "page", Decimal(1))
    assert expected_detection(found, "page", Decimal("0.005")) is None
    assert hours(36) == expected_detection(found, "ticket", Decimal("0.002"))
