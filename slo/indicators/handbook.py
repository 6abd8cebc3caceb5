"""Read what is written about the typed indicators: their pages, examples and settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from slo.indicators.catalog import TYPED
from slo.indicators.params import Queries
from slo.schema import load_schema

__all__ = ["ExampleQueries", "Setting", "example", "example_queries", "page", "settings", "summary"]

_PAGES = Path(__file__).with_name("pages")
_EXAMPLE = re.compile(r"^```yaml\n(version: slo/v1\n.*?)^```$", re.MULTILINE | re.DOTALL)
_KINDS = {
    "Duration": "duration",
    "Metric": "metric",
    "OtelLabel": "label",
    "Regex": "regular expression",
    "Selector": "labels or matchers",
    "SelectorLabels": "labels",
    "Text": "text",
}
_TYPES = {"array": "list", "boolean": "true or false", "integer": "number"}


class Setting(NamedTuple):
    """
    Describe one setting, as the schema does.

    Args:
        kind: What its value is, in words.
        default: Its value when it is left out, if that is a fixed one.
    """

    name: str
    kind: str
    required: bool
    default: Any
    description: str


class ExampleQueries(NamedTuple):
    """Hold the queries that one objective of an example makes."""

    slo: str
    queries: Queries


@lru_cache(maxsize=1)
def _definitions() -> Mapping[str, Any]:
    found: Mapping[str, Any] = load_schema("slo-v1")["$defs"]
    return found


def _definition(name: str) -> Mapping[str, Any]:
    reference = _definitions()["Indicator"]["properties"][name]["$ref"]
    found: Mapping[str, Any] = _definitions()[reference.rpartition("/")[2]]
    return found


def summary(name: str) -> str:
    """Return what the indicator *name* measures, in one line."""
    described: str = _definition(name)["description"]
    return described


def settings(name: str) -> list[Setting]:
    """Return the settings of the indicator *name*, in the order of the schema."""
    definition = _definition(name)
    required = definition.get("required", ())
    return [
        Setting(key, _kind(schema), key in required, schema.get("default"), schema["description"])
        for key, schema in definition["properties"].items()
    ]


def _kind(schema: Mapping[str, Any]) -> str:
    reference = schema.get("$ref", "").rpartition("/")[2]
    if reference in _KINDS:
        return _KINDS[reference]
    if reference:
        schema = _definitions()[reference]
    if "enum" in schema:
        return ", ".join(schema["enum"])
    kind: str = schema["type"]
    return _TYPES.get(kind, kind)


def page(name: str) -> str:
    """Return the page about the indicator *name*, in Markdown."""
    return (_PAGES / f"{name}.md").read_text("utf-8")


def example(name: str) -> str:
    """Return the complete spec on the page of the indicator *name*."""
    found = _EXAMPLE.search(page(name))
    assert found is not None, f"the page of {name} has no example"
    return found.group(1)


def example_queries(name: str) -> list[ExampleQueries]:
    """Return the queries that the example of the indicator *name* makes."""
    spec = yaml.safe_load(example(name))
    return [
        ExampleQueries(slo["name"], TYPED[name](slo["indicator"][name], slo.get("group_by") or ()))
        for slo in spec["slos"]
    ]
