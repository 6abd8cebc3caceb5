from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slo.diagnostics import Severity
from slo.source import (
    MAX_BYTES,
    MAX_DEPTH,
    Document,
    Source,
    key_span,
    parse_documents,
    raw_text,
    span_of,
)

Parse = Callable[[str], Document]


class TestScalars:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("", None),
            ("~", None),
            ("null", None),
            ("true", True),
            ("False", False),
            ("12", 12),
            ("-7", -7),
            ("0o17", 15),
            ("0xff", 255),
            ("99.9", 99.9),
            ("1e3", 1000.0),
            (".5", 0.5),
            (".inf", math.inf),
            ("-.inf", -math.inf),
            ("text", "text"),
            ("2026-01-01", "2026-01-01"),
            ("1.2.3", "1.2.3"),
            ("'12'", "12"),
            ('"true"', "true"),
            ("!!str 12", "12"),
            ("=", "="),
        ],
    )
    def test_are_those_of_yaml_1_2(self, parse: Parse, text: str, value: object) -> None:
        found = parse(f"key: {text}\n").root["key"]

        assert value == found
        assert type(value) is type(found)

    def test_nan_is_a_number(self, parse: Parse) -> None:
        assert math.isnan(parse("key: .nan").root["key"])

    @pytest.mark.parametrize(
        ("text", "other"),
        [
            ("no", "false"),
            ("Yes", "true"),
            ("off", "false"),
            ("y", "true"),
            ("1:30", "a number in base 60"),
            ("010", "an octal number"),
        ],
    )
    def test_traps_of_yaml_1_1_are_warned_of(self, parse: Parse, text: str, other: str) -> None:
        """A value that older tools read differently is kept, with a warning at its place."""
        document = parse(f"key: {text}\n")

        (found,) = document.diagnostics
        assert ("SLO006", Severity.WARNING) == (found.code, found.severity)
        assert f"as {other} by YAML 1.1 tools" in found.message
        assert found.hint is not None
        assert (1, 6, 6 + len(text)) == (
            found.span.line,
            found.span.column,
            found.span.end_column,
        )

    @pytest.mark.parametrize("text", ['"no"', "'1:30'", "none", "12:ab", "0.5", "note"])
    def test_lookalikes_of_traps_are_silent(self, parse: Parse, text: str) -> None:
        assert [] == parse(f"key: {text}\n").diagnostics

    def test_digits_without_end_are_no_exact_number(self, parse: Parse) -> None:
        """Converting thousands of digits exactly would cost quadratic time, or be refused."""
        assert math.inf == parse(f"key: {'9' * 5000}").root["key"]

    def test_raw_text_keeps_trailing_zeros(self, parse: Parse) -> None:
        assert "99.90" == raw_text(parse("objective: 99.90").root, "objective")

    def test_tags_are_refused(self, parse: Parse) -> None:
        (found,) = parse("key: !!python/object:os.system x").diagnostics

        assert ("SLO009", True) == (found.code, found.is_error)


class TestPlaces:
    def test_keys_and_values_know_their_line_and_column(self, parse: Parse) -> None:
        document = parse("a: 1\nslos:\n  - name: first\n    objective: 99.9\n")
        slo = document.root["slos"][0]

        key = key_span(document.source, slo, "objective")
        value = span_of(document.source, slo.nodes["objective"][1])

        assert (4, 5, 4, 14) == (key.line, key.column, key.end_line, key.end_column)
        assert (4, 16, 4, 20) == (value.line, value.column, value.end_line, value.end_column)

    def test_a_block_value_is_marked_by_its_first_character(self, parse: Parse) -> None:
        document = parse("a:\n  b: 1\n  c: 2\n")

        span = span_of(document.source, document.root.nodes["a"][1])

        assert (2, 3, 2, 4) == (span.line, span.column, span.end_line, span.end_column)

    def test_an_empty_value_has_a_span_of_one_character(self, parse: Parse) -> None:
        document = parse("a:\nb: 1\n")

        span = span_of(document.source, document.root.nodes["a"][1])

        assert 1 == span.end_column - span.column
        assert 1 == span.line

    def test_columns_count_characters_not_bytes(self, parse: Parse) -> None:
        document = parse("{größe: ä, b: 1}\n")

        assert 12 == key_span(document.source, document.root, "b").column


class TestMappings:
    def test_a_duplicate_key_names_both_places(self, parse: Parse) -> None:
        document = parse("a: 1\nb: 2\na: 3\n")

        (found,) = document.diagnostics
        ((_, first),) = found.related
        assert ("SLO005", 3, 1) == (found.code, found.span.line, first.line)
        assert {"a": 1, "b": 2} == document.root

    def test_a_merge_adds_what_is_missing(self, parse: Parse) -> None:
        document = parse(
            "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\n"
            "one: {<<: *base, a: 9}\nlist: {<<: [*base, *more]}\n"
        )

        assert [] == document.diagnostics
        assert {"a": 9, "b": 2} == document.root["one"]
        assert {"a": 1, "b": 2, "c": 4} == document.root["list"]

    def test_merged_keys_point_to_where_they_are_written(self, parse: Parse) -> None:
        document = parse("base: &base\n  a: 1\none:\n  <<: *base\n")

        assert 2 == key_span(document.source, document.root["one"], "a").line

    def test_a_quoted_merge_key_is_a_plain_key(self, parse: Parse) -> None:
        assert {"<<": 1} == parse('"<<": 1').root

    def test_a_merge_of_text_is_refused(self, parse: Parse) -> None:
        (found,) = parse("a: {<<: text}").diagnostics

        assert ("SLO009", 9) == (found.code, found.span.column)

    def test_a_key_that_is_a_list_is_refused(self, parse: Parse) -> None:
        (found,) = parse("? [a, b]\n: 1\n").diagnostics

        assert ("SLO009", "a key must be plain text") == (found.code, found.message)

    def test_keys_are_text_even_if_they_look_like_numbers(self, parse: Parse) -> None:
        assert ["1", "true"] == list(parse("1: a\ntrue: b\n").root)


class TestDocuments:
    def read(self, text: str) -> list[Document]:
        return list(parse_documents(Source("spec.yaml", text)))

    def test_a_file_holds_several_documents(self) -> None:
        assert [{"a": 1}, {"b": 2}] == [d.root for d in self.read("a: 1\n---\nb: 2\n")]

    @pytest.mark.parametrize("text", ["", "# only a comment\n", "\n\n"])
    def test_an_empty_file_holds_none(self, text: str) -> None:
        assert [] == self.read(text)

    def test_documents_before_a_syntax_error_are_kept(self) -> None:
        first, second = self.read("a: 1\n---\nb: [1\nc: 2\n")

        assert {"a": 1} == first.root
        assert (None, ["SLO002"]) == (second.root, [d.code for d in second.diagnostics])

    def test_a_tab_as_indentation_gets_a_hint(self) -> None:
        (document,) = self.read("a:\n\tb: 1\n")

        (found,) = document.diagnostics
        assert ("SLO002", 2) == (found.code, found.span.line)
        assert "tabs" in (found.hint or "")

    def test_a_colon_in_a_value_gets_a_hint(self) -> None:
        (document,) = self.read("a: b: c\n")

        (found,) = document.diagnostics
        assert ("SLO002", 1, 5) == (found.code, found.span.line, found.span.column)
        assert "quote the value" in (found.hint or "")

    @pytest.mark.parametrize("text", ["a: \x00", "a: \x07", "a: \ud800"])
    def test_characters_that_yaml_forbids_are_a_diagnostic(self, text: str) -> None:
        documents = self.read(text)

        assert ["SLO002"] == [d.code for document in documents for d in document.diagnostics]


HOSTILE = {
    "brackets": "[" * 100_000,
    "braces": "{" * 100_000,
    "both": "[{" * 50_000,
    "dashes": "- " * 100_000,
    "questions": "? " * 100_000,
    "block": "".join("  " * i + "a:\n" for i in range(1500)),
    "narrow": "".join(" " * i + "a:\n" for i in range(1500)),
    "lines": "a: [\n" + "[\n" * 50_000,
    "after a key": "a: 1\nb: " + "[" * 100_000,
    "below keys": "[\n" * 50 + "a\n[" * 50_000,
}


class TestLimits:
    def codes(self, text: str) -> list[str]:
        documents = parse_documents(Source("spec.yaml", text))
        return [d.code for document in documents for d in document.diagnostics]

    def test_a_huge_file_is_refused(self) -> None:
        assert ["SLO003"] == self.codes("a" * (MAX_BYTES + 1))

    def test_depth_is_counted_exactly(self) -> None:
        fine = "a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
        deep = "a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)

        assert [] == self.codes(fine)
        assert ["SLO003"] == self.codes(deep)

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    def test_a_hostile_file_does_not_crash_the_process(self, text: str) -> None:
        """The recursive C parser would overflow its stack; a separate process would show it."""
        program = (
            "import sys\nfrom slo.source import Source, parse_documents\n"
            "codes = [d.code for x in parse_documents(Source('s', sys.stdin.read()))"
            " for d in x.diagnostics]\nprint(*codes)"
        )

        run = subprocess.run(
            [sys.executable, "-c", program], input=text, capture_output=True, text=True, timeout=60
        )

        assert (0, "") == (run.returncode, run.stderr)
        assert run.stdout.split()[-1] in ("SLO002", "SLO003")

    def test_an_alias_bomb_is_refused(self) -> None:
        bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
            f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
        )

        assert ["SLO004"] == self.codes(bomb)

    def test_an_alias_that_contains_itself_is_refused(self) -> None:
        assert ["SLO003"] == self.codes("a: &a [*a]\n")

    def test_a_few_aliases_are_fine(self) -> None:
        text = "base: &base {a: 1, b: 2}\n" + "".join(f"k{i}: *base\n" for i in range(1000))

        assert [] == self.codes(text)

    def test_too_many_values_are_refused(self) -> None:
        assert ["SLO004"] == self.codes("[" + "1," * 500_001 + "]")

    def test_brackets_in_text_are_not_depth(self) -> None:
        """A query with a hundred selectors nests nothing."""
        text = "a: |\n" + "  rate(x{a=~'[a-z]'}[5m])\n" * 200 + "b: 1\n"

        assert [] == self.codes(text)


JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=20,
)


class TestProperties:
    @settings(deadline=None)
    @given(JSON_LIKE, st.sampled_from([None, 2]))
    def test_json_is_yaml(self, value: Any, indent: int | None) -> None:
        text = json.dumps({"root": value}, ensure_ascii=False, indent=indent)

        (document,) = parse_documents(Source("spec.yaml", text))

        assert {"root": value} == document.root

    @settings(deadline=None, max_examples=300)
    @given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"%@#,? \n\t0.~<"), max_size=40))
    def test_any_text_ends_in_documents_not_in_an_exception(self, text: str) -> None:
        for document in parse_documents(Source("spec.yaml", text)):
            rows = text.split("\n")
            for found in document.diagnostics:
                assert 1 <= found.span.line <= len(rows) + 1
                assert 1 <= found.span.column
                assert found.span.column < found.span.end_column
