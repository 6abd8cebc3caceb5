"""The server knows where in the calendar it is, in every time zone and at every edge."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from slo import conventions as names
from slo.alerts import calendar_rules
from slo.duration import Duration, seconds
from slo.plan import Calendar, SloPlan
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus
from slo.time_zones import FIRST_YEAR, LAST_YEAR, offset_changes

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is missing"),
]

ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Marquesas",
    "America/Asuncion",
)
UNITS = ("week", "month", "quarter")
# No divisor of a day, so that all times of the day come up; 10,000 points at most.
STEP = seconds(11 * 3600 + 13 * 60 + 7)
BEGIN = int(datetime(FIRST_YEAR, 1, 2, tzinfo=UTC).timestamp())
END = int(datetime(LAST_YEAR, 12, 30, tzinfo=UTC).timestamp())


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    with run_prometheus(folder, prometheus_config()) as client:
        yield client


def evaluated(
    client: PrometheusClient, expression: str, begin: int, end: int, step: Duration
) -> dict[int, float]:
    (series,) = client.query_range(expression, begin, end, step)
    return {int(time): value for time, value in series.values}


def local(time: int, zone: str) -> datetime:
    return datetime.fromtimestamp(time, UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def first_day(at: datetime, unit: str) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1, month=day.month if unit == "month" else (day.month - 1) // 3 * 3 + 1)


def following(first: datetime, unit: str) -> datetime:
    return first_day(first + timedelta(days={"week": 8, "month": 32, "quarter": 94}[unit]), unit)


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_that_of_the_zone(prometheus: PrometheusClient, zone: str) -> None:
    """Compare with Python's zoneinfo for thirteen years, and each second around each change."""
    lag = seconds(270)
    expression = calendar_rules.local_time(Calendar("month", zone), lag)
    moments = [moment for moment, _ in offset_changes(zone)[1]]
    found = evaluated(prometheus, expression, BEGIN, END, STEP)
    for moment in [*moments[:4], *moments[-2:]]:
        around = moment + 270
        found |= evaluated(prometheus, expression, around - 5, around + 5, seconds(1))
        found |= evaluated(prometheus, expression, around - 7200, around + 7200, seconds(300))

    epoch = datetime(1970, 1, 1)
    expected = {t: (local(t - 270, zone) - epoch).total_seconds() for t in found}
    assert expected == found
    assert len(found) > 9_000


Make = Callable[[SloPlan, Calendar], str]
MAKES: tuple[Make, ...] = (
    calendar_rules.period_start,
    calendar_rules.days_in_period,
    calendar_rules.elapsed,
    calendar_rules.seconds_elapsed,
)


def expected(make: Make, at: datetime, unit: str) -> float:
    first = first_day(at, unit)
    length = following(first, unit) - first
    return {
        calendar_rules.period_start: int(first.strftime("%Y%m%d")),
        calendar_rules.days_in_period: length.days,
        calendar_rules.elapsed: (at - first) / length,
        calendar_rules.seconds_elapsed: (at - first).total_seconds(),
    }[make]


def edges(zone: str, unit: str, first: datetime, until: datetime) -> Iterator[int]:
    """Yield the moments at which periods begin."""
    first = first_day(first, unit)
    while first < until:
        yield int(first.replace(tzinfo=ZoneInfo(zone)).timestamp())
        first = following(first, unit)


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("unit", UNITS)
def test_period_is_that_of_the_calendar(
    prometheus: PrometheusClient, make_plan: Callable[..., SloPlan], unit: str, make: Make
) -> None:
    """First day, length in days and time so far, over thirteen years."""
    plan, calendar = make_plan(), Calendar(unit, "UTC")
    recorded = calendar_rules.series(plan, names.LOCAL_TIME, calendar)
    expression = make(plan, calendar).replace(recorded, "(vector(time()))")

    found = evaluated(prometheus, expression, BEGIN, END, STEP)
    for edge in edges("UTC", unit, datetime(2027, 2, 1), datetime(2028, 6, 1)):
        found |= evaluated(prometheus, expression, edge - 2, edge + 2, seconds(1))

    assert {
        t: pytest.approx(expected(make, local(t, "UTC"), unit), abs=1e-9) for t in found
    } == found


@pytest.mark.parametrize("zone", ZONES)
def test_period_begins_at_local_midnight(
    prometheus: PrometheusClient, make_plan: Callable[..., SloPlan], zone: str
) -> None:
    """Every period of a leap year, to the second."""
    plan = make_plan()
    for unit in UNITS:
        calendar = Calendar(unit, zone)
        recorded = calendar_rules.series(plan, names.LOCAL_TIME, calendar)
        now = f"({calendar_rules.local_time(calendar, seconds(0))})"
        expression = calendar_rules.period_start(plan, calendar).replace(recorded, now)
        for edge in edges(zone, unit, datetime(2028, 1, 1), datetime(2029, 1, 2)):
            found = evaluated(prometheus, expression, edge - 1, edge, seconds(1))

            begun = expected(calendar_rules.period_start, local(edge, zone), unit)
            assert begun == found[edge]
            assert begun > found[edge - 1]
