"""Schema, module, page, example and documentation of each indicator say the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.indicators import handbook
from slo.indicators.catalog import TYPED
from slo.promql import check_template, counts_per_window
from slo.schema import load_schema

from .worlds import WORLDS

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "indicators"
PAGE = ROOT / "docs" / "indicators.md"
TABLES = re.compile(r"(<!-- made from the catalog -->\n).*?(<!-- end -->)", re.DOTALL)
NOT_TYPED = {"events", "ratio", "composite", "plugin"}


def least(name: str) -> dict[str, Any]:
    """Return the required settings of an indicator, as a world of it has them."""
    params = next(world.params for world in WORLDS if world.indicator == name)
    return {s.name: params[s.name] for s in handbook.settings(name) if s.required}


def texts(name: str, params: Mapping[str, Any]) -> tuple[str, str]:
    queries = TYPED[name](params, ())
    return queries.error, queries.total


class TestCatalog:
    def test_has_what_the_schema_allows(self) -> None:
        kinds = set(load_schema("slo-v1")["$defs"]["Indicator"]["properties"])

        assert kinds - NOT_TYPED == set(TYPED)

    def test_topics_stand_together(self) -> None:
        topics = [indicator.topic for indicator in TYPED.values()]

        assert sorted(topics, key=topics.index) == topics

    def test_there_are_no_pages_and_examples_of_others(self) -> None:
        pages = {path.stem for path in (ROOT / "slo/indicators/pages").iterdir()}

        assert set(TYPED) == pages == {path.stem for path in EXAMPLES.iterdir()}


@pytest.mark.parametrize("name", TYPED)
class TestIndicator:
    def test_defaults_of_the_schema_are_those_of_the_module(self, name: str) -> None:
        found = texts(name, least(name))

        for setting in handbook.settings(name):
            if setting.default is not None:
                changed = {**least(name), setting.name: setting.default}
                assert found == texts(name, changed), setting.name

    def test_every_setting_is_described(self, name: str) -> None:
        for setting in handbook.settings(name):
            assert setting.description.endswith(".")
            assert setting.kind

    def test_every_setting_changes_something(self, name: str) -> None:
        other = {
            "metric": "m:other",
            "selector": {"zone": "eu"},
            "label": "elsewhere",
            "duration": "7s",
            "regular expression": "nothing",
            "labels or matchers": 'zone="eu"',
            "labels": {"zone": "eu"},
            "list": ["zone"],
            "text": "other",
            "true or false": False,
            "number": 1,
            "classic, native": "native",
            "seconds, milliseconds": "milliseconds",
            "grpc_prometheus, otel, otel_legacy": "otel",
        }
        base = least(name)
        if name.startswith("grpc"):
            base["convention"] = "otel"
        if name == "dependency_calls":
            base["timeout"] = "1s"
        before = texts(name, base)
        for setting in handbook.settings(name):
            value = other.get(setting.kind, "utf8")
            if setting.name == "unit" and setting.default == "milliseconds":
                value = "seconds"
            if setting.name == "convention":
                value = "otel_legacy"
            assert before != texts(name, {**base, setting.name: value}), setting.name

    def test_its_page_is_about_it(self, name: str) -> None:
        text = handbook.page(name)

        assert text.startswith(f"# {name}: ")
        wanted = ["## When to use it", "## Metrics", "## Example", "## Know this"]
        assert wanted == re.findall(r"^## .*$", text, re.MULTILINE)
        assert not [line for line in text.splitlines() if len(line) > 120 and line[0] != "|"]

    def test_its_example_is_the_one_of_the_page(self, name: str) -> None:
        assert (EXAMPLES / f"{name}.yaml").read_text("utf-8") == handbook.example(name)

    @pytest.mark.parametrize("profile", ["exact", "sloth"])
    def test_its_example_compiles_without_a_word(self, name: str, profile: str) -> None:
        result = compile_specs([str(EXAMPLES / f"{name}.yaml")], CompileOptions(profile=profile))

        assert [] == [d.message for d in result.diagnostics]
        kinds = [
            next(iter(slo["indicator"])) for slo in yaml.safe_load(handbook.example(name))["slos"]
        ]
        assert {name} == set(kinds)

    def test_its_queries_hold_for_every_profile_and_group(self, name: str) -> None:
        for world in WORLDS:
            if world.indicator == name:
                queries = TYPED[name](world.params, ("region", "zone"))
                for query in (queries.error, queries.total):
                    check_template(query)
                    assert "sum by (region, zone)" in query

    def test_looks_are_counted_per_window_and_events_per_second(self, name: str) -> None:
        total = TYPED[name](least(name), ()).total

        assert ("count_over_time" in total) == counts_per_window(total)


def test_the_documentation_lists_all(update_golden: bool) -> None:
    rows: list[str] = []
    topic = None
    for indicator in TYPED.values():
        if indicator.topic != topic:
            topic = indicator.topic
            rows += ["", f"**{topic}**", "", "| indicator | measures |", "|---|---|"]
        link = f"../slo/indicators/pages/{indicator.name}.md"
        rows.append(f"| [`{indicator.name}`]({link}) | {handbook.summary(indicator.name)} |")
    before = PAGE.read_text("utf-8")
    after = TABLES.sub(lambda m: m.group(1) + "\n".join([*rows[1:], ""]) + m.group(2), before)
    if update_golden and before != after:
        PAGE.write_text(after, "utf-8")

    assert before == after
