"""Map a place in a scalar's value back to the file that holds it."""

from __future__ import annotations

from typing import Any

import yaml

from slo.diagnostics import Span
from slo.source import Source, span_of

__all__ = ["locate"]


def locate(source: Source, node: yaml.Node, value: str, offset: int, length: int) -> Span:
    """
    Return the place in *source* of *length* characters at *offset* of a scalar's *value*.

    Handles plain, quoted and block scalars: indentation, folding and escapes move the text.
    """
    style = getattr(node, "style", None)
    if style == "|":
        found = _in_literal_block(source, node, value, offset)
    else:
        found = _by_occurrence(source, node, value, offset, length)
    if found is None:
        return span_of(source, node)
    line, column = found
    return Span(source.path, line, column, line, column + length)


def _in_literal_block(
    source: Source, node: yaml.Node, value: str, offset: int
) -> tuple[int, int] | None:
    lines = source.text.split("\n")
    first = node.start_mark.line + 1
    content = lines[first : node.end_mark.line + 1]
    indents = [len(line) - len(line.lstrip(" ")) for line in content if line.strip()]
    if not indents:
        return None
    before = value[:offset]
    row = before.count("\n")
    column = offset - (before.rfind("\n") + 1)
    # The value's first line may be more indented than the block: compare to find the block's.
    first_line = value.split("\n", 1)[0]
    own_indent = len(first_line) - len(first_line.lstrip(" "))
    indent = indents[0] - own_indent if first_line.strip() else min(indents)
    return first + row + 1, indent + column + 1


def _by_occurrence(
    source: Source, node: yaml.Node, value: str, offset: int, length: int
) -> tuple[int, int] | None:
    """Find the same occurrence of the same text in what the file holds between the marks."""
    start, end = _offset(source, node.start_mark), _offset(source, node.end_mark)
    raw = source.text[start:end]
    needle = value[offset : offset + length]
    occurrence = value.count(needle, 0, offset)
    if needle in "'\"" and getattr(node, "style", None) == needle:
        return None
    at = -1
    for _ in range(occurrence + 1):
        at = raw.find(needle, at + 1)
        if at < 0:
            return None
    before = source.text[: start + at]
    return before.count("\n") + 1, start + at - (before.rfind("\n") + 1) + 1


def _offset(source: Source, mark: Any) -> int:
    """Return the character offset of *mark*; the C parser counts bytes on some platforms."""
    position = 0
    for _ in range(mark.line):
        position = source.text.index("\n", position) + 1
    return position + int(mark.column)
