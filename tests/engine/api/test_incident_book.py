from __future__ import annotations

import pytest

from slo.engine.api.incident_book import IncidentBook
from slo.engine.api.view import View
from slo.engine.gates.policy import DEFAULT_POLICY, GatePolicy, IncidentLimit, Rule, Then
from slo.engine.status.past import BurnDown

from .made import NOW, snapshot, status

HOUR = 3_600.0
STRICT = GatePolicy("strict", "d", rules=(Rule("all", incident=IncidentLimit(0.2, Then.DENY)),))


def burn_down(*spent: float) -> BurnDown:
    """Return how a budget went hour by hour, up to now."""
    points, left = [(NOW - HOUR * len(spent), 1.0)], 1.0
    for number, share in enumerate(spent, 1):
        left -= share
        points.append((NOW - HOUR * (len(spent) - number), left))
    return BurnDown(points, "events")


def test_finds_what_one_stretch_spent() -> None:
    quiet = [0.0002] * 100
    found = burn_down(*quiet, 0.2, 0.15, *quiet, 0.03, *quiet)
    book = IncidentBook(lambda _: found)
    view = View(snapshot(status()), "1")
    (large, small) = (book.of(STRICT, view, "checkout") or {})["checkout/availability"]

    assert 0.35 == pytest.approx(large.share, abs=0.001)
    assert 0.03 == pytest.approx(small.share, abs=0.001)
    assert 2 * HOUR == large.end - large.start


def test_says_nothing_where_the_past_is_not_known() -> None:
    book = IncidentBook(lambda _: None)

    assert {} == book.of(STRICT, View(snapshot(status()), "1"), "checkout")


def test_costs_nothing_where_the_policy_does_not_look() -> None:
    book = IncidentBook(lambda _: pytest.fail("asked"))

    assert book.of(DEFAULT_POLICY, View(snapshot(status()), "1"), "checkout") is None


def test_works_them_out_once_a_snapshot() -> None:
    asked: list[str] = []
    book = IncidentBook(lambda s: asked.append(s.key))
    view = View(snapshot(status()), "1")
    for _ in range(3):
        book.of(STRICT, view, "checkout")
    book.of(STRICT, View(snapshot(status()), "2"), "checkout")

    assert 2 == len(asked)
