"""Compare the arithmetic on chance with chance itself, and with the figures known beforehand."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo.alert_windows import builtin_policies, policy_for
from slo.burnrate import AlertPolicy
from slo.checks.options import CheckOptions
from slo.checks.traffic import check
from slo.diagnostics import Diagnostic, Span
from slo.duration import days, hours, minutes
from slo.low_traffic import (
    MOST_FALSE_PAGES,
    expected_false_pages,
    smallest_guard,
    time_to_collect,
)
from slo.plan import RatioIndicator, SloPlan

BUDGET = Decimal("0.001")
MONTH_HOURS = 720
EVALUATION = 30 / 3600


def policy(length: int = 30) -> AlertPolicy:
    found = policy_for(days(length), builtin_policies())
    assert found is not None
    return found


def arrivals(random: Random, per_hour: float, until: float) -> list[float]:
    """Return the hours at which events come that know nothing of each other."""
    found: list[float] = []
    time = random.expovariate(per_hour)
    while time < until:
        found.append(time)
        time += random.expovariate(per_hour)
    return found


def within(times: list[float], now: float, window: float) -> int:
    return bisect_right(times, now) - bisect_right(times, now - window)


def simulated_pages(
    chosen: AlertPolicy, budget: Decimal, per_hour: float, guard: int, months: int, seed: int
) -> float:
    """Return the pages in 30 days that a server counts that evaluates every 30 seconds."""
    random, share, pages = Random(seed), float(budget), 0
    pairs = [
        (
            pair.short_window.seconds / 3600,
            pair.long_window.seconds / 3600,
            float(pair.threshold(chosen.time_window)) * share,
        )
        for pair in chosen.pages
    ]
    lead = max(long for _, long, _ in pairs)
    remembered = max(short for short, _, _ in pairs)
    end = lead + months * MONTH_HOURS
    bad = arrivals(random, per_hour * share, end)
    good = arrivals(random, per_hour * (1 - share), end)

    def fires(now: float) -> bool:
        for short, long, limit in pairs:
            counts = [(within(bad, now, w), within(good, now, w)) for w in (short, long)]
            if counts[1][0] >= guard and all(b > limit * (b + g) for b, g in counts):
                return True
        return False

    firing, last = False, -2
    for number, event in enumerate(bad):
        following = bad[number + 1] if number + 1 < len(bad) else end
        first = int(event / EVALUATION) + 1
        # Without a bad event in the short windows nothing can fire.
        until = min(event + remembered + EVALUATION, following)
        firing = firing and first == last + 1
        for evaluation in range(first, int(until / EVALUATION) + 1):
            now = evaluation * EVALUATION
            was, firing = firing, fires(now)
            pages += firing and not was and now > lead
            last = evaluation
    return pages / months


class TestExpectedFalsePages:
    @pytest.mark.parametrize(
        ("traffic", "guard", "known", "tolerance"),
        [
            (10, 0, 7.8, 1.0),
            (60, 0, 41.8, 3.0),
            (100, 0, 7.1, 1.0),
            (200, 0, 1.4, 0.7),
            (300, 0, 0.2, 0.2),
            (600, 0, 0.0, 0.01),
            (10_000, 0, 0.0, 0.0),
            (60, 3, 1.9, 0.5),
            (100, 3, 2.4, 0.7),
            (60, 5, 0.0, 0.25),
            (100, 5, 0.0, 0.25),
            (200, 5, 0.0, 0.25),
        ],
    )
    def test_agrees_with_figures_from_elsewhere(
        self, traffic: int, guard: int, known: float, tolerance: float
    ) -> None:
        """Twelve simulated months of 99.9 % each; the tolerance is their scatter."""
        found = expected_false_pages(policy(), BUDGET, Decimal(traffic), guard)

        assert known == pytest.approx(found, abs=tolerance)

    @pytest.mark.parametrize(
        ("period", "budget", "traffic", "guard"),
        [
            (30, "0.001", 10, 0),
            (30, "0.001", 60, 0),
            (30, "0.001", 60, 3),
            # The first threshold passes from one bad event to two at 69 an hour.
            (30, "0.001", 70, 0),
            (30, "0.001", 100, 0),
            (30, "0.001", 150, 0),
            (30, "0.01", 6, 0),
            (30, "0.01", 10, 0),
            (30, "0.05", 1, 0),
            (7, "0.001", 100, 0),
            (7, "0.001", 300, 3),
            (90, "0.001", 30, 0),
        ],
    )
    def test_agrees_with_events_that_come_at_random(
        self, period: int, budget: str, traffic: int, guard: int
    ) -> None:
        """Leave a fifth for what the formula simplifies, and four deviations for chance."""
        months = 25
        chosen, share = policy(period), Decimal(budget)
        simulated = simulated_pages(chosen, share, traffic, guard, months, seed=traffic)

        found = expected_false_pages(chosen, share, Decimal(traffic), guard)

        scatter = 4 * (max(simulated, 0.1) / months) ** 0.5
        assert simulated == pytest.approx(found, abs=0.2 * simulated + scatter)

    def test_pairs_that_fire_for_the_same_event_are_one_page(self) -> None:
        """At 10 an hour any bad event fires both pairs: 7.2 events a month, 7.2 pages."""
        found = expected_false_pages(policy(), BUDGET, Decimal(10))

        assert 7.2 == pytest.approx(found, rel=0.02)

    def test_no_errors_are_no_pages(self) -> None:
        assert 0 == expected_false_pages(policy(), Decimal(0), Decimal(10))
        assert 0 == expected_false_pages(policy(), BUDGET, Decimal(0))

    def test_alerts_that_cannot_fire_do_not(self) -> None:
        """Below 83.3 % no error ratio reaches six times the budget."""
        assert 0 == expected_false_pages(policy(), Decimal("0.2"), Decimal(10))

    @pytest.mark.parametrize("traffic", ["1e-9", "1e-3", "1e6", "1e12"])
    @pytest.mark.parametrize("budget", ["1e-9", "0.0001", "0.05", "0.15"])
    def test_any_traffic_has_an_answer(self, traffic: str, budget: str) -> None:
        found = expected_false_pages(policy(), Decimal(budget), Decimal(traffic))

        assert 0 <= found < 200

    @settings(deadline=None, max_examples=60)
    @given(
        period=st.sampled_from([7, 14, 28, 30, 90]),
        budget=st.sampled_from(["0.0001", "0.001", "0.01", "0.05", "0.1"]),
        traffic=st.floats(min_value=0.01, max_value=5_000),
    )
    def test_a_higher_guard_never_pages_more(
        self, period: int, budget: str, traffic: float
    ) -> None:
        found = [
            expected_false_pages(policy(period), Decimal(budget), Decimal(traffic), guard)
            for guard in range(12)
        ]

        assert found[0] == found[1], "every alert needs one bad event anyway"
        assert sorted(found, reverse=True) == pytest.approx(found, abs=1e-3)
        assert all(pages >= 0 for pages in found)
        # No event can page twice.
        assert found[0] <= float(budget) * traffic * MONTH_HOURS * 1.0001


PAGE = Path(__file__).parents[2] / "docs" / "detection.md"
TABLE = re.compile(r"(?<=<!-- false pages -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table() -> str:
    """Return the table of docs/detection.md."""
    lines = [
        "| events an hour | no guard | 3 bad events | 5 bad events | chosen | full outage takes |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for traffic in (1, 10, 30, 60, 100, 150, 200, 300, 600, 1_000, 2_000):
        expected = Decimal(traffic)
        pages = [expected_false_pages(policy(), BUDGET, expected, guard) for guard in (0, 3, 5)]
        guard = smallest_guard(policy(), BUDGET, expected)
        cells = [f"{traffic:,}", *(f"{each:.2f}" for each in pages), str(guard or "none")]
        cells.append(str(time_to_collect(guard, expected)) if guard else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_the_table_of_the_documentation_is_current(request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text("utf-8")
    renewed = TABLE.sub(lambda _: table(), text, count=1)
    if request.config.getoption("--update-golden", default=False):
        PAGE.write_text(renewed, "utf-8")

    assert renewed == text


class TestSmallestGuard:
    @pytest.mark.parametrize(
        ("traffic", "guard"), [(10, 3), (60, 5), (100, 5), (200, 5), (600, 6), (100_000, 0)]
    )
    def test_is_a_handful_where_one_is_needed(self, traffic: int, guard: int) -> None:
        assert guard == smallest_guard(policy(), BUDGET, Decimal(traffic))

    @settings(deadline=None, max_examples=60)
    @given(
        period=st.sampled_from([7, 28, 30, 90]),
        budget=st.sampled_from(["0.0001", "0.001", "0.01", "0.05"]),
        traffic=st.integers(min_value=1, max_value=99).map(Decimal),
        scale=st.sampled_from([Decimal("0.01"), Decimal(1), Decimal(100)]),
    )
    def test_is_enough_and_no_more(
        self, period: int, budget: str, traffic: Decimal, scale: Decimal
    ) -> None:
        chosen, share, expected = policy(period), Decimal(budget), traffic * scale

        def worst(guard: int) -> float:
            return max(
                expected_false_pages(chosen, share, expected / part, guard) for part in (1, 2, 4)
            )

        guard = smallest_guard(chosen, share, expected)

        assert worst(guard) <= MOST_FALSE_PAGES
        assert guard == 0 or worst(guard - 1) > MOST_FALSE_PAGES

    def test_a_stricter_wish_asks_for_more(self) -> None:
        found = [smallest_guard(policy(), BUDGET, Decimal(60), most) for most in (10, 1, 0.01)]

        assert sorted(found) == found
        assert found[0] < found[-1]

    def test_never_is_not_to_be_had(self) -> None:
        with pytest.raises(ValueError, match="no guard"):
            smallest_guard(policy(), BUDGET, Decimal(60), 0)

    def test_guesses_that_say_the_same_share_an_answer(self) -> None:
        found = {smallest_guard(policy(), BUDGET, Decimal(n)) for n in range(150, 160)}

        assert 1 == len(found)


class TestTimeToCollect:
    def test_is_what_a_guard_costs_in_a_full_outage(self) -> None:
        assert minutes(5) == time_to_collect(5, Decimal(60))
        assert hours(2) == time_to_collect(1, Decimal("0.5"))


Make = Callable[..., SloPlan]


@pytest.fixture(scope="module")
def make(read: Any) -> Make:
    """Return a function that makes a plan of 99.9 % over 30 days, with fields replaced."""
    plan = read(
        "version: slo/v1\nservice: checkout\nslos: [{name: availability, objective: 99.9, "
        "indicator: {http_availability: {}}}]\n"
    ).slo

    def function(traffic: str | None, **fields: Any) -> SloPlan:
        expected = None if traffic is None else Decimal(traffic)
        return replace(plan, events_per_hour=expected, **fields)

    return function


class TestCheck:
    def found(self, plan: SloPlan, exact: bool = True) -> list[Diagnostic]:
        return list(check(plan, CheckOptions(exact=exact)))

    def only(self, plan: SloPlan, exact: bool = True) -> Diagnostic:
        (problem,) = self.found(plan, exact)
        assert "SLO206" == problem.code
        assert not problem.is_error
        return problem

    @pytest.mark.parametrize(
        ("traffic", "guard"),
        [(None, 0), ("2000", 0), ("300", 0), ("100", 5), ("60", 5), ("10", 3), ("2000", 50)],
    )
    def test_enough_traffic_or_a_guard_that_fits_is_fine(
        self, make: Make, traffic: str | None, guard: int
    ) -> None:
        assert [] == self.found(make(traffic, min_bad_events=guard))

    def test_false_pages_are_counted_and_the_guard_is_named(self, make: Make) -> None:
        problem = self.only(make("60", min_bad_events=2))

        assert "pages 5 times in 30d at 60 events an hour" in problem.message
        assert problem.hint is not None
        assert "`min_bad_events: 5`" in problem.hint

    def test_what_the_compiler_chooses_is_never_too_low(self, make: Make) -> None:
        for traffic in range(2, 1500, 7):
            guard = smallest_guard(policy(), BUDGET, Decimal(traffic))
            plan = make(str(traffic), min_bad_events=guard, min_bad_events_chosen=True)

            assert not [d for d in self.found(plan) if "chance" in d.message]

    def test_a_guard_does_nothing_under_profile_sloth(self, make: Make) -> None:
        problem = self.only(make("60", min_bad_events=5), exact=False)

        assert problem.hint is not None
        assert "profile `exact`" in problem.hint

    def test_a_guard_cannot_count_a_bare_ratio(self, make: Make) -> None:
        bare = RatioIndicator("avg_over_time(late[{{.window}}])", Span("spec.yaml"))
        problem = self.only(make("60", min_bad_events=5, indicator=bare))

        assert problem.hint is not None
        assert "`events`" in problem.hint

    def test_a_guard_that_delays_the_page_of_a_full_outage(self, make: Make) -> None:
        problem = self.only(make("10", min_bad_events=15))

        assert "a full outage pages after 1h30m" in problem.message
        assert problem.hint is not None
        assert "`min_bad_events: 3` is enough" in problem.hint

    def test_a_guard_that_no_outage_reaches(self, make: Make) -> None:
        problem = self.only(make("10", min_bad_events=61))

        assert "no outage pages: 61 bad events are waited for, and 6h bring 60" in problem.message
        assert problem.hint is not None
        assert "`page: false`" in problem.hint

    def test_a_chosen_guard_that_comes_late_is_not_to_be_lowered(self, make: Make) -> None:
        plan = make("2", objective=Decimal(97), min_bad_events=5, min_bad_events_chosen=True)
        problem = self.only(plan)

        assert "a full outage pages after 2h30m" in problem.message
        assert problem.hint is not None
        assert "min_bad_events" not in problem.hint

    @pytest.mark.parametrize(("traffic", "warns"), [("1.38", True), ("1.39", False)])
    def test_a_budget_below_one_event_measures_nothing(
        self, make: Make, traffic: str, warns: bool
    ) -> None:
        """1.3889 events an hour are a thousand in 30 days, one of which may be bad."""
        problems = self.found(make(traffic, page=None))

        assert warns == any("exhausts the budget" in p.message for p in problems)

    def test_tickets_alone_wake_nobody(self, make: Make) -> None:
        assert [] == self.found(make("60", page=None))

    def test_an_objective_without_a_budget_is_for_another_check(self, make: Make) -> None:
        assert [] == self.found(make("60", objective=Decimal(100)))
