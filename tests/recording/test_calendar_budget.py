"""The budget of a calendar period is what happened since its first local midnight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any
from zoneinfo import ZoneInfo

import pytest

MINUTE, HOUR, DAY = 60, 3600, 86_400
# A record of the period stands for events that are four and a half minutes old on average.
LAG = 270
UNITS = ("month", "week", "quarter")
ID = '{sloth_id="shop-requests"}'


@dataclass
class Traffic:
    """Hold counters with one sample a minute, and what they count."""

    start: int
    total: list[float]
    error: list[float]

    @classmethod
    def of(cls, start: int, end: int, rates: Callable[[int], tuple[float, float]]) -> Traffic:
        """Return the counters of *rates*: all and bad events of the minute that ends at a time."""
        each = [rates(time) for time in range(start + MINUTE, end + 1, MINUTE)]
        total, error = zip(*each, strict=True)
        return cls(
            start, list(accumulate(total, initial=0.0)), list(accumulate(error, initial=0.0))
        )

    def series(self) -> dict[str, Iterator[tuple[float, float]]]:
        """Return the samples of both counters."""
        return {
            name: ((self.start + MINUTE * n, value) for n, value in enumerate(values))
            for name, values in (("errors_total", self.error), ("requests_total", self.total))
        }

    def between(self, begin: float, end: float) -> tuple[float, float]:
        """Return all and bad events between two times."""
        return (
            self._until(self.total, end) - self._until(self.total, begin),
            self._until(self.error, end) - self._until(self.error, begin),
        )

    def _until(self, counter: list[float], time: float) -> float:
        position = min(max((time - self.start) / MINUTE, 0), len(counter) - 1)
        whole = int(position)
        if whole == len(counter) - 1:
            return counter[-1]
        return counter[whole] + (position - whole) * (counter[whole + 1] - counter[whole])


def spec(windows: str, more: str = "") -> str:
    return f"""
version: slo/v1
service: shop
slos:
  - name: requests
    objective: 99
    window: {windows}
    indicator:
      events:
        error: sum(rate(errors_total[{{{{.window}}}}]))
        total: sum(rate(requests_total[{{{{.window}}}}]))
{more}"""


def at(zone: str, text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def daily(zone: str) -> Callable[[int], tuple[float, float]]:
    """Return traffic with busy days, quiet nights and a bad hour on each Wednesday."""

    def rates(time: int) -> tuple[float, float]:
        now = datetime.fromtimestamp(time - 1, ZoneInfo(zone))
        total = 600.0 if 8 <= now.hour < 22 else 60.0
        bad = now.weekday() == 2 and now.hour == 12
        return total, total * (0.4 if bad else 0.005)

    return rates


BUDGET = "slo:period_error_budget_remaining:ratio"
PROJECTED = "slo:period_error_budget_remaining:projected"
WINDOW = "slo:window_error_budget_remaining:ratio"


@pytest.mark.parametrize(
    ("zone", "begin"),
    [("Europe/Berlin", "2026-09-28T00:00"), ("America/New_York", "2026-10-25T00:00")],
)
@pytest.mark.slow
def test_month_week_and_quarter_count_since_local_midnight(
    history: Any, compile_rules: Any, zone: str, begin: str
) -> None:
    """Cross the end of summer time, of a month and of a quarter's first month."""
    start, end = at(zone, begin), at(zone, "2026-11-05T00:00")
    traffic = Traffic.of(start, end, daily(zone))
    history.add(traffic.series())
    windows = [f"{{calendar: {unit}, time_zone: {zone}}}" for unit in UNITS]
    rules = compile_rules(spec(f"[{', '.join(windows)}]"))
    ratios = [f"slo:sli_error:ratio_{unit}" for unit in UNITS]
    history.record(rules, start, end, BUDGET, PROJECTED, WINDOW, *ratios)

    moments = {
        "2026-09-30T23:00": ("2026-09-01", "2026-09-28", "2026-07-01"),
        "2026-10-01T03:00": ("2026-10-01", "2026-09-28", "2026-10-01"),
        "2026-10-25T18:00": ("2026-10-01", "2026-10-19", "2026-10-01"),
        "2026-10-26T02:00": ("2026-10-01", "2026-10-26", "2026-10-01"),
        "2026-10-31T23:50": ("2026-10-01", "2026-10-26", "2026-10-01"),
        "2026-11-01T01:00": ("2026-11-01", "2026-10-26", "2026-10-01"),
        "2026-11-01T20:00": ("2026-11-01", "2026-10-26", "2026-10-01"),
        "2026-11-04T20:00": ("2026-11-01", "2026-11-02", "2026-10-01"),
    }
    with history.server() as prometheus:
        for text, firsts in moments.items():
            now = at(zone, text) // 240 * 240
            if now < start:
                continue
            for unit, first in zip(UNITS, firsts, strict=True):
                total, bad = traffic.between(max(at(zone, first), start), now - LAG)
                shown = prometheus.value(f"slo:sli_error:ratio_{unit}{ID}", at=now)
                assert bad / total == pytest.approx(shown, rel=0.005), (text, unit)
                left = f'{WINDOW}{{sloth_window="{unit}"}}' if unit != "month" else f"{BUDGET}{ID}"
                assert 1 - bad / total / 0.01 == pytest.approx(
                    prometheus.value(left, at=now), rel=0.01, abs=0.005
                ), (text, unit)


def test_budget_is_whole_again_after_local_midnight(history: Any, compile_rules: Any) -> None:
    """Let the old month end badly: nothing of it is left with the first record of the new one."""
    zone = "America/New_York"
    midnight = at(zone, "2026-11-01T00:00")
    start, end = midnight - 3 * DAY, midnight + 3 * HOUR
    traffic = Traffic.of(start, end, lambda time: (600.0, 60.0 if time <= midnight else 0.0))
    history.add(traffic.series())
    rules = compile_rules(spec(f"{{calendar: month, time_zone: {zone}}}"))

    history.record(rules, start, end, BUDGET, PROJECTED, "slo:period_coverage:ratio")

    with history.server() as prometheus:
        # The first records of the new month still hold some minutes of the old one.
        before, first = midnight + LAG // 240 * 240, midnight + LAG // 240 * 240 + 240
        assert pytest.approx(-9, abs=0.2) == prometheus.value(f"{BUDGET}{ID}", at=before)
        assert -9 < prometheus.value(f"{BUDGET}{ID}", at=first)
        # 3 bad minutes at most, as an event counts for either day while a record holds it.
        total = 600 * 3 * 60 - 600 * LAG / 60
        bad = (1 - prometheus.value(f"{BUDGET}{ID}", at=end)) * 0.01 * total
        assert 0 <= bad <= 60 * 3
        covered = prometheus.value('slo:period_coverage:ratio{sloth_window="month"}', at=end)
        assert pytest.approx(1, abs=0.05) == covered


def test_projection_assumes_that_traffic_goes_on(history: Any, compile_rules: Any) -> None:
    """Half the budget of a whole month is gone after its first day with 15 times the budget."""
    zone = "Asia/Tokyo"
    first = at(zone, "2026-11-01T00:00")
    start, end = first - HOUR, first + DAY
    traffic = Traffic.of(start, end, lambda time: (600.0, 90.0 if time > first else 0.0))
    history.add(traffic.series())
    rules = compile_rules(spec(f"{{calendar: month, time_zone: {zone}}}"))

    history.record(rules, start, end, PROJECTED, "slo:sli_error:ratio_month")

    with history.server() as prometheus:
        now = end // 240 * 240
        assert pytest.approx(1 - 15 / 30, abs=0.005) == prometheus.value(f"{PROJECTED}{ID}", at=now)
        assert (
            pytest.approx(-14, abs=0.1)
            == 1 - prometheus.value(f"slo:sli_error:ratio_month{ID}", at=now) / 0.01
        )


def test_slices_count_for_the_month_they_lie_in(history: Any, compile_rules: Any) -> None:
    """Every slice counts once, although the budget is computed every four minutes."""
    zone = "Europe/Berlin"
    midnight = at(zone, "2026-11-01T00:00")
    start, end = midnight - 6 * HOUR, midnight + 6 * HOUR

    def rates(time: int) -> tuple[float, float]:
        bad = time % 240 == 0
        return 600.0, 600.0 if bad else 0.0

    history.add(Traffic.of(start, end, rates).series())
    budgeting = "    budgeting: {timeslices: {slice: 2m, target: 90}}\n"
    rules = compile_rules(spec(f"{{calendar: month, time_zone: {zone}}}", budgeting))

    history.record(rules, start, end, BUDGET, "slo:sli_error:ratio_month")

    with history.server() as prometheus:
        for time in (midnight - HOUR, midnight + HOUR, end):
            now = time // 240 * 240
            begun = midnight if now > midnight else start
            slices = prometheus.value(f"slo:total_slices:count_month{ID}", at=now)
            assert pytest.approx((now - begun) / 120, abs=2) == slices
            ratio = prometheus.value(f"slo:sli_error:ratio_month{ID}", at=now)
            assert pytest.approx(0.5, abs=0.03) == ratio
