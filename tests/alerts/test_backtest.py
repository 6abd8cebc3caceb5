"""Alerts are replayed over what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.alerts.backtest import backtest
from slo.alerts.backtest_result import (
    Backtest,
    FiringEpisode,
    GroupBacktest,
    Stretch,
)
from slo.alerts.error_rates import simulate
from slo.alerts.event_history import EventHistory
from slo.alerts.recorded_history import RecordedHistory
from slo.alerts.timing import Timing
from slo.duration import days, minutes, seconds
from slo.plan import AlertMeta, Calendar, SloPlan, Timeslices

START = 1_762_300_800  # a midnight
STEP = 30
PER_DAY = 2880
LEAD = days(7)

MakePlan = Callable[..., SloPlan]


def week(make_plan: MakePlan, **fields: object) -> SloPlan:
    return make_plan(**{"objective": Decimal(99), "time_window": days(7), **fields})


def history(
    bad: dict[tuple[int, int], float | None], length: int = 8 * PER_DAY, events: float = 10.0
) -> EventHistory:
    """Return constant traffic with shares of bad events between steps; `None` for no data."""
    error: list[float | None] = [0.0] * length
    total: list[float | None] = [events] * length
    for (first, last), share in bad.items():
        for index in range(first, last):
            error[index] = None if share is None else share * events
            total[index] = None if share is None else events
    return EventHistory({}, START, seconds(STEP), error, total)


def replay(
    plan: SloPlan, *histories: EventHistory, since: int = 7 * PER_DAY, zone: object = UTC
) -> Backtest:
    timing = Timing.of(plan, seconds(STEP))
    until = histories[0].end - STEP
    return backtest(
        plan,
        timing,
        [RecordedHistory(plan, timing, each) for each in histories],
        START + since * STEP,
        until,
        zone,  # type: ignore[arg-type]
        LEAD,
    )


def of(test: Backtest, kind: str, windows: str = "") -> list[FiringEpisode]:
    return [e for e in test.groups[0].episodes if (e.kind, e.windows) == (kind, windows)]


BEGIN = 7 * PER_DAY + 480
SECOND_OF_BEGIN = START + BEGIN * STEP


class TestEpisodes:
    def test_an_outage_pages_as_the_simulation_says(self, make_plan: MakePlan) -> None:
        """
        Records step up where the simulation lets a window fill.

        A record of full outage five minutes after none says that events of five minutes ago
        failed, so it fires sooner.
        """
        plan = week(make_plan)
        (page,) = of(replay(plan, history({(BEGIN, BEGIN + 40): 1.0})), "burn_rate", "15m/5m")
        (simulated,) = simulate([plan], True, seconds(STEP), [Decimal(1)])
        first = simulated.rates[0].first()
        assert first is not None
        assert first.fires is not None

        assert 0 <= page.fired.start - SECOND_OF_BEGIN <= first.fires.seconds
        assert pytest.approx(100) == page.peak_burn_rate
        assert not page.began_before

    def test_resets(self, make_plan: MakePlan) -> None:
        (page,) = of(
            replay(week(make_plan), history({(BEGIN, BEGIN + 40): 1.0})), "burn_rate", "15m/5m"
        )

        assert page.fired.end == SECOND_OF_BEGIN + 40 * STEP
        assert page.lasted(0) == page.fired.end - page.fired.start

    def test_nothing_fires_on_a_healthy_service(self, make_plan: MakePlan) -> None:
        group = replay(week(make_plan), history({})).groups[0]

        assert () == group.episodes
        assert (1.0, 0.0, 1.0, None) == (
            group.coverage,
            group.spent,
            group.remaining,
            group.worst_day,
        )

    def test_for_delays(self, make_plan: MakePlan) -> None:
        outage = history({(BEGIN, BEGIN + 60): 1.0})
        (soon,) = of(replay(week(make_plan), outage), "burn_rate", "15m/5m")
        patient = week(make_plan, page=AlertMeta("Patient", for_=minutes(10)))
        (late,) = of(replay(patient, outage), "burn_rate", "15m/5m")

        assert 600 == late.fired.start - soon.fired.start
        assert soon.fired.end == late.fired.end

    def test_a_guard_silences_quiet_hours(self, make_plan: MakePlan) -> None:
        outage = history({(BEGIN, BEGIN + 20): 1.0}, events=1 / 3600)
        guarded = week(make_plan, min_bad_events=5)

        assert of(replay(week(make_plan), outage), "burn_rate", "15m/5m")
        assert not of(replay(guarded, outage), "burn_rate", "15m/5m")

    def test_a_page_outlives_its_data(self, make_plan: MakePlan) -> None:
        """No data is not recovery: it holds for fifteen minutes, until the other alert fires."""
        died = {(BEGIN, BEGIN + 40): 1.0, (BEGIN + 40, 8 * PER_DAY): None}
        test = replay(week(make_plan), history(died))
        (page,) = of(test, "burn_rate", "15m/5m")
        (missing,) = of(test, "missing_data")

        gone = SECOND_OF_BEGIN + 40 * STEP
        assert page.fired.end is not None
        assert 14 * 60 <= page.fired.end - gone <= 15 * 60
        assert 10 * 60 <= missing.fired.start - gone <= 12 * 60
        assert missing.fired.end is None
        assert missing.lasted(gone + 3600) == gone + 3600 - missing.fired.start

    def test_only_all_groups_together_are_missing(self, make_plan: MakePlan) -> None:
        """`absent` looks at all groups."""
        whole = replace(history({}), labels={"route": "b"})
        gap = replace(history({(BEGIN, BEGIN + 100): None}), labels={"route": "a"})
        test = replay(week(make_plan, group_by=("route",)), gap, whole)

        assert [(), ()] == [group.episodes for group in test.groups]

    def test_before_the_first_sample_nothing_is_missing(self, make_plan: MakePlan) -> None:
        born = history({(0, BEGIN): None})
        test = replay(week(make_plan), born)

        assert not of(test, "missing_data")
        assert not test.is_complete
        assert SECOND_OF_BEGIN == test.groups[0].measured_from

    def test_one_that_began_before(self, make_plan: MakePlan) -> None:
        test = replay(week(make_plan), history({(7 * PER_DAY - 60, 7 * PER_DAY + 60): 1.0}))
        (page,) = of(test, "burn_rate", "15m/5m")

        assert page.began_before
        assert START + 7 * PER_DAY * STEP == page.fired.start

    def test_the_budget_is_used_up(self, make_plan: MakePlan) -> None:
        """Seven days at 1 % are 101 minutes of outage."""
        test = replay(week(make_plan), history({(BEGIN, BEGIN + 300): 1.0}))
        (gone,) = of(test, "budget_exhausted")

        assert abs(gone.fired.start - SECOND_OF_BEGIN - 100.8 * 60) <= 600
        assert gone.fired.end is None
        assert test.groups[0].remaining is not None
        assert test.groups[0].remaining < 0

    def test_switched_off_alerts_are_not_replayed(self, make_plan: MakePlan) -> None:
        plan = week(make_plan, page=None, alert_on_exhaustion=False, alert_on_missing_data=False)
        died = {(BEGIN, BEGIN + 300): 1.0, (BEGIN + 300, BEGIN + 400): None}
        test = replay(plan, history(died))

        assert {("ticket", "burn_rate")} == {(e.severity, e.kind) for e in test.groups[0].episodes}


class TestBudget:
    def test_of_the_time_and_of_the_period(self, make_plan: MakePlan) -> None:
        """Half the budget went before the test begins, a quarter in it."""
        half, quarter = round(0.5 * 0.01 * 7 * PER_DAY), round(0.25 * 0.01 * 7 * PER_DAY)
        bad = {(3 * PER_DAY, 3 * PER_DAY + half): 1.0, (BEGIN, BEGIN + quarter): 1.0}
        (group,) = replay(week(make_plan), history(bad)).groups

        assert pytest.approx(0.25, abs=0.005) == group.spent
        assert pytest.approx(0.25, abs=0.01) == group.remaining
        assert group.worst_day is not None
        assert (date(2025, 11, 12), pytest.approx(0.25, abs=0.005)) == group.worst_day

    def test_days_begin_in_the_users_zone(self, make_plan: MakePlan) -> None:
        """23:30 in UTC is already the next day in Berlin."""
        late = 8 * PER_DAY - 60
        bad = history({(late, late + 20): 1.0})
        worst = [
            replay(week(make_plan), bad, zone=zone).groups[0].worst_day
            for zone in (UTC, ZoneInfo("Europe/Berlin"))
        ]

        assert [date(2025, 11, 12), date(2025, 11, 13)] == [day[0] for day in worst if day]

    def test_a_record_stands_for_the_events_before_it(self, make_plan: MakePlan) -> None:
        """Of nine records after midnight, the first five hold events of the day before."""
        midnight = 7 * PER_DAY
        bad = history({(midnight, midnight + 9): 1.0})
        (group,) = replay(week(make_plan), bad, since=6 * PER_DAY).groups

        assert group.worst_day is not None
        assert (date(2025, 11, 11), pytest.approx(5 / (0.01 * 7 * PER_DAY), rel=0.01)) == (
            group.worst_day
        )

    def test_slices_are_counted_as_slices(self, make_plan: MakePlan) -> None:
        """Six percent of errors make a slice with a target of 95 % as bad as an outage."""
        plan = week(make_plan, timeslices=Timeslices(minutes(5), Decimal(95), "excluded"))
        length = 8 * 288
        error: list[float | None] = [0.0] * length
        for index in range(7 * 288 + 24, 7 * 288 + 36):
            error[index] = 0.6
        found = EventHistory({}, START, minutes(5), error, [10.0] * length)
        timing = Timing.of(plan, seconds(30))
        test = backtest(
            plan,
            timing,
            [RecordedHistory(plan, timing, found)],
            START + 7 * 86_400,
            found.end - 300,
            UTC,
            LEAD,
        )

        assert pytest.approx(12 / (0.01 * 7 * 288), rel=0.01) == test.groups[0].spent
        assert of(test, "burn_rate", "1h30m/10m")

    def test_calendar_periods(self, make_plan: MakePlan) -> None:
        """A calendar's budget starts anew: what was spent last week is forgotten."""
        plan = week(make_plan, calendar=Calendar("week", "UTC"))
        # The fifth of November 2025 is a Wednesday; the next week begins on the tenth.
        bad = history({(2 * PER_DAY, 2 * PER_DAY + 100): 1.0, (BEGIN, BEGIN + 50): 1.0})
        (group,) = replay(plan, bad).groups

        assert group.remaining is not None
        # Since Monday: three days of traffic, 50 bad steps.
        assert pytest.approx(1 - 50 / (0.01 * 3 * PER_DAY), abs=0.02) == group.remaining

    def test_without_a_budget(self, make_plan: MakePlan) -> None:
        (group,) = replay(
            week(make_plan, objective=Decimal(100)), history({(BEGIN, BEGIN + 9): 0.5})
        ).groups

        assert group.spent is None
        assert any(e.kind == "burn_rate" and e.peak_burn_rate is None for e in group.episodes)


def group_with(stretches: Sequence[tuple[int, int | None]]) -> GroupBacktest:
    episodes = tuple(
        FiringEpisode("page", "burn_rate", "", "", Stretch(a, b), False, None, None)
        for a, b in stretches
    )
    return GroupBacktest({}, episodes, 1, 0, 0, 1, None, 0, (), ())


class TestStretches:
    @given(
        st.lists(
            st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda p: (p[0], p[0] + p[1])),
            max_size=8,
        )
    )
    def test_cover_the_same_time_without_touching(self, given_: list[tuple[int, int]]) -> None:
        """Seconds that are covered, counted one by one."""
        found = group_with(given_).stretches("page")

        wanted = {second for a, b in given_ for second in range(a, b)}
        covered = [s for each in found for s in range(int(each.start), int(each.end or 0))]
        assert sorted(wanted) == covered

    def test_open_ends(self) -> None:
        found = group_with([(5, None), (0, 2), (7, 9)]).stretches("page")

        assert (Stretch(0, 2), Stretch(5, None)) == found
        assert () == group_with([(0, 1)]).stretches("ticket")
