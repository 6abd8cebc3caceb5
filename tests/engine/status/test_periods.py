"""Calendar periods begin and end at local midnight, in every time zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo.engine.status.periods import calendar_bounds, period_of
from slo.plan import Calendar

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
DAY = 86_400.0


def at(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("unit", "now", "start", "end"),
    [
        ("week", "2026-11-24T13:00", "2026-11-23", "2026-11-30"),
        ("week", "2026-10-25T23:59", "2026-10-19", "2026-10-26"),
        ("month", "2028-02-29T12:00", "2028-02-01", "2028-03-01"),
        ("month", "2026-12-31T23:59", "2026-12-01", "2027-01-01"),
        ("month", "2026-03-01T00:00", "2026-03-01", "2026-04-01"),
        ("quarter", "2026-05-10T12:00", "2026-04-01", "2026-07-01"),
        ("quarter", "2026-12-31T12:00", "2026-10-01", "2027-01-01"),
    ],
)
def test_bounds(unit: str, now: str, start: str, end: str) -> None:
    """Weeks begin on Monday, months on the first, quarters in January, April, July, October."""
    assert (at(start), at(end)) == calendar_bounds(Calendar(unit, "Europe/Berlin"), at(now))


@given(
    st.sampled_from(("week", "month", "quarter")),
    st.sampled_from(ZONES),
    st.floats(at("2026-01-01"), at("2036-01-01")),
)
def test_periods_follow_one_another(unit: str, zone: str, now: float) -> None:
    """Each moment lies in its period, and the next period begins where that one ends."""
    calendar = Calendar(unit, zone)

    start, end = calendar_bounds(calendar, now)

    assert start <= now < end
    assert (start, end) == calendar_bounds(calendar, start)
    assert end == calendar_bounds(calendar, end)[0]
    local = datetime.fromtimestamp(start, ZoneInfo(zone))
    assert (0, 0) == (local.hour, local.minute)


class TestPeriodOf:
    def test_rolling(self) -> None:
        """A rolling period is named as its series are."""
        period = period_of(28, {}, None, 100 * DAY)

        assert period is not None
        assert ("4w", "rolling", 72 * DAY, None, 1.0) == (
            period.name,
            period.kind,
            period.start,
            period.end,
            period.elapsed,
        )

    def test_calendar_of_a_spec(self) -> None:
        """With the time zone the reset is known to the second."""
        calendar = Calendar("month", "Europe/Berlin")
        noon = at("2026-03-16T12:00")

        period = period_of(31, {"month": 0.5}, calendar, noon)

        assert period is not None
        assert (at("2026-03-01"), at("2026-04-01")) == (period.start, period.end)
        assert 31 * DAY - 3600 == period.seconds
        assert 0.5 == pytest.approx(period.elapsed, abs=0.001)

    def test_calendar_without_a_spec(self) -> None:
        """Without it, the start follows from the share that is over, which lags by minutes."""
        start = at("2026-11-01", "Asia/Kolkata")
        now = start + 10 * DAY
        elapsed = (10 * DAY - 270) / (30 * DAY)

        period = period_of(30, {"month": elapsed}, None, now)

        assert period is not None
        assert ("month", start, start + 30 * DAY) == (period.name, period.start, period.end)

    def test_rolling_beside_a_calendar_window(self) -> None:
        """The length decides which of an SLO's windows its budget is for."""
        period = period_of(30.0, {"quarter": 0.3}, None, 0)

        assert period is not None
        assert "rolling" == period.kind

    def test_unknown(self) -> None:
        """Without a length nothing is known."""
        assert period_of(None, {}, None, 0) is None


def test_a_month_in_which_clocks_change_at_midnight() -> None:
    """Where clocks change at midnight, a month is an hour shorter or longer all the same."""
    calendar = Calendar("month", "Africa/Cairo")
    now = datetime(2026, 4, 24, 12, tzinfo=ZoneInfo("Africa/Cairo"))

    start, end = calendar_bounds(calendar, now.timestamp())

    assert timedelta(days=30) - timedelta(hours=1) == timedelta(seconds=end - start)
