"""Print the catalog of indicators for people and for programs."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from slo.indicators import handbook
from slo.indicators.catalog import TYPED

__all__ = ["listing", "listing_json", "page", "page_json"]

WIDTH = 80
_TABLE_ROW = re.compile(r"^\|(.*)\|$")
_SEPARATOR = re.compile(r"^[|: -]+$")

Style = Callable[[str], str]
"""Set a heading apart, where the terminal can."""


def listing(heading: Style) -> Iterator[str]:
    """Yield the lines of the list of all indicators, by topic."""
    column = max(map(len, TYPED)) + 2
    topic = None
    for indicator in TYPED.values():
        if indicator.topic != topic:
            if topic is not None:
                yield ""
            topic = indicator.topic
            yield heading(topic)
        yield f"  {indicator.name:<{column}}{handbook.summary(indicator.name)}"
    yield ""
    yield "For all else, `events` and `ratio` take PromQL, and `plugin` Python code."
    yield "slo catalog NAME tells more, slo catalog NAME --example prints a spec."


def page(name: str, heading: Style) -> Iterator[str]:
    """Yield the page of one indicator, with its settings and the PromQL of its example."""
    for block in _blocks(handbook.page(name)):
        yield from _rendered(block, heading)
    yield ""
    yield heading("Settings")
    for setting in handbook.settings(name):
        yield from _wrapped(f"{setting.name}: {_value(setting)}", "  ", "      ")
        yield from _wrapped(setting.description, "      ")
    yield ""
    yield heading("The PromQL of the example")
    for slo, queries in handbook.example_queries(name):
        yield f"  {slo}"
        counted = ("good", queries.good) if queries.good else ("error", queries.error)
        for word, query in (counted, ("total", queries.total)):
            yield f"    {word}"
            yield f"      {query}"
    yield ""
    yield f"slo catalog {name} --example prints only the example."


def _blocks(markdown: str) -> Iterator[list[str]]:
    """Yield the lines that belong together: a code block, a table, a paragraph, a list entry."""
    block: list[str] = []
    fenced = False
    for line in markdown.rstrip().splitlines():
        fence = line.startswith("```")
        if block and not fenced and (fence or not _continues(line, block)):
            yield block
            block = []
        block.append(line)
        fenced ^= fence
    yield block


def _continues(line: str, block: list[str]) -> bool:
    """Tell whether *line* goes on with *block*, outside of code."""
    if not block or not line or not block[-1] or line.startswith(("#", "- ")):
        return False
    before = block[-1]
    return not before.startswith(("#", "```")) and (line[0] == "|") == (before[0] == "|")


def _rendered(block: list[str], heading: Style) -> Iterator[str]:
    first = block[0]
    if first.startswith("#"):
        yield heading(first.lstrip("# "))
    elif first.startswith("```"):
        yield from (f"    {line}".rstrip() for line in block[1:-1])
    elif _TABLE_ROW.match(first):
        yield from _table(block)
    elif first.startswith("- "):
        yield from _wrapped(" ".join(block), "", "  ")
    else:
        yield from _wrapped(" ".join(block), "") or [""]


def _value(setting: handbook.Setting) -> str:
    if setting.required:
        return f"{setting.kind}, required"
    if setting.default is None:
        return setting.kind
    return f"{setting.kind}, default {_text(setting.default)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _wrapped(text: str, first: str, rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(rows: list[str]) -> Iterator[str]:
    """Yield a table with its columns aligned where they fit, else each row as a list."""
    cells = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in rows
        if not _SEPARATOR.match(row)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if sum(widths) + 2 * len(widths) <= WIDTH:
        for row in cells:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield f"  {line}".rstrip()
        return
    names, *body = cells
    for row in body:
        (_, first), *more = zip(names, row, strict=True)
        yield from _wrapped(first, "  ")
        for title, cell in more:
            yield from _wrapped(f"{title}: {cell}", "      ")


def listing_json() -> list[dict[str, Any]]:
    """Return all indicators for programs."""
    return [
        {"name": each.name, "topic": each.topic, "summary": handbook.summary(each.name)}
        for each in TYPED.values()
    ]


def page_json(name: str) -> dict[str, Any]:
    """Return all that is known of one indicator, for programs."""
    return {
        "name": name,
        "topic": TYPED[name].topic,
        "summary": handbook.summary(name),
        "settings": [setting._asdict() for setting in handbook.settings(name)],
        "example": handbook.example(name),
        "queries": [
            {"slo": slo, "error": made.error, "good": made.good, "total": made.total}
            for slo, made in handbook.example_queries(name)
        ],
        "page": handbook.page(name),
    }
