"""Points are kept once each, and rolling them up loses no event."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slo.engine.ledger.records import BudgetPoint
from slo.engine.ledger.retention import Retention, RollUp
from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.errors import InvalidRecord

from .samples import DAY, HOUR, point

SLO = "checkout/availability"
# Midnight in UTC.
START = 20_700 * DAY


def all_points(ledger: SqlLedger, slo: str = SLO) -> tuple[BudgetPoint, ...]:
    return ledger.budget_points(slo, 0, 1e10)


def refreshes(start: float, number: int, step: float = 60.0, **fields: Any) -> list[BudgetPoint]:
    return [point(at=start + i * step, seconds=step, bad=float(i), **fields) for i in range(number)]


class TestAdding:
    def test_keeps_points_as_they_came(self, ledger: SqlLedger) -> None:
        given = [
            point(at=START + 0.123456),
            point(at=START + 60, bad=None, total=None, remaining=None),
            point(at=START + 120, remaining=-0.6, labels={"region": "eu", "zone": "1"}),
        ]
        ledger.add_budget_points(given)

        assert tuple(given) == all_points(ledger)

    def test_leaves_what_is_there_alone(self, open_new: Callable[[], SqlLedger]) -> None:
        first, second = open_new(), open_new()
        first.add_budget_points([point(at=START, bad=1.0)])
        second.add_budget_points([point(at=START, bad=9.0), point(at=START + 60, bad=2.0)])
        first.add_budget_points([point(at=START, bad=7.0)])

        assert [1.0, 2.0] == [p.bad for p in all_points(first)]

    def test_keeps_groups_apart(self, ledger: SqlLedger) -> None:
        groups = [point(labels={"region": region}) for region in ("eu", "us")]
        ledger.add_budget_points(groups)

        assert tuple(groups) == all_points(ledger)
        assert () == all_points(ledger, "checkout/other")

    def test_finds_what_begins_in_a_time(self, ledger: SqlLedger) -> None:
        ledger.add_budget_points(refreshes(START, 5))

        assert [1.0, 2.0] == [p.bad for p in ledger.budget_points(SLO, START + 60, START + 180)]

    def test_takes_what_is_no_number_for_not_measured(self, ledger: SqlLedger) -> None:
        ledger.add_budget_points([point(bad=math.nan, total=math.inf, remaining=-math.inf)])

        (kept,) = all_points(ledger)
        assert (None, None, None) == (kept.bad, kept.total, kept.remaining)

    @pytest.mark.parametrize(
        "wrong", [{"slo": ""}, {"at": math.nan}, {"seconds": 0.0}, {"seconds": 2 * DAY}]
    )
    def test_refuses_what_makes_no_sense(self, wrong: dict[str, Any], ledger: SqlLedger) -> None:
        with pytest.raises(InvalidRecord):
            ledger.add_budget_points([point(), point(**wrong)])
        assert () == all_points(ledger)

    def test_is_not_part_of_the_chain(self, ledger: SqlLedger) -> None:
        ledger.add_budget_points([point()])

        assert 0 == ledger.head().sequence


class TestRollUp:
    def test_sums_hours_and_then_days(self, ledger: SqlLedger) -> None:
        ledger.add_budget_points(refreshes(START, 48 * 60))

        assert RollUp(47, 0, 0) == ledger.roll_up(START + 2 * DAY + 47 * HOUR + 59)
        found = all_points(ledger)
        assert [HOUR] * 47 + [60.0] * 60 == [p.seconds for p in found]
        assert sum(range(60)) == found[0].bad
        assert 6_000.0 == found[0].total

        assert RollUp(1, 2, 0) == ledger.roll_up(START + 103 * DAY)
        days = all_points(ledger)
        assert [(START, DAY), (START + DAY, DAY)] == [(p.at, p.seconds) for p in days]
        assert sum(range(24 * 60)) == days[0].bad
        assert sum(range(48 * 60)) == days[0].bad + days[1].bad

        assert RollUp(0, 0, 1) == ledger.roll_up(START + 1099 * DAY)
        assert days[1:] == all_points(ledger)

    def test_keeps_the_last_budget_that_was_measured(self, ledger: SqlLedger) -> None:
        remaining = [0.9, 0.7, 0.8, None]
        ledger.add_budget_points(
            [point(at=START + 60 * i, remaining=r) for i, r in enumerate(remaining)]
        )
        ledger.roll_up(START + 4 * DAY)

        assert [0.8] == [p.remaining for p in all_points(ledger)]

    def test_keeps_not_measured_apart_from_nothing(self, ledger: SqlLedger) -> None:
        ledger.add_budget_points(
            [point(at=START + 60 * i, bad=None, total=None, remaining=None) for i in range(3)]
        )
        ledger.roll_up(START + 4 * DAY)

        assert [(None, None, None)] == [(p.bad, p.total, p.remaining) for p in all_points(ledger)]

    def test_twice_changes_nothing(self, ledger: SqlLedger) -> None:
        ledger.add_budget_points(refreshes(START, 600))
        ledger.roll_up(START + 4 * DAY)
        once = all_points(ledger)

        assert RollUp(0, 0, 0) == ledger.roll_up(START + 4 * DAY)
        assert once == all_points(ledger)

    def test_does_not_count_a_point_that_comes_again(self, ledger: SqlLedger) -> None:
        points = refreshes(START, 60)
        ledger.add_budget_points(points)
        ledger.roll_up(START + 4 * DAY)
        ledger.add_budget_points(points)
        ledger.roll_up(START + 4 * DAY)

        assert [sum(range(60))] == [p.bad for p in all_points(ledger)]

    def test_takes_a_late_point_of_an_hour_that_had_none(self, ledger: SqlLedger) -> None:
        ledger.add_budget_points(refreshes(START, 60))
        ledger.roll_up(START + 4 * DAY)
        ledger.add_budget_points(refreshes(START + HOUR, 60))

        assert RollUp(1, 0, 0) == ledger.roll_up(START + 4 * DAY)
        assert [sum(range(60))] * 2 == [p.bad for p in all_points(ledger)]

    def test_coarse_points_from_outside_do_not_overlap_finer_ones(self, ledger: SqlLedger) -> None:
        ledger.add_budget_points(refreshes(START + HOUR, 3))
        hours = [point(at=START + i * HOUR, seconds=HOUR) for i in range(3)]
        ledger.add_budget_points(hours)
        ledger.add_budget_points([point(at=START, seconds=DAY)])

        found = all_points(ledger)
        assert [HOUR, 60.0, 60.0, 60.0, HOUR] == [p.seconds for p in found]
        assert all(a.at + a.seconds <= b.at for a, b in pairwise(found))

    def test_follows_the_retention_it_is_given(self, ledger_url: str) -> None:
        kept = Retention(raw=HOUR, hours=DAY, days=2 * DAY)
        ledger = open_ledger(ledger_url, retention=kept)
        ledger.add_budget_points(refreshes(START, 24, HOUR / 2))

        assert RollUp(12, 0, 0) == ledger.roll_up(START + 13 * HOUR)
        assert RollUp(0, 1, 0) == ledger.roll_up(START + 2 * DAY)
        assert RollUp(0, 0, 1) == ledger.roll_up(START + 4 * DAY)
        ledger.close()

    @pytest.mark.parametrize("wrong", [{"raw": 60.0}, {"hours": DAY}, {"days": 3 * DAY}])
    def test_refuses_a_retention_that_shrinks(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="hours longer, days longest"):
            Retention(**wrong)

    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        moments=st.lists(st.integers(0, 6 * 1440), unique=True, max_size=60),
        calls=st.lists(st.integers(0, 12 * 24), max_size=4),
        values=st.lists(st.integers(0, 10**9), min_size=61, max_size=61),
    )
    def test_never_loses_or_doubles_an_event(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        moments: Sequence[int],
        calls: Sequence[int],
        values: Sequence[int],
    ) -> None:
        url = f"sqlite:///{tmp_path_factory.mktemp('ledger')}/l.db"
        ledger = open_ledger(url, retention=Retention(DAY, 2 * DAY, 1000 * DAY))
        points = [
            point(at=START + 60.0 * minute, bad=float(values[i]), total=float(2 * values[i]))
            for i, minute in enumerate(moments)
        ]
        ledger.add_budget_points(points)
        for hour in calls:
            ledger.roll_up(START + hour * HOUR)
            ledger.add_budget_points(points)
        found = all_points(ledger)

        assert sum(values[: len(moments)]) == sum(p.bad or 0 for p in found)
        assert 2 * sum(values[: len(moments)]) == sum(p.total or 0 for p in found)
        assert all(a.at + a.seconds <= b.at for a, b in pairwise(found))
        ledger.close()
