from __future__ import annotations

import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo.duration import minutes
from slo.promql import (
    MAX_LENGTH,
    Matcher,
    PromqlError,
    Selector,
    check_template,
    counts_per_window,
    has_window,
    label_names,
    parse_template,
    quote,
    render,
    selectors,
    walk,
)
from slo.promql_division import Division, split_division

W = "{{.window}}"
# What queries are made of, to be put together in any order.
PIECES = (
    "sum",
    "rate",
    "x",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    W,
    "a=",
    "'b'",
    '"',
    ",",
    "/",
    "by",
    " ",
    "5",
    "-",
    "or",
    "#",
    "\n",
)
A, B = f"sum(rate(a[{W}]))", f"sum(rate(b[{W}]))"


class TestRender:
    @pytest.mark.parametrize("action", ["{{.window}}", "{{ .window }}", "{{.window }}"])
    def test_the_window_is_replaced_however_it_is_spaced(self, action: str) -> None:
        assert has_window(action)
        assert "rate(x[5m])" == render(f"rate(x[{action}])", minutes(5))

    def test_every_window_is_replaced(self) -> None:
        assert "a[1h] / b[1h]" == render(f"a[{W}] / b[{W}]", "1h")

    @pytest.mark.parametrize("text", ["{{window}}", "{.window}", "{{ .windows }}", ""])
    def test_nothing_else_is_a_window(self, text: str) -> None:
        assert not has_window(text)
        assert text == render(text, "5m")


class TestQuote:
    @given(
        st.text(
            st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\n\\"'), max_size=20
        )
    )
    def test_a_quoted_value_is_read_back(self, value: str) -> None:
        tree = promql_parser.parse(f"x{{a={quote(value)}}}")

        assert value == tree.matchers.matchers[0].value


class TestRefused:
    @pytest.mark.parametrize(
        ("query", "marked"),
        [
            (f"sum(rate(x[{W}])", "("),
            (f"sum(rate(x[{W}))", "["),
            (f"sum(rate(x{{a='b'[{W}]))", "{"),
            (f"sum(rate(x[{W}])))", ")"),
            (f"sum(rate(x[{W}])) ; y", ";"),
            (f'sum(rate(x{{a="b}}[{W}]))', '"'),
            (f"summ(rate(x[{W}]))", "summ"),
            (f"sum(rate(x[{W}])) // sum(y)", "/"),
            (f"rate(x{{a=5}}[{W}])", "5"),
            (f"histogram_quantil(0.9, rate(x[{W}]))", "histogram_quantil"),
        ],
    )
    def test_the_mistake_is_marked(self, query: str, marked: str) -> None:
        """The parser tells no position: our own lexer finds the place."""
        with pytest.raises(PromqlError) as caught:
            parse_template(query)

        error = caught.value
        assert "SLO301" == error.code
        assert error.offset is not None
        assert marked == query[error.offset : error.offset + error.length]

    def test_the_innermost_open_bracket_is_blamed(self) -> None:
        with pytest.raises(PromqlError, match=r"this `\(` is not closed") as caught:
            parse_template(f"sum(rate(x[{W}])")

        assert 3 == caught.value.offset

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("sum(rate(x[5m]))", "SLO302"),
            (f"sum(rate(x[{W}])) + {{{{ .service }}}}", "SLO304"),
            ("(" * 101 + "1" + ")" * 101, "SLO305"),
            ("x" * (MAX_LENGTH + 1), "SLO305"),
            ("", "SLO301"),
            ("   ", "SLO301"),
            (f"rate(x{{}}[{W}]) > bool", "SLO301"),
        ],
    )
    def test_each_reason_has_its_code(self, query: str, code: str) -> None:
        with pytest.raises(PromqlError) as caught:
            check_template(query)

        assert code == caught.value.code

    def test_the_placeholder_never_shows_in_a_message(self) -> None:
        with pytest.raises(PromqlError) as caught:
            parse_template(f"rate(sum(x)[{W}])")

        assert "7919" not in str(caught.value)

    @settings(deadline=None, max_examples=300)
    @given(st.lists(st.sampled_from(PIECES), max_size=25))
    def test_any_text_parses_or_is_refused_at_a_place_in_it(self, parts: list[str]) -> None:
        query = "".join(parts)
        try:
            check_template(query)
        except PromqlError as error:
            if error.offset is not None:
                assert 0 <= error.offset < len(query)
                assert error.length >= 1


class TestAccepted:
    @pytest.mark.parametrize(
        "query",
        [
            A,
            f"sum by (job) (rate(x{{a=~'b|c', d!=\"e\"}}[{W}] offset 5m))",
            f"1 - {A}\n# a comment\n/ {B}",
            f"histogram_quantile(0.9, sum by (le) (rate(x_bucket[{W}])))",
            f"sum(rate(x[{W}])) or vector(0)",
            f"avg_over_time((x > bool 0.5)[{W}:30s])",
            f"rate({{__name__='x'}}[{W}])",
        ],
    )
    def test_what_prometheus_accepts(self, query: str) -> None:
        check_template(query)

    def test_a_long_flat_query_is_not_deep(self) -> None:
        check_template(" + ".join([f"sum(rate(x{{a='b'}}[{W}]))"] * 60))


class TestSelectors:
    def test_are_found_left_to_right_with_their_matchers(self) -> None:
        found = selectors(
            f'sum(rate(a{{x="1",y!="2"}}[{W}])) / sum(rate({{__name__="b",z=~"3"}}[{W}]))'
        )

        assert [
            Selector("a", (Matcher("x", "=", "1"), Matcher("y", "!=", "2"))),
            Selector("b", (Matcher("z", "=~", "3"),)),
        ] == found

    @pytest.mark.parametrize(
        ("op", "value", "passes", "fails"),
        [
            ("=", "a", ["a"], ["b", "", "ab"]),
            ("!=", "a", ["b", ""], ["a"]),
            ("=~", "a|b.", ["a", "bc"], ["b", "xa"]),
            ("!~", "a.*", ["b", ""], ["a", "ab"]),
        ],
    )
    def test_matchers_are_anchored_as_in_prometheus(
        self, op: str, value: str, passes: list[str], fails: list[str]
    ) -> None:
        matcher = Matcher("l", op, value)

        assert all(matcher.accepts(v) for v in passes)
        assert not any(matcher.accepts(v) for v in fails)

    def test_a_selector_wants_its_metric_and_every_matcher(self) -> None:
        selector = Selector("m", (Matcher("a", "=", "1"), Matcher("gone", "=", "")))

        assert selector.accepts("m", {"a": "1", "other": "2"})
        assert not selector.accepts("n", {"a": "1"})
        assert not selector.accepts("m", {"a": "1", "gone": "x"})


class TestLabelNames:
    @pytest.mark.parametrize(
        ("query", "labels"),
        [
            (A, ()),
            (f"sum by (b, a) (rate(x[{W}]))", ("a", "b")),
            (f"sum(rate(x[{W}])) by (job)", ("job",)),
            (f"sum without (a) (rate(x[{W}]))", None),
            (f"rate(x[{W}])", None),
            (f"1 - sum by (a) (rate(x[{W}])) / sum by (a) (rate(y[{W}]))", ("a",)),
            (f"{A} or vector(0)", ()),
            (f"clamp_min(sum by (a) (rate(x[{W}])), 0)", ("a",)),
            (f"histogram_quantile(0.9, sum by (le, job) (rate(x[{W}])))", ("job",)),
            (f"label_replace(sum by (a) (rate(x[{W}])), 'b', '$1', 'a', '.*')", None),
            (f"topk(3, sum by (a) (rate(x[{W}])))", None),
            (f"absent({A})", None),
            ("vector(1)", ()),
            (f"-(sum by (a) (rate(x[{W}])))", ("a",)),
        ],
    )
    def test_are_told_where_the_query_says_them(
        self, query: str, labels: tuple[str, ...] | None
    ) -> None:
        assert labels == label_names(query)


class TestCountsPerWindow:
    @pytest.mark.parametrize(
        ("query", "counts"),
        [
            (A, False),
            (f"sum(increase(x[{W}]))", True),
            (f"sum(count_over_time(x[{W}]))", True),
            (f"sum(sum_over_time(x[{W}]))", True),
            (f"sum(increase(x[{W}])) + {A}", False),
        ],
    )
    def test_tells_counts_from_rates(self, query: str, counts: bool) -> None:
        assert counts is counts_per_window(query)


class TestSplitDivision:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (f"{A} / {B}", (A, B, False)),
            (f"({A}) / ({B})", (A, B, False)),
            (f"({A} / {B})", (A, B, False)),
            (f"1 - {A} / {B}", (A, B, True)),
            (f"1 - ({A} / {B})", (A, B, True)),
            (f"(1 - (({A})\n/\n({B})))\n", (A, B, True)),
            (f"1 - (\n  (\n    {A}\n  )\n  /\n  (\n    {B}\n  )\n)", (A, B, True)),
            (f"{A} * 2 / {B}", (f"{A} * 2", B, False)),
            (f"{A} / {B} / {B}", (f"{A} / {B}", B, False)),
            (f"({A} + {B}) / {B}", (f"{A} + {B}", B, False)),
            (f"{A} / {B} # share", (A, f"{B} # share", False)),
            (f'sum(rate(a{{p="/"}}[{W}])) / {B}', (f'sum(rate(a{{p="/"}}[{W}]))', B, False)),
        ],
    )
    def test_splits_at_the_root(self, query: str, expected: tuple[str, str, bool]) -> None:
        assert Division(*expected) == split_division(query)

    @pytest.mark.parametrize(
        "query",
        [
            A,
            f"{A} / on(job) {B}",
            f"{A} / ignoring(a) group_left {B}",
            f"2 - {A} / {B}",
            f"{A} - {A} / {B}",
            f"{A} / 100",
            f"{A} / {B} + 1",
            f"1 - {A}",
            f"{A} / {B} * 2",
            f"clamp_max({A} / {B}, 1)",
            f"1 - (1 - {A} / {B})",
        ],
    )
    def test_leaves_everything_else_whole(self, query: str) -> None:
        assert split_division(query) is None

    @given(
        st.recursive(
            st.sampled_from([A, B, "2", f"sum by (x) (rate(c[{W}]))"]),
            lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
            max_leaves=6,
        ),
        st.sampled_from(["{} / {}", "({}) / ({})", "1 - {} / {}", "1 - ({} / {})", "({}\n/\n{})"]),
        st.sampled_from([A, f"({A} + 1)"]),
    )
    def test_the_sides_make_the_same_tree_again(self, left: str, shape: str, right: str) -> None:
        """Whatever is split, `numerator / denominator` parses to what the query says."""
        query = shape.format(left, right)

        found = split_division(query)

        if found is None:
            assert not has_window(left)
            return
        quotient = f"({found.numerator}) / ({found.denominator})"
        whole = f"1 - ({quotient})" if found.complement else quotient
        assert plain(query) == plain(whole)


def plain(query: str) -> str:
    """Return the syntax tree of *query* as text, without parentheses."""

    def show(node: object) -> str:
        while isinstance(node, promql_parser.ParenExpr):
            node = node.expr
        if isinstance(node, promql_parser.BinaryExpr):
            return f"<{show(node.lhs)} {node.op} {show(node.rhs)}>"
        return str([str(n) for n in walk(node)])

    return show(parse_template(query))


@given(st.sampled_from(["1s", "5m", "1h30m", "30d", "4w"]))
def test_a_rendered_template_parses_as_well(window: str) -> None:
    assert promql_parser.parse(render(f"1 - {A} / {B}", window)) is not None
