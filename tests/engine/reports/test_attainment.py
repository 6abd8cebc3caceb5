"""Reports against history that is known event by event."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.engine.ledger.records import BudgetPoint
from slo.engine.reports.attainment import attainment, incidents, report_of
from slo.engine.reports.report import as_dict, make_report
from slo.engine.reports.report_html import report_html
from slo.engine.reports.spans import Span, span_of
from slo.engine.status.model import Budget, Events, Period, Provenance, SloStatus, State

HOUR, DAY = 3_600.0, 86_400.0
WEEK = 7 * DAY
NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC).timestamp()


def status(name: str = "availability") -> SloStatus:
    return SloStatus(
        id=f"checkout-{name}",
        service="checkout",
        name=name,
        state=State.OK,
        objective=99.9,
        method="occurrences",
        period=Period("30d", "rolling", 30 * DAY),
        events=Events("events"),
        budget=Budget(0.001),
        provenance=Provenance(NOW, 0, 1.0, "p"),
    )


def points(span: Span, bad: dict[int, float], total: float = 1_000.0) -> list[BudgetPoint]:
    """Return one point an hour from the week before on; *bad* by hour of the span."""
    first = int((span.previous_start - span.start) // HOUR)
    return [
        BudgetPoint("checkout/availability", span.start + h * HOUR, HOUR, bad.get(h, 0.0), total, 1)
        for h in range(first, int(span.seconds // HOUR))
    ]


@pytest.fixture
def week() -> Span:
    return span_of("week", NOW, UTC)


class TestSpans:
    @pytest.mark.parametrize(
        ("period", "title", "start", "end"),
        [
            ("week", "Week 47 of 2026", "2026-11-16", "2026-11-23"),
            ("month", "October 2026", "2026-10-01", "2026-11-01"),
            ("quarter", "Quarter 3 of 2026", "2026-07-01", "2026-10-01"),
        ],
    )
    def test_the_last_whole_period(self, period: str, title: str, start: str, end: str) -> None:
        zone = ZoneInfo("Europe/Berlin")
        found = span_of(period, NOW, zone)

        assert title == found.title
        for expected, at in ((start, found.start), (end, found.end)):
            assert f"{expected} 00:00" == f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M}"

    def test_a_month_with_a_change_of_clocks_is_an_hour_longer(self) -> None:
        found = span_of("month", NOW, ZoneInfo("Europe/Berlin"))

        assert 31 * DAY + HOUR == found.seconds

    def test_the_running_period_ends_now(self) -> None:
        found = span_of("month", NOW, UTC, current=True)

        assert (NOW, "November 2026") == (found.end, found.title)

    @given(
        st.sampled_from(("week", "month", "quarter")),
        st.floats(1.0e9, 2.5e9),
        st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo")),
    )
    def test_periods_follow_one_another(self, period: str, now: float, zone: str) -> None:
        whole = span_of(period, now, ZoneInfo(zone))
        running = span_of(period, now, ZoneInfo(zone), current=True)

        assert whole.end == running.start <= now
        assert whole.start == running.previous_start
        assert whole.previous_start < whole.start < whole.end


class TestAttainment:
    def test_a_known_week(self, week: Span) -> None:
        """168,000 events allow 168 bad ones; there were 200 of them, 42 the week before."""
        found = report_of(status(), points(week, {10: 120.0, 11: 80.0, -5: 42.0}), week)

        assert found.now.sli == pytest.approx(1 - 200 / 168_000)
        assert found.now.spent == pytest.approx(200 / 168)
        assert found.before.spent == pytest.approx(42 / 168)
        assert found.trend == pytest.approx(158 / 168)
        assert found.met is False
        assert 1.0 == pytest.approx(found.now.measured)

    def test_an_objective_that_is_just_met_is_met(self, week: Span) -> None:
        assert report_of(status(), points(week, {0: 168.0}), week).met is True
        assert report_of(status(), points(week, {0: 168.1}), week).met is False

    def test_nothing_measured_is_neither(self, week: Span) -> None:
        blind = [replace(p, bad=None, total=None) for p in points(week, {})]
        found = report_of(status(), blind, week)

        assert (None, None, 0.0) == (found.met, found.now.sli, found.now.measured)

    def test_hours_without_data_are_told(self) -> None:
        found = attainment([BudgetPoint("a/b", 0, HOUR, 1, 10, 1)], 0.001, 4 * HOUR)

        assert 0.25 == found.measured


class TestIncidents:
    def test_shares_are_of_the_whole_periods_budget(self, week: Span) -> None:
        """720,000 events in thirty days allow 720 bad ones."""
        found = report_of(status(), points(week, {10: 120.0, 11: 80.0}), week).incidents

        assert 1 == len(found)
        assert found[0].share == pytest.approx(200 / 720)
        assert found[0].peak == pytest.approx(120.0)
        assert (week.start + 10 * HOUR, week.start + 12 * HOUR) == (found[0].start, found[0].end)

    def test_a_short_pause_does_not_make_two_of_one(self, week: Span) -> None:
        joined = report_of(status(), points(week, {10: 50.0, 12: 50.0}), week).incidents
        apart = report_of(status(), points(week, {10: 50.0, 13: 50.0}), week).incidents

        assert (1, 2) == (len(joined), len(apart))

    def test_a_slow_burn_is_one_and_what_the_budget_allows_is_none(self, week: Span) -> None:
        slow = report_of(status(), points(week, dict.fromkeys(range(24), 1.5)), week).incidents
        allowed = report_of(status(), points(week, dict.fromkeys(range(24), 1.0)), week).incidents

        assert (1, 0) == (len(slow), len(allowed))
        assert slow[0].share == pytest.approx(36 / 720)

    def test_small_ones_are_none(self, week: Span) -> None:
        assert () == report_of(status(), points(week, {10: 7.2}), week).incidents
        assert 1 == len(report_of(status(), points(week, {10: 7.3}), week).incidents)

    @given(st.lists(st.floats(0, 1_000), max_size=60))
    def test_they_never_hold_more_than_there_was(self, bad: list[float]) -> None:
        listed = [BudgetPoint("a/b", i * HOUR, HOUR, b, 1_000.0, 1) for i, b in enumerate(bad)]
        found = incidents(listed, 0.001, 720_000.0)

        assert sum(i.bad for i in found) <= sum(bad) + 1e-6
        assert all(a.end <= b.start for a, b in pairwise(found))
        assert all(i.share > 0.01 for i in found)


class TestReport:
    def test_the_worst_comes_first(self, week: Span) -> None:
        histories = {"fine": points(week, {1: 10.0}), "bad": points(week, {1: 500.0}), "blind": []}
        made = make_report(
            [status(name) for name in histories],
            lambda slo, start, end: histories[slo.name],
            week,
            made_at=NOW,
            source="http://engine",
        )

        assert ["bad", "fine", "blind"] == [slo.status.name for slo in made.slos]
        assert (1, 1) == (made.met, made.missed)
        assert [False, True, None] == [slo["met"] for slo in as_dict(made)["slos"]]

    def test_the_page_needs_nothing_else_and_runs_nothing(self, week: Span) -> None:
        odd = replace(status(), owner="<script>alert(1)</script>")
        made = make_report(
            [odd], lambda *_: points(week, {1: 500.0}), week, made_at=NOW, source="http://engine"
        )
        page = report_html(made, UTC)

        assert "<script" not in page
        assert "&lt;script&gt;" in page
        for outside in ("src=", "href=", "url(", "@import"):
            assert outside not in page
        assert "99.702 %" in page
        assert "298 %" in page
