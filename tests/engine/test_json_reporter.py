"""Diagnostics for programs: one JSON document with every field."""

import json
from typing import Any

from slo.diagnostics import Diagnostic, Severity, Span
from slo.engine.reporters import json as reporter


def parsed(*found: Diagnostic) -> Any:
    return json.loads("\n".join(reporter.lines(found)))


def test_nothing_found_is_an_empty_list() -> None:
    assert {"diagnostics": []} == parsed()


def test_every_field_is_there() -> None:
    found = Diagnostic(
        "SLO401",
        Severity.ERROR,
        "SLO id `shop-a` is taken",
        Span("b.yaml", 4, 11, 4, 12),
        "rename one",
        (("first declared here", Span("a.yaml", 2, 3, 2, 4)),),
    )

    assert {
        "diagnostics": [
            {
                "code": "SLO401",
                "severity": "error",
                "message": "SLO id `shop-a` is taken",
                "file": "b.yaml",
                "line": 4,
                "column": 11,
                "end_line": 4,
                "end_column": 12,
                "hint": "rename one",
                "related": [
                    {
                        "message": "first declared here",
                        "file": "a.yaml",
                        "line": 2,
                        "column": 3,
                        "end_line": 2,
                        "end_column": 4,
                    }
                ],
            }
        ]
    } == parsed(found)


def test_a_missing_hint_is_null() -> None:
    (found,) = parsed(Diagnostic("SLO208", Severity.WARNING, "m", Span("a")))["diagnostics"]

    assert found["hint"] is None
    assert [] == found["related"]
    assert "warning" == found["severity"]


def test_text_of_the_spec_cannot_break_the_document() -> None:
    message = 'unknown key `"}]\n\x1b[31m ä🔥`'

    assert (
        message
        == parsed(Diagnostic("SLO101", Severity.ERROR, message, Span("a")))["diagnostics"][0][
            "message"
        ]
    )


def test_the_order_is_kept() -> None:
    found = [Diagnostic(code, Severity.ERROR, "m", Span("a")) for code in ("SLO301", "SLO101")]

    assert ["SLO301", "SLO101"] == [d["code"] for d in parsed(*found)["diagnostics"]]
