"""Incidents are found in the history of the budget, and none of it is lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.engine.gates.incidents import Incident, incidents_in_period, incidents_of, with_reviews
from slo.engine.ledger.records import BudgetPoint
from slo.engine.status.model import Period

from .built import DAYS, NOW, status

BUDGET = 0.01


def points(*bad: float | None, total: float = 1000.0) -> list[BudgetPoint]:
    """Return a point every five minutes."""
    return [
        BudgetPoint("a/b", 300.0 * n, 300.0, b, None if b is None else total, None)
        for n, b in enumerate(bad)
    ]


def spans(*bad: float | None, **more: float) -> list[tuple[float, float]]:
    return [(i.start, i.end) for i in incidents_of("a/b", points(*bad), BUDGET, **more)]


def test_burning_inside_the_budget_is_no_incident() -> None:
    assert [] == spans(10, 10, 0)


def test_points_that_burn_are_one_incident() -> None:
    (incident,) = incidents_of("a/b", points(0, 500, 300, 0, *[0] * 96), BUDGET)

    assert (300.0, 900.0) == (incident.start, incident.end)
    # 800 bad events of the 1,000 that 100,000 events allow.
    assert 0.8 == pytest.approx(incident.share)


def test_a_short_pause_does_not_part_them_and_a_long_one_does() -> None:
    assert [(0.0, 900.0)] == spans(500, 5, 500, gap=300)
    assert [(0.0, 300.0), (900.0, 1200.0)] == spans(500, 5, 5, 500, gap=300)


def test_what_is_spent_in_a_short_pause_counts() -> None:
    (incident,) = incidents_of("a/b", points(500, 10, 500, *[0] * 97), BUDGET)

    assert 1.01 == pytest.approx(incident.share)


def test_of_a_calendar_period_the_share_is_of_its_whole_budget() -> None:
    """A tenth of the month is over: what is spent is a tenth of what the share says so far."""
    month = Period("month", "calendar", 30 * DAYS, NOW - 3 * DAYS, NOW + 27 * DAYS, 0.1)
    history = points(500, *[0] * 99)

    rolling = incidents_in_period(status(ratio=BUDGET), history)
    calendar = incidents_in_period(status(ratio=BUDGET, period=month), history)

    assert [0.5] == pytest.approx([i.share for i in rolling])
    assert [0.05] == pytest.approx([i.share for i in calendar])


def test_what_was_not_measured_is_a_pause() -> None:
    assert [(0.0, 900.0)] == spans(500, None, 500, gap=300)


def test_without_events_there_is_nothing() -> None:
    assert [] == incidents_of("a/b", points(0, total=0), BUDGET)
    assert [] == incidents_of("a/b", [], BUDGET)


def test_reviews_of_decisions_are_found_by_id() -> None:
    incident = Incident("a/b", 300.7, 900, 0.8)
    longer = Incident("a/b", 300.7, 1800, 0.9)

    (found,) = with_reviews([longer], [{}, {incident.id: "PM-1"}])

    assert "PM-1" == found.review


@given(st.lists(st.one_of(st.none(), st.floats(0, 1000)), max_size=60), st.floats(0, 3600))
def test_they_are_in_order_apart_and_spend_what_was_spent(
    bad: list[float | None], gap: float
) -> None:
    history = points(*bad)
    found = incidents_of("a/b", history, BUDGET, gap)
    allowed = BUDGET * sum(p.total for p in history if p.total is not None)
    burned = sum(p.bad for p in history if p.bad is not None and p.bad > 10)
    spent = sum(p.bad for p in history if p.bad is not None)

    for before, after in pairwise(found):
        assert after.start - before.end > gap
    shares = sum(i.share for i in found)
    assert shares * allowed <= spent + 1e-6
    assert shares * allowed >= burned - 1e-6
