"""Print diagnostics for programs: one JSON document with every field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from slo.diagnostics import Diagnostic, Span

__all__ = ["as_dict", "lines"]


def _span(span: Span) -> dict[str, Any]:
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def as_dict(diagnostic: Diagnostic) -> dict[str, Any]:
    """Return *diagnostic* as plain values."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        **_span(diagnostic.span),
        "hint": diagnostic.hint,
        "related": [{"message": message, **_span(span)} for message, span in diagnostic.related],
    }


def lines(diagnostics: Iterable[Diagnostic]) -> Iterator[str]:
    """Yield the lines of one JSON document."""
    document = {"diagnostics": [as_dict(d) for d in diagnostics]}
    yield from json.dumps(document, indent=2, ensure_ascii=False).split("\n")
