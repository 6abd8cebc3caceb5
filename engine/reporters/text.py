"""Print diagnostics for people: place, message, the source line with carets, and a hint."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from slo.concealment import MASK, concealed
from slo.diagnostics import Diagnostic, Severity, Span
from slo.source import Source

__all__ = ["lines", "summary"]

_COLORS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36"}
_LONGEST_LINE = 160
# The line holds a secret somewhere, or the place itself is one.
_WITHOUT_EXCERPT = frozenset(("SLO504",))
_MASKED = frozenset(("SLO703",))


def lines(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source], color: bool
) -> Iterator[str]:
    """Yield the lines to print for *diagnostics*, in their order."""
    for diagnostic in diagnostics:
        yield from _diagnostic(diagnostic, sources, color)


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """
    Return how many errors and warnings there are, in words.

    >>> summary([])
    'no problems'
    """
    found = list(diagnostics)
    counts = []
    for severity in (Severity.ERROR, Severity.WARNING, Severity.INFO):
        number = sum(d.severity is severity for d in found)
        if number:
            counts.append(f"{number} {severity.value}{'s' if number > 1 else ''}")
    return ", ".join(counts) or "no problems"


def _printable(text: str) -> str:
    """Return *text* without what would steer the terminal: a spec is somebody else's text."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _paint(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color else text


def _place(span: Span) -> str:
    return f"{_printable(_relative(span.file))}:{span.line}:{span.column}"


def _relative(name: str) -> str:
    if not Path(name).is_absolute():
        return name
    relative = os.path.relpath(name)
    return name if relative.startswith("..") else relative


def _diagnostic(
    diagnostic: Diagnostic, sources: Mapping[str, Source], color: bool
) -> Iterator[str]:
    code = _COLORS[diagnostic.severity]
    kind = _paint(f"{diagnostic.severity.value}[{diagnostic.code}]", f"1;{code}", color)
    yield f"{_paint(_place(diagnostic.span), '1', color)}: {kind}: {_printable(diagnostic.message)}"
    if diagnostic.code not in _WITHOUT_EXCERPT:
        masked = diagnostic.code in _MASKED
        yield from _excerpt(diagnostic.span, sources, code, color, masked=masked)
    for message, span in diagnostic.related:
        yield f"  {_place(span)}: {_printable(message)}"
        yield from _excerpt(span, sources, "36", color)
    if diagnostic.hint:
        yield f"  {_paint('hint:', '1;36', color)} {_printable(diagnostic.hint)}"
    yield ""


def _excerpt(
    span: Span,
    sources: Mapping[str, Source],
    code: str,
    color: bool,
    *,
    masked: bool = False,
) -> Iterator[str]:
    source = sources.get(span.file)
    if source is None:
        return
    rows = source.text.split("\n")
    if span.line > len(rows):
        return
    row = concealed(_printable(rows[span.line - 1].replace("\t", " ")))
    end = span.end_column if span.end_line == span.line else len(row) + 1
    start = span.column - 1
    if masked:
        row = row[:start] + MASK * len(row[start : end - 1]) + row[end - 1 :]
    # Keep the place visible in a line that is too long to print.
    cut = max(0, start - _LONGEST_LINE // 2) if len(row) > _LONGEST_LINE else 0
    shown = row[cut : cut + _LONGEST_LINE]
    width = max(1, min(end - span.column, len(shown) - (start - cut)))
    number = f"{span.line:>5}"
    yield f"{_paint(number + ' |', '2', color)} {shown}"
    yield f"{_paint('      |', '2', color)} {' ' * (start - cut)}{_paint('^' * width, code, color)}"
