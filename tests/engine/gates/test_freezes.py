"""Freezes are in force when the calendar says so."""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.engine.gates.freezes import Subject, active_freezes, next_freeze
from slo.engine.gates.policy import GatePolicy

from .built import DAYS, policy

SUBJECT = Subject("checkout/availability", "critical", "production")
WEEKEND = policy(
    "freezes:\n"
    "  - name: weekend\n"
    "    reason: Nobody is here.\n"
    "    time_zone: Europe/Berlin\n"
    "    start: 2026-01-02 16:00\n"
    "    length: 62h\n"
    "    repeats: FREQ=WEEKLY;BYDAY=FR\n"
)
HOLIDAYS = policy(
    "freezes: [{name: holidays, reason: Closed., time_zone: Asia/Tokyo, "
    "dates: [2026-12-31, 2027-01-01]}]"
)


def at(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def until(by: GatePolicy, now: float, subject: Subject = SUBJECT) -> float | None:
    """Return when the freeze in force ends."""
    found = active_freezes(by, (), subject, now)
    assert len(found) <= 1
    return found[0].until if found else None


class TestRecurring:
    @pytest.mark.parametrize(
        ("now", "end"),
        [
            ("2026-11-27 15:59:59", None),
            ("2026-11-27 16:00", "2026-11-30 06:00"),
            ("2026-11-30 05:59:59", "2026-11-30 06:00"),
            ("2026-11-30 06:00", None),
            # Clocks went forward on 2026-03-29: it begins at 16:00 and lasts 62 hours.
            ("2026-03-27 16:00", "2026-03-30 07:00"),
            ("2026-04-03 16:00", "2026-04-06 06:00"),
        ],
    )
    def test_is_local_to_its_zone(self, now: str, end: str | None) -> None:
        assert (end and at(end)) == until(WEEKEND, at(now))

    def test_does_not_begin_before_its_start(self) -> None:
        assert until(WEEKEND, at("2025-12-26 17:00")) is None

    def test_the_next_one_is_known(self) -> None:
        now = at("2026-11-27 15:55")

        assert at("2026-11-27 16:00") == next_freeze(WEEKEND, (), SUBJECT, now, 600)
        assert math.inf == next_freeze(WEEKEND, (), SUBJECT, now, 60)

    @given(now=st.floats(1_767_222_000, 1_798_758_000))
    def test_agrees_with_the_calendar_at_any_moment(self, now: float) -> None:
        """Independent of how recurrences are expanded: Friday 16:00 until 62 hours later."""
        local = datetime.fromtimestamp(now, ZoneInfo("Europe/Berlin"))
        friday = local.replace(hour=16, minute=0, second=0, microsecond=0)
        days = (local.weekday() - 4) % 7
        begin = at(f"{datetime.fromordinal(friday.toordinal() - days):%Y-%m-%d} 16:00")
        if begin > now:
            earlier = datetime.fromordinal(friday.toordinal() - days - 7)
            begin = at(f"{earlier:%Y-%m-%d} 16:00")
        frozen = begin <= now < begin + 62 * 3600 and begin >= at("2026-01-02 16:00")

        assert frozen == (until(WEEKEND, now) is not None)


class TestDates:
    def test_days_without_a_gap_are_one_freeze(self) -> None:
        first = at("2026-12-31 00:00", "Asia/Tokyo")

        assert until(HOLIDAYS, first - 1) is None
        assert first + 2 * DAYS == until(HOLIDAYS, first)
        assert until(HOLIDAYS, first + 2 * DAYS) is None


class TestScope:
    @pytest.mark.parametrize(
        ("scope", "frozen"),
        [
            ("", True),
            ("slos: ['checkout/*']", True),
            ("slos: ['search/*']", False),
            ("tiers: [critical]", True),
            ("tiers: [internal]", False),
            ("environments: ['prod*']", True),
            ("environments: [staging]", False),
            ("tiers: [critical], environments: [staging]", False),
        ],
    )
    def test_chooses_what_is_frozen(self, scope: str, frozen: bool) -> None:
        comma = ", " if scope else ""
        by = policy(f"freezes: [{{name: a, reason: b, dates: [2026-11-24]{comma}{scope}}}]")

        assert frozen == (until(by, at("2026-11-24 12:00", "UTC")) is not None)
