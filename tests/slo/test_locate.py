from __future__ import annotations

from collections.abc import Callable

import pytest

from slo.locate import locate
from slo.source import Document

Parse = Callable[[str], Document]

STYLES = {
    "plain": "a:\n  query: sum(rate(x[5m])) BAD 1\n",
    "single quoted": "a:\n  query: 'sum(x{a=\"it''s\"}) BAD 1'\n",
    "double quoted": 'a:\n  query: "sum(x{a=\\"b\\"}) BAD 1"\n',
    "literal": "a:\n  query: |\n    sum(\n      rate(x[5m])\n    ) BAD 1\n",
    "literal, indented first line": "a:\n  query: |2\n      sum(\n    x) BAD 1\n",
    "literal, stripped": "a:\n  query: |-\n    sum(x)\n\n    / BAD 1\n",
    "literal after empty lines": "a:\n  query: |\n\n    sum(x)\n    / BAD 1\n",
    "folded": "a:\n  query: >\n    sum(rate(x[5m]))\n    / BAD 1\n",
    "plain on several lines": "a:\n  query: sum(rate(x[5m]))\n    / sum(y)\n    BAD 1\n",
    "plain on the next line": "a:\n  query:\n    sum(x) BAD 1\n",
    "in a flow mapping": "a: {query: sum(x) BAD 1, other: 2}\n",
    "after other characters": "ä:\n  größe: 1\n  query: sum(ü) BAD 1\n",
}


def place_of(text: str, word: str, occurrence: int = 0) -> tuple[int, int]:
    at = -1
    for _ in range(occurrence + 1):
        at = text.index(word, at + 1)
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


@pytest.mark.parametrize("style", STYLES)
def test_a_word_in_a_value_is_found_in_the_file(parse: Parse, style: str) -> None:
    """Indentation, folding and escapes move the text; the place is still exact."""
    text = STYLES[style]
    document = parse(text)
    (holder,) = document.root.values()
    value, (_, node) = holder["query"], holder.nodes["query"]

    span = locate(document.source, node, value, value.index("BAD"), 3)

    assert place_of(text, "BAD") == (span.line, span.column)
    assert (span.line, span.column + 3) == (span.end_line, span.end_column)


@pytest.mark.parametrize("style", ["plain", "literal", "folded"])
def test_the_same_occurrence_is_found(parse: Parse, style: str) -> None:
    values = {
        "plain": "query: x + x + x\n",
        "literal": "query: |\n  x\n  + x\n  + x\n",
        "folded": "query: >-\n  x +\n  x +\n  x\n",
    }
    text = values[style]
    document = parse(text)
    value, (_, node) = document.root["query"], document.root.nodes["query"]

    span = locate(document.source, node, value, value.rindex("x"), 1)

    assert place_of(text, "x", 2) == (span.line, span.column)


def test_a_character_that_is_written_as_an_escape_falls_back_to_the_value(parse: Parse) -> None:
    document = parse('query: "a\\u0062c"\n')
    value, (_, node) = document.root["query"], document.root.nodes["query"]

    span = locate(document.source, node, value, 1, 1)

    assert (1, 8, 18) == (span.line, span.column, span.end_column)
