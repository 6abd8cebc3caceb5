"""What each budgeting method makes of one attack: measured, against the arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import pytest

from slo.duration import minutes

MINUTE, HOUR, DAY = 60, 3600, 86_400
END = 1_700_006_400
ID = '{sloth_id="shop-requests"}'
REMAINING = "slo:period_error_budget_remaining:ratio"
RATIO = "slo:sli_error:ratio_rate2w"


def spec(budgeting: str, window: str = "14d", objective: str = "95") -> str:
    return f"""
version: slo/v1
service: shop
slos:
  - name: requests
    objective: {objective}
    window: {window}
    budgeting: {budgeting}
    indicator:
      events:
        error: sum(rate(errors_total[{{{{.window}}}}]))
        total: sum(rate(requests_total[{{{{.window}}}}]))
"""


def counters(
    start: int, end: int, step: int, each: Callable[[int], tuple[float, float]]
) -> dict[str, Iterator[tuple[float, float]]]:
    """Return counters that grow by *each*: all and bad events of the step that ends at a time."""
    times = range(start + step, end + 1, step)
    total, error = zip(*(each(time) for time in times), strict=True)
    return {
        name: zip(range(start, end + 1, step), accumulate(values, initial=0.0), strict=True)
        for name, values in (("errors_total", error), ("requests_total", total))
    }


def exhausted(history: Any, begin: int, end: int, step: int) -> int:
    """Return the seconds from *begin* until the budget is gone."""
    with history.server() as prometheus:
        for now in range(begin, end, step):
            left = prometheus.value(f"{REMAINING}{ID}", at=now // step * step)
            # Adding a thousand hundredths leaves some rounding.
            if left is not None and left <= 1e-9:
                return now // step * step - begin
    raise AssertionError("the budget lasts")


@pytest.mark.parametrize(
    ("budgeting", "expected"),
    [
        # 5 % of 20,160 minutes may be bad: 1,008, which take 16 h 48.
        ("{timeslices: {slice: 1m, target: 95}}", 1008 * MINUTE),
        # 0.01 * 20,160 + 0.98 * n = 1,008 minutes' worth of errors: n = 823, 13 h 43.
        ("{ratio_timeslices: {slice: 1m}}", 823 * MINUTE),
    ],
    ids=["timeslices", "ratio_timeslices"],
)
def test_slices_of_an_attack(
    history: Any, compile_rules: Any, budgeting: str, expected: int
) -> None:
    """Two weeks of 99 %, then an attack that lets 1 % through: 95 % of minutes at 95 %."""
    begin = END
    start, end = begin - 14 * DAY - 10 * MINUTE, begin + 17 * HOUR

    def each(time: int) -> tuple[float, float]:
        return 1000.0, 990.0 if time > begin else 10.0

    history.add(counters(start, end, 20, each))
    history.record(compile_rules(spec(budgeting)), start, end, REMAINING)

    found = exhausted(history, begin + expected - HOUR, end, 120)

    # The budget is computed every four minutes, after the slice that uses it up.
    assert -2 * MINUTE <= found - HOUR <= 5 * MINUTE


def test_occurrences_of_an_attack(history: Any, compile_rules: Any) -> None:
    """1,000 requests an hour for two weeks at 99 %: 14,147 more failures use up 5 %."""
    begin = END
    start, end = begin - 14 * DAY - 10 * MINUTE, begin + 3 * HOUR
    per_minute = 1000 / 60

    def each(time: int) -> tuple[float, float]:
        attack = 100.0 if time > begin else 0.0
        return per_minute + attack, 0.01 * per_minute + attack

    history.add(counters(start, end, MINUTE, each))
    history.record(compile_rules(spec("occurrences")), start, end, REMAINING)

    seconds = exhausted(history, begin + HOUR, end, 240)

    failures = 100 * (seconds + HOUR - 270) / MINUTE
    assert pytest.approx(14_147, abs=100 * 5) == failures


@pytest.mark.parametrize(
    ("empty", "expected"),
    # Of 120 minutes, the first third is bad and the last third without events.
    [("excluded", 40 / 80), ("good", 40 / 120), ("bad", 80 / 120)],
)
@pytest.mark.parametrize(("length", "period"), [("1m", 240), ("5m", 300)])
def test_slices_without_events(
    history: Any, compile_rules: Any, empty: str, expected: float, length: str, period: int
) -> None:
    start, end = END, END + 120 * MINUTE

    def each(time: int) -> tuple[float, float]:
        third = (time - start - 1) // (40 * MINUTE)
        return (0.0 if third == 2 else 60.0), (30.0 if third == 0 else 0.0)

    history.add(counters(start, end, 15, each))
    text = f"{{timeslices: {{slice: {length}, target: 90, empty: {empty}}}}}"
    history.record(compile_rules(spec(text)), start, end, RATIO)

    with history.server() as prometheus:
        at = end // period * period
        assert expected == pytest.approx(prometheus.value(f"{RATIO}{ID}", at=at), abs=0.03)


def test_slice_exactly_on_its_target_is_good(history: Any, compile_rules: Any) -> None:
    """Two rates that are divided may be off in the last digit; the target counts as met."""
    start, end = END, END + 6 * HOUR
    samples: dict[str, Iterator[tuple[float, float]]] = {}
    for instance, share in (("a", 3), ("b", 7), ("c", 10)):
        # Extrapolation multiplies by factors that floats do not hold.
        grown = counters(start + 7, end + 7, 17, lambda time, n=share: (float(n), float(n == 3)))
        for name, values in grown.items():
            samples[f'{name}{{instance="{instance}"}}'] = values
    history.add(dict(sorted(samples.items())))
    rules = compile_rules(spec("{timeslices: {slice: 1m, target: 95}}"))

    history.record(rules, start, end, "slo:slice_error:ratio")

    with history.server() as prometheus:
        bad = f"sum_over_time(slo:slice_error:ratio{ID}[6h])"
        counted = f"count_over_time(slo:slice_error:ratio{ID}[6h])"
        assert 0 == prometheus.value(bad, at=end)
        assert 350 < prometheus.value(counted, at=end)
        off = "slo:error_events:rate1m / slo:total_events:rate1m > 0.05"
        if not prometheus.query_range(off, start, end, minutes(1)):
            pytest.skip("this server divides these rates exactly")


def test_slices_see_each_second_alike_on_average(history: Any) -> None:
    """
    At four scrapes a slice, what lies between two slices is not seen, and the rest stands for it.

    Evaluations are at full minutes and scrapes seven seconds later; bad events come in one of
    the four scrapes of a minute.
    """
    start, end = END, END + 6 * HOUR
    samples: dict[str, Iterator[tuple[float, float]]] = {}
    for quarter in range(4):
        grown = counters(
            start + 7, end + 7, 15, lambda time, q=quarter: (0.0, float(time // 15 % 4 == q))
        )
        samples[f'errors_total{{quarter="{quarter}"}}'] = grown["errors_total"]
    history.add(samples)

    with history.server() as prometheus:
        found = prometheus.query("60 * avg_over_time(rate(errors_total[1m])[5h:1m])", at=end)

    seen = {sample.labels["quarter"]: sample.value for sample in found}
    assert {
        "0": 0,
        "1": pytest.approx(4 / 3),
        "2": pytest.approx(4 / 3),
        "3": pytest.approx(4 / 3),
    } == seen
    assert 4 == pytest.approx(sum(seen.values()))
