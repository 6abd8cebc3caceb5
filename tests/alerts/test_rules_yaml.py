from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from slo.alerts.model import AlertingRule, RecordingRule, Rule, RuleGroup
from slo.alerts.rules_yaml import block, groups_yaml, scalar
from slo.duration import Duration

LOADERS = [yaml.SafeLoader, yaml.CSafeLoader]
# Words and signs that YAML takes for something other than text.
SIGNS = list(" \n\t:#'\"\\{}[]&*!|>%@`,?=~\r\x85\u2028\ufeff\x00\x7f1a")
WORDS = [
    "yes",
    "No",
    "null",
    "0x1",
    "1e3",
    ".5",
    "1:30",
    "-",
    "--",
    "---",
    "...",
    "<<",
    "2026-01-01",
]
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.lists(st.sampled_from(SIGNS + WORDS), max_size=8).map("".join),
)
# A rule's expression loses line feeds at its end, as in every rule file.
LABELS = st.dictionaries(TEXT.filter(bool), TEXT, max_size=3)
DURATIONS = st.integers(1, 10**8).map(Duration)
RULES = st.one_of(
    st.builds(RecordingRule, TEXT, TEXT, LABELS),
    st.builds(
        AlertingRule, TEXT, TEXT, LABELS, LABELS, st.none() | DURATIONS, st.none() | DURATIONS
    ),
)
GROUPS = st.lists(
    st.builds(RuleGroup, TEXT, st.lists(RULES, min_size=1, max_size=3), st.none() | DURATIONS),
    min_size=1,
    max_size=3,
)


def model(rule: Rule) -> dict[str, Any]:
    """Return what a rule file says of *rule*."""
    if isinstance(rule, RecordingRule):
        found: dict[str, Any] = {"record": rule.record, "expr": rule.expr.rstrip("\n")}
    else:
        found = {"alert": rule.alert, "expr": rule.expr.rstrip("\n")}
        if rule.for_ is not None:
            found["for"] = str(rule.for_)
        if rule.keep_firing_for is not None:
            found["keep_firing_for"] = str(rule.keep_firing_for)
        if rule.annotations:
            found["annotations"] = dict(rule.annotations)
    if rule.labels:
        found["labels"] = dict(rule.labels)
    return found


def models(groups: list[RuleGroup]) -> dict[str, Any]:
    return {
        "groups": [
            {
                "name": group.name,
                **({} if group.interval is None else {"interval": str(group.interval)}),
                "rules": [model(rule) for rule in group.rules],
            }
            for group in groups
        ]
    }


class TestRoundTrip:
    @pytest.mark.parametrize("loader", LOADERS)
    @settings(deadline=None, max_examples=300)
    @given(TEXT)
    def test_a_scalar_is_read_back(self, loader: Any, text: str) -> None:
        assert text == yaml.load(f"key: {scalar(text)}\n", loader)["key"]

    @pytest.mark.parametrize("loader", LOADERS)
    @settings(deadline=None, max_examples=300)
    @given(TEXT)
    def test_a_value_on_lines_of_its_own_is_read_back(self, loader: Any, text: str) -> None:
        assert text == yaml.load(f"a:\n  key:{block(text, '    ')}\n  b: 1\n", loader)["a"]["key"]

    @pytest.mark.parametrize("loader", LOADERS)
    @settings(deadline=None, max_examples=100)
    @given(GROUPS)
    def test_groups_are_read_back(self, loader: Any, groups: list[RuleGroup]) -> None:
        assert models(groups) == yaml.load(groups_yaml(groups), loader)

    @settings(deadline=None, max_examples=50)
    @given(GROUPS)
    def test_indented_groups_are_read_back(self, groups: list[RuleGroup]) -> None:
        text = "spec:\n" + groups_yaml(groups, "  ")

        assert models(groups) == yaml.load(text, yaml.CSafeLoader)["spec"]

    @settings(deadline=None, max_examples=50)
    @given(GROUPS)
    def test_the_same_rules_give_the_same_text(self, groups: list[RuleGroup]) -> None:
        assert groups_yaml(groups) == groups_yaml(groups)


class TestLooks:
    @pytest.mark.parametrize(
        ("text", "printed"),
        [
            ("sum(rate(x[5m]))", "sum(rate(x[5m]))"),
            ("30d", "30d"),
            ("99.9", '"99.9"'),
            ("no", '"no"'),
            ("NULL", '"NULL"'),
            ("", '""'),
            ("a: b", '"a: b"'),
            ("a #b", '"a #b"'),
            ("{{ $value }}", '"{{ $value }}"'),
            ('{a="b"}', "'{a=\"b\"}'"),
            ("it's", "it's"),
            ("line\nfeed", '"line\\nfeed"'),
        ],
    )
    def test_quotes_stand_only_where_needed(self, text: str, printed: str) -> None:
        assert printed == scalar(text)

    def test_expressions_on_several_lines_are_blocks_without_trailing_spaces(self) -> None:
        rule = RecordingRule("r", "a\n\n+ b\n", {"b": "1", "a": "two\nlines\n"})

        assert (
            "groups:\n"
            "  - name: g\n"
            "    interval: 30s\n"
            "    rules:\n"
            "      - record: r\n"
            "        expr: |-\n"
            "          a\n"
            "\n"
            "          + b\n"
            "        labels:\n"
            "          a: |\n"
            "            two\n"
            "            lines\n"
            '          b: "1"\n'
        ) == groups_yaml([RuleGroup("g", [rule], Duration(30_000))])

    def test_rules_that_share_labels_print_them_in_full(self) -> None:
        labels = {"a": "b"}
        groups = [RuleGroup("g", [RecordingRule(r, "1", labels) for r in ("x", "y")])]

        assert 2 == groups_yaml(groups).count("          a: b\n")

    def test_equal_groups_with_other_labels_do_not_share_text(self) -> None:
        """Texts are cached by the identity of the labels, which Python gives out again."""
        groups = [
            RuleGroup("g", [RecordingRule("r", "1", {"n": str(i)}) for i in range(50)])
            for _ in range(3)
        ]

        assert models(groups) == yaml.load(groups_yaml(groups), yaml.CSafeLoader)

    def test_an_empty_for_is_left_out(self) -> None:
        assert "for:" not in groups_yaml(
            [RuleGroup("g", [AlertingRule("a", "1", for_=Duration(0))])]
        )


def test_output_does_not_depend_on_the_hash_seed() -> None:
    program = (
        "from slo.alerts.model import *\nfrom slo.alerts.rules_yaml import groups_yaml\n"
        "labels = {k: k for k in 'zyxabc'}\n"
        "print(groups_yaml([RuleGroup('g', [RecordingRule('r', '1', labels)])]))"
    )

    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }

    assert 1 == len(outputs)
