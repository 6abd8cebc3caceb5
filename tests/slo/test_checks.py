"""Show for each check one plan that it speaks of, and near ones that it is silent about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from slo.burnrate import scaled_policy
from slo.checks.identity import check_identities
from slo.checks.options import CheckOptions
from slo.checks.suite import run_checks
from slo.diagnostics import Diagnostic, Severity, Span
from slo.duration import days
from slo.indicators.params import error_from_good
from slo.plan import EventsIndicator, RatioIndicator, SloPlan

W = "{{.window}}"
HERE = Span("spec.yaml")
Make = Callable[..., SloPlan]


@pytest.fixture(scope="module")
def make(read: Any) -> Make:
    """Return a function that makes a sound plan, with fields replaced."""
    plan = read(
        "version: slo/v1\nservice: checkout\nslos: [{name: availability, objective: 99.9, "
        "indicator: {http_availability: {}}}]\n"
    ).slo

    def function(**fields: Any) -> SloPlan:
        return replace(plan, **fields)

    return function


def events(error: str, total: str) -> EventsIndicator:
    return EventsIndicator(error, total, Span("e"), Span("t"))


def found(plan: SloPlan, **options: Any) -> list[Diagnostic]:
    return list(run_checks(plan, CheckOptions(**options)))


def codes(plan: SloPlan, **options: Any) -> list[str]:
    return [d.code for d in found(plan, **options)]


def test_a_sound_plan_raises_nothing(make: Make) -> None:
    assert [] == found(make())


class TestObjective:
    @pytest.mark.parametrize("objective", ["100", "100.0"])
    def test_a_hundred_percent_leaves_no_budget(self, make: Make, objective: str) -> None:
        (problem,) = found(make(objective=Decimal(objective)))

        assert ("SLO208", Severity.WARNING) == (problem.code, problem.severity)

    @pytest.mark.parametrize(("objective", "meant"), [("0.999", "99.9"), ("1", "100")])
    def test_a_ratio_is_taken_for_a_slip(self, make: Make, objective: str, meant: str) -> None:
        problems = {d.code: d for d in found(make(objective=Decimal(objective)))}

        assert f"write {meant} if" in (problems["SLO215"].hint or "")

    @pytest.mark.parametrize("objective", ["99.999", "1.1", "50"])
    def test_percentages_are_fine(self, make: Make, objective: str) -> None:
        assert not {"SLO208", "SLO215"} & set(codes(make(objective=Decimal(objective))))


class TestBurnRates:
    @pytest.mark.parametrize(
        ("objective", "dead"),
        [
            ("93.1", []),
            ("93", ["page over 1h/5m (others remain)"]),
            ("80", ["page over 1h/5m and 6h/30m (no page at all is left)"]),
            (
                "60",
                [
                    "page over 1h/5m and 6h/30m (no page at all is left)",
                    "ticket over 1d/2h (others remain)",
                ],
            ),
        ],
    )
    def test_a_threshold_above_all_events_can_never_fire(
        self, make: Make, objective: str, dead: list[str]
    ) -> None:
        """The first pair of 30 days needs an objective above 1 - 1/14.4, that is 93.06 %."""
        problems = [d for d in found(make(objective=Decimal(objective))) if d.code == "SLO202"]

        for problem, words in zip(problems, dead, strict=True):
            which, state = words.rstrip(")").split(" (")
            assert f"the {which} can never fire" in problem.message
            assert problem.message.endswith(f"({state})")
            assert not problem.is_error

    def test_alerts_that_are_off_are_not_spoken_of(self, make: Make) -> None:
        assert [] == codes(make(objective=Decimal(60), page=None, ticket=None))


class TestRetention:
    @pytest.mark.parametrize(
        ("retention", "expected"), [(days(29), ["SLO207"]), (days(30), []), (None, [])]
    )
    def test_the_period_must_be_kept(self, make: Make, retention: Any, expected: list[str]) -> None:
        problems = found(make(), retention=retention)

        assert expected == [d.code for d in problems]
        assert all(d.is_error for d in problems)

    def test_each_period_is_compared(self, make: Make) -> None:
        plan = make(time_window=days(90), policy=scaled_policy(days(90)))

        assert ["SLO207"] == codes(plan, retention=days(89))


class TestQueries:
    def test_equal_queries_make_every_event_an_error(self, make: Make) -> None:
        (problem,) = found(make(indicator=events(f"sum(rate(a[{W}]))", f"sum( rate(a[{W}]) )")))

        assert ("SLO303", True, "e") == (problem.code, problem.is_error, problem.span.file)

    @pytest.mark.parametrize(
        ("error", "total", "fires"),
        [
            (f"sum by (a) (rate(x{{c='5'}}[{W}]))", f"sum(rate(x[{W}]))", True),
            (f"sum by (a) (rate(x{{c='5'}}[{W}]))", f"sum by (b) (rate(x[{W}]))", True),
            (f"sum by (a, b) (rate(x{{c='5'}}[{W}]))", f"sum by (b, a) (rate(x[{W}]))", False),
            (f"rate(x{{c='5'}}[{W}])", f"sum(rate(x[{W}]))", False),
        ],
    )
    def test_both_sides_must_keep_the_same_labels(
        self, make: Make, error: str, total: str, fires: bool
    ) -> None:
        problems = found(make(indicator=events(error, total), group_by=None))

        assert (["SLO210"] if fires else []) == [d.code for d in problems]

    @pytest.mark.parametrize(
        ("error", "total", "missing"),
        [
            ('x{c="5"}', 'x{job="a"}', 'job="a"'),
            ('x{c="5",job="b"}', 'x{job="a"}', 'job="a"'),
            ('x{c="5",job="a"}', 'x{job="a"}', None),
            ('x{c="5",job="a"}', 'x{job=~"a|b"}', None),
            ('x{c="5",job="c"}', 'x{job=~"a|b"}', 'job=~"a|b"'),
            ('x{c="5"}', 'x{c!="4"}', None),
            ('x{c="4"}', 'x{c!="4"}', 'c!="4"'),
            ('x{c="a"}', 'x{job="a"}', 'job="a"'),
            ('x{job!="a"}', 'x{job="a"}', 'job="a"'),
            ('x{c=~"5.."}', "x", None),
            ('y{c="5"}', 'x{job="a"}', None),
        ],
    )
    def test_the_total_must_count_what_the_error_query_counts(
        self, make: Make, error: str, total: str, missing: str | None
    ) -> None:
        indicator = events(f"sum(rate({error}[{W}]))", f"sum(rate({total}[{W}]))")

        problems = found(make(indicator=indicator))

        assert ([] if missing is None else ["SLO209"]) == [d.code for d in problems]
        if missing is not None:
            assert f"`{missing}`" in problems[0].message
            assert "t" == problems[0].related[0][1].file

    @pytest.mark.parametrize(
        ("good", "total", "code", "words"),
        [
            (f"sum(rate(x[{W}]))", f"sum(rate(x[{W}]))", "SLO303", "good and total"),
            (f"sum by (a) (rate(y[{W}]))", f"sum(rate(x[{W}]))", "SLO210", "the good query"),
            (f"sum(rate(x{{c='2'}}[{W}]))", f"sum(rate(x{{j='a'}}[{W}]))", "SLO209", "good"),
        ],
    )
    def test_good_queries_are_compared_as_they_are_written(
        self, make: Make, good: str, total: str, code: str, words: str
    ) -> None:
        """The bad events are then derived, and name every selector several times."""
        indicator = EventsIndicator(error_from_good(good, total), total, HERE, HERE, good=good)

        (problem,) = found(make(indicator=indicator, group_by=None))

        assert code == problem.code
        assert words in problem.message

    @pytest.mark.parametrize(
        ("query", "fires"),
        [
            (f"sum(rate(a[{W}])) / sum(rate(b[{W}]))", False),
            (f"1 - sum(rate(a[{W}])) / sum(rate(b[{W}]))", False),
            (f"avg_over_time(error_share[{W}])", True),
        ],
    )
    def test_a_ratio_that_cannot_be_split_is_a_plain_mean(
        self, make: Make, query: str, fires: bool
    ) -> None:
        plan = make(indicator=RatioIndicator(query, HERE), group_by=None)

        assert (["SLO213"] if fires else []) == codes(plan)
        assert [] == codes(plan, exact=False)

    def test_queries_that_only_a_plugin_understands_are_left_alone(self, make: Make) -> None:
        indicator = events(f"sum(rate(x[{W}])) default 0", f"sum(rate(x[{W}]))")

        assert [] == codes(make(indicator=indicator))


class TestLabels:
    @pytest.mark.parametrize(
        "label", ["sloth_id", "sloth_service", "sloth_slo", "sloth_window", "sloth_severity"]
    )
    def test_reserved_labels_are_refused(self, make: Make, label: str) -> None:
        (problem,) = found(make(labels={label: "x"}))
        (same,) = found(make(labels={label: "x"}), exact=False)

        assert ("SLO211", True) == (problem.code, problem.is_error)
        assert ("SLO211", False) == (same.code, same.is_error)

    def test_reserved_labels_are_no_groups(self, make: Make) -> None:
        plan = self.grouped(make, " by (sloth_id) ", group_by=("sloth_id",))

        assert ["SLO211"] == codes(plan)

    def grouped(self, make: Make, by: str, **fields: Any) -> SloPlan:
        query = f"sum{by}(rate(x%s[{W}]))"
        return make(indicator=events(query % "{c='5'}", query % ""), **fields)

    def test_a_label_must_not_hide_a_group(self, make: Make) -> None:
        plan = self.grouped(make, " by (route) ", group_by=("route",), labels={"route": "x"})

        assert ["SLO211"] == codes(plan)

    @pytest.mark.parametrize(
        ("by", "group_by", "expected"),
        [
            (" by (route) ", ("route",), []),
            (" by (route, job) ", ("route",), []),
            (" by (route) ", None, []),
            (" by (route) ", ("route", "job"), ["SLO210"]),
            ("", ("route",), ["SLO210"]),
            (" without (route) ", ("job",), []),
        ],
    )
    def test_groups_must_be_in_the_query(
        self, make: Make, by: str, group_by: tuple[str, ...] | None, expected: list[str]
    ) -> None:
        assert expected == codes(self.grouped(make, by, group_by=group_by))


class TestIdentity:
    def test_a_taken_id_names_both_places(self, make: Make) -> None:
        first, second = make(span=Span("a.yaml", 3)), make(span=Span("b.yaml", 4))

        (problem,) = check_identities([first, second])

        assert ("SLO401", True, "b.yaml") == (problem.code, problem.is_error, problem.span.file)
        assert "a.yaml" == problem.related[0][1].file

    def test_different_names_can_still_share_an_id(self, make: Make) -> None:
        """Service `a` with `b-c` and service `a-b` with `c` are both `a-b-c`."""
        first = make(id="a-b-c", service="a", name="b-c")
        second = make(id="a-b-c", service="a-b", name="c")

        (problem,) = check_identities([first, second])

        assert "(service `a`, name `b-c`)" in problem.message

    def test_each_repetition_is_reported(self, make: Make) -> None:
        assert 2 == len(list(check_identities([make(), make(), make()])))

    def test_distinct_ids_are_fine(self, make: Make) -> None:
        assert [] == list(check_identities([make(id="a"), make(id="b")]))
