"""The oracle of the benchmarks counts right and evaluates records in order."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from harness.docs import write_block
from harness.evaluation import Record, Wanted, passes
from harness.traffic import DAY, Pattern, _poisson, _stretches, counters, patterns
from hypothesis import given, settings
from hypothesis import strategies as st

# A label that is named like a record is none.
RATIO = 'sum_over_time(thin{x="total"}[30d])'
GROUPS = [
    {
        "name": "fast",
        "interval": "30s",
        "rules": [
            {"record": "total", "expr": "sum(rate(requests_total[5m]))", "labels": {"slo": "a"}},
            {"record": "total", "expr": "sum(rate(others_total[5m]))", "labels": {"slo": "b"}},
            {"record": "error", "expr": "errors_total or 0 * total", "labels": {"slo": "a"}},
        ],
    },
    {
        "name": "slow",
        "interval": "2m",
        "rules": [
            {"record": "thin", "expr": "avg_over_time(error[2m])", "labels": {"slo": "a"}},
            {"record": "ratio", "expr": RATIO, "labels": {"slo": "a"}},
            {"record": "unread", "expr": "vector(1)", "labels": {"slo": "a"}},
        ],
    },
]


def _rule(name: str, expr: str) -> Record:
    return Record("group", name, expr, {}, 30, 0)


def _last(lines: list[str]) -> dict[str, int]:
    """Return the highest value of each series."""
    found: dict[str, int] = {}
    for line in lines:
        series, value, _ = line.split()
        found[series] = max(found.get(series, 0), int(value))
    return found


def test_a_wanted_series_brings_what_it_reads_and_nothing_else() -> None:
    wanted = Wanted.of(GROUPS, "ratio", {"slo": "a"})

    assert RATIO == wanted.expr
    assert {"thin", "error", "total"} == {r.name for r in wanted.records}
    assert all({"slo": "a"} == r.labels for r in wanted.records)


def test_only_rules_of_one_group_see_that_a_series_ended() -> None:
    lookback = {r.name: r.lookback for r in Wanted.of(GROUPS, "ratio", {"slo": "a"}).records}

    assert {"total": 1, "error": 1, "thin": 30} == lookback


def test_a_series_that_nobody_records_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is recorded by 0 rules"):
        Wanted.of(GROUPS, "nothing", {"slo": "a"})


def test_passes_read_only_what_earlier_ones_record() -> None:
    found = passes([_rule("c", "a + b"), _rule("b", "avg_over_time(a[2m])"), _rule("a", "raw")])

    assert [["a"], ["b"], ["c"]] == [[r.name for r in one] for one in found]


def test_a_circle_of_records_is_refused() -> None:
    with pytest.raises(ValueError, match="circle"):
        passes([_rule("a", "b"), _rule("b", "a")])


@pytest.mark.parametrize("pattern", patterns(3), ids=lambda p: p.name)
def test_every_event_counted_is_in_the_counters(pattern: Pattern) -> None:
    unbroken = replace(pattern, gaps=(), lifetime=0)

    made = counters(unbroken, "job", 0, DAY // 4, 60, [DAY // 8, DAY // 4])

    assert made.counts[-1].total == sum(_last(made.lines["requests_total"]).values())
    assert made.counts[-1].error == sum(_last(made.lines["errors_total"]).values())
    assert made.counts[0].total <= made.counts[1].total


def test_a_restart_begins_at_zero_and_churn_renames() -> None:
    [churn] = [p for p in patterns(3) if p.name == "pod churn"]

    lines = counters(churn, "job", 0, DAY, 60, []).lines["requests_total"]

    values = [int(line.split()[1]) for line in lines if '"0-1"' in line]
    assert len(_last(lines)) > churn.pods * DAY / churn.lifetime
    assert sorted(values) == values
    assert values[0] < 2 * 60 * churn.total(DAY / 4) / churn.pods


def test_a_late_error_series_begins_with_an_error() -> None:
    [late] = [p for p in patterns(3) if p.name == "errors born late"]

    lines = counters(late, "job", 0, 2 * DAY, 60, []).lines["errors_total"]

    assert lines
    assert int(lines[0].split()[1]) > 0


def test_unseen_errors_are_those_of_missed_evaluations() -> None:
    [pattern] = [p for p in patterns(3) if p.name == "evaluations missed in an incident"]

    [count] = counters(pattern, "job", 0, 3 * DAY, 60, [3 * DAY]).counts

    # A quarter of an hour, and what its first records would have held, of an hour of incident.
    assert 0.25 < count.unseen / count.error < 0.40


@given(mean=st.floats(0, 2000), seed=st.integers(0, 2**32))
@settings(max_examples=50)
def test_the_number_of_events_spreads_around_the_mean(mean: float, seed: int) -> None:
    chance = random.Random(seed)
    draws = [_poisson(chance, mean) for _ in range(400)]

    assert min(draws) >= 0
    # Six standard errors.
    assert sum(draws) / 400 == pytest.approx(mean, abs=6 * (mean / 400) ** 0.5 + 0.1)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20)
def test_stretches_make_up_their_share_without_overlap(seed: int) -> None:
    found = _stretches(seed, 365 * DAY, 0.05, 3600)
    flat = [bound for stretch in found for bound in stretch]

    assert sorted(flat) == flat
    assert sum(end - begin for begin, end in found) == pytest.approx(0.05 * 365 * DAY, rel=0.25)


def test_measured_figures_replace_only_their_own_block(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- measured: x -->\nold\n<!-- end -->\nb\n")

    write_block(page, "x", ["new"])
    assert "a\n<!-- measured: x -->\nnew\n<!-- end -->\nb\n" == page.read_text()

    with pytest.raises(ValueError, match="measured: y"):
        write_block(page, "y", ["new"])
