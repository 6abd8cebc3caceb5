from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo.alerts.indicator_form import indicator_form
from slo.alerts.regex_sample import matching_texts
from slo.alerts.sample_series import World
from slo.alerts.scenes import scenes_of
from slo.diagnostics import Span
from slo.plan import EventsIndicator, Indicator, RatioIndicator

SPAN = Span("a.yaml")
W = "[{{.window}}]"


def events(error: str, total: str) -> EventsIndicator:
    return EventsIndicator(error, total, SPAN, SPAN)


def ratio(error: str) -> RatioIndicator:
    return RatioIndicator(error, SPAN)


def series(indicator: Indicator) -> dict[str, tuple[bool, bool]] | None:
    """Return which events each series makes, good and bad, or `None` when nobody can tell."""
    scenes, unknown = scenes_of([indicator])
    if unknown:
        return None
    return {text: (sample.good, sample.bad) for text, sample in scenes[0].samples}


class TestEvents:
    def test_errors_by_status(self) -> None:
        found = series(
            events(f'sum(rate(h{{job="a",code=~"5.."}}{W}))', f'sum(rate(h{{job="a"}}{W}))')
        )

        assert found == {
            'h{job="a",code="200"}': (True, False),
            'h{job="a",code="500"}': (False, True),
        }

    def test_classic_histogram(self) -> None:
        every = f'sum(rate(h_count{{job="a"}}{W}))'
        found = series(events(f'{every} - sum(rate(h_bucket{{le="0.3"}}{W}))', every))

        assert found == {
            'h_count{job="a"}': (True, True),
            'h_bucket{le="0.3"}': (True, False),
        }

    def test_bucket_bound_in_either_spelling(self) -> None:
        every = f"sum(rate(h_count{W}))"
        found = series(events(f'{every} - sum(rate(h_bucket{{le=~"1(\\\\.0)?"}}{W}))', every))

        assert found == {"h_count": (True, True), 'h_bucket{le="1"}': (True, False)}

    def test_total_that_is_a_sum(self) -> None:
        found = series(
            events(f"sum(rate(err{W}))", f"(sum(rate(ok{W})) + sum(rate(err{W}))) or vector(0)")
        )

        assert found == {"err": (False, True), "ok": (True, False)}

    def test_gap_filled_by_zero_times_total(self) -> None:
        total = f"sum by (r) (rate(t{W}))"
        good = f"((sum by (r) (rate(g{W}))) or 0 * ({total}))"
        found = series(events(f"clamp_min(({total}) - {good}, 0)", total))

        assert found == {'t{r="a"}': (True, True), 'g{r="a"}': (True, False)}

    def test_term_that_stays_silent_is_still_there(self) -> None:
        """An empty operand empties the whole sum, so its series must exist."""
        every = f"sum(rate(ok{W})) + sum(rate(err{W})) + sum(rate(other{W}))"
        found = series(events(f"sum(rate(err{W}))", every))

        assert found == {
            "err": (False, True),
            "ok": (True, False),
            "other": (False, False),
        }

    def test_negated_matchers(self) -> None:
        found = series(
            events(
                f'sum(increase(h{{m!="OPTIONS",code!~"[123].."}}{W}))',
                f'sum(increase(h{{m!="OPTIONS"}}{W}))',
            )
        )

        assert found is not None
        assert sorted(found.values()) == [(False, True), (True, False)]

    def test_split_ratio(self) -> None:
        found = series(ratio(f"1 - sum(rate(g{W})) / sum(rate(t{W}))"))

        assert found == {"t": (True, True), "g": (True, False)}

    def test_probe(self) -> None:
        every = f"sum(count_over_time(p{W}))"
        found = series(events(f"{every} - sum(sum_over_time(p{W}))", every))

        assert found == {"p": (True, False)}

    def test_mean_of_a_gauge(self) -> None:
        assert series(ratio(f'1 - avg_over_time(up{{job="x"}}{W})')) == {
            'up{job="x"}': (True, False)
        }

    def test_values_that_need_quoting(self) -> None:
        found = series(
            events(f"sum(rate(h{{a='x\"y',e=~'1'}}{W}))", f"sum(rate(h{{a='x\"y'}}{W}))")
        )

        assert found is not None
        assert set(found) == {'h{a="x\\"y",e="1"}', 'h{a="x\\"y",e="200"}'}


@pytest.mark.parametrize(
    "indicator",
    [
        ratio(f"histogram_quantile(0.9, sum by (le) (rate(x{W}))) > bool 3"),
        ratio(f"1 - (sum(rate(g{W})) / sum(rate(t{W})) * 1)"),
        events(f"sum(rate(e{W})) * sum(rate(t{W}))", f"sum(rate(t{W}))"),
        events(f"sum(rate(e{W})) / sum(rate(t{W}))", f"sum(rate(t{W}))"),
        events(f"sum(rate(e{W}))", f"sum(increase(t{W}))"),
        events(f"sum(rate(e{W} offset 5m))", f"sum(rate(t{W}))"),
        events("sum(rate(e[5m]))", f"sum(rate(t{W}))"),
        events(f"max(rate(e{W}))", f"sum(rate(t{W}))"),
        events(f"sum without (x) (rate(e{W}))", f"sum(rate(t{W}))"),
        events(f"sum by (x) (rate(e{W}))", f"sum(rate(t{W}))"),
        events(f"sum by (x) (rate(e{W})) or vector(0)", f"sum by (x) (rate(t{W}))"),
        events(f'sum(rate({{__name__=~"e.*"}}{W}))', f"sum(rate(t{W}))"),
        # The same events are good and bad.
        events(f"sum(rate(t{W}))", f"sum(rate(t{W}))"),
        # No error ratio of 1: bad events are counted twice.
        events(f"2 * sum(rate(e{W}))", f"sum(rate(t{W}))"),
        events(f'sum(rate(e{{a="1",a="2"}}{W}))', f"sum(rate(t{W}))"),
        events(f'sum(rate(e{{a=~"(?=x)x"}}{W}))', f"sum(rate(t{W}))"),
    ],
)
def test_nothing_is_guessed(indicator: Indicator) -> None:
    assert series(indicator) is None


class TestScenes:
    def test_slos_of_one_service_share_series(self) -> None:
        """Latency sees the bad events of availability, and brings only its bucket along."""
        availability = events(f'sum(rate(h_count{{code=~"5.."}}{W}))', f"sum(rate(h_count{W}))")
        latency = events(
            f'sum(rate(h_count{W})) - sum(rate(h_bucket{{le="0.3"}}{W}))', f"sum(rate(h_count{W}))"
        )

        scenes, unknown = scenes_of([availability, latency])

        assert not unknown
        assert [[m.index for m in scene.members] for scene in scenes] == [[0, 1]]
        assert len(scenes[0].samples) == 3

    def test_contradicting_slos_stand_apart(self) -> None:
        """What is bad for one is good for the other."""
        one = events(f'sum(rate(h{{code="200"}}{W}))', f"sum(rate(h{W}))")
        other = events(f'sum(rate(h{{code!="200"}}{W}))', f"sum(rate(h{W}))")

        scenes, _ = scenes_of([one, other])

        assert [[m.index for m in scene.members] for scene in scenes] == [[0], [1]]

    def test_groups_are_not_mixed(self) -> None:
        plain = events(f'sum(rate(h{{code=~"5.."}}{W}))', f"sum(rate(h{W}))")
        grouped = events(
            f'sum by (r) (rate(h{{code=~"5..",r!=""}}{W}))', f'sum by (r) (rate(h{{r!=""}}{W}))'
        )

        for indicators in ([plain, grouped], [grouped, plain]):
            scenes, unknown = scenes_of(indicators)
            form = indicator_form(grouped)

            assert form is not None
            assert not unknown
            selected = {
                dict(sample.labels).get("r")
                for _, sample in scenes[0].samples
                if form.selectors[0].accepts("h", dict(sample.labels))
                or form.selectors[1].accepts("h", dict(sample.labels))
            }
            assert len(selected) == 1

    def test_label_values_do_not_run_into_each_other(self) -> None:
        """A value that equals one of ours must not make two series the same."""
        for value in ("ok", "other", "200", "a", "x"):
            found = series(
                events(f'sum(rate(h{{r="{value}"}}{W}))', f"sum(rate(h{W}))"),
            )

            assert found is not None
            assert len(found) == 2

    def test_total_that_is_always_there(self) -> None:
        scenes, _ = scenes_of(
            [events(f"sum(rate(e{W}))", f"sum(rate(e{W})) + sum(rate(g{W})) or vector(0)")]
        )

        assert scenes[0].members[0].always


regexes = st.recursive(
    st.sampled_from(
        ["a", "5", ".", "\\d", "\\w", "[ab]", "[^ab]", "[0-9]", "\\.", "-", "/", "[^\\w]", "é"]
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(regexes)
def test_every_text_matches(pattern: str) -> None:
    found = matching_texts(pattern)

    assert found
    assert all(re.fullmatch(pattern, text) for text in found)


@pytest.mark.parametrize("pattern", ["(", "(?=a)a", "(a)\\1", "a{1000}", "[z-a]"])
def test_no_text_rather_than_a_wrong_one(pattern: str) -> None:
    assert matching_texts(pattern) == ()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["=", "!=", "=~", "!~"]),
            st.sampled_from(["x", "y", "x|y", "5.."]),
        ),
        max_size=3,
    )
)
def test_worlds_keep_their_promise(matchers: list[tuple[str, str, str]]) -> None:
    """Whatever the matchers, series that are found make bad events bad and good ones good."""
    inner = ",".join(f'{label}{op}"{value}"' for label, op, value in matchers)
    form = indicator_form(events(f"sum(rate(h{{{inner}}}{W}))", f"sum(rate(h{W}))"))
    assert form is not None
    world = World()

    if world.add(form):
        selector = form.error.terms[0].selector
        for sample in world.samples:
            selected = selector.accepts("h", dict(sample.labels))
            assert not (sample.good and selected)
            assert not (sample.bad and not selected)
