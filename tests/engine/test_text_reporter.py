"""Diagnostics for people: place, message, source line with carets, related places, hint."""

from dataclasses import replace
from pathlib import Path

import pytest

from slo.diagnostics import Diagnostic, Severity, Span
from slo.engine.reporters import text
from slo.source import Source

SPEC = Source("specs/shop.yaml", "version: slo/v1\nslos:\n  - objective: 1999\n")
VALUE = Span("specs/shop.yaml", 3, 16, 3, 20)


def diagnostic(span: Span = VALUE, **more: object) -> Diagnostic:
    return Diagnostic("SLO201", Severity.ERROR, "too high", span, **more)  # type: ignore[arg-type]


def printed(*found: Diagnostic, source: Source | None = SPEC, color: bool = False) -> list[str]:
    return list(text.lines(found, {source.path: source} if source else {}, color))


def test_the_place_is_marked_in_its_line() -> None:
    assert [
        "specs/shop.yaml:3:16: error[SLO201]: too high",
        "    3 |   - objective: 1999",
        "      |                ^^^^",
        "",
    ] == printed(diagnostic())


def test_the_hint_follows_the_excerpt() -> None:
    assert "  hint: write 99.9" == printed(diagnostic(hint="write 99.9"))[3]


def test_related_places_are_shown_with_their_line() -> None:
    related = (("first written here", Span("specs/shop.yaml", 1, 1, 1, 8)),)

    assert [
        "  specs/shop.yaml:1:1: first written here",
        "    1 | version: slo/v1",
        "      | ^^^^^^^",
    ] == printed(diagnostic(related=related))[3:6]


def test_a_file_that_could_not_be_read_has_no_excerpt() -> None:
    assert ["specs/shop.yaml:3:16: error[SLO201]: too high", ""] == printed(
        diagnostic(), source=None
    )


def test_a_place_behind_the_end_has_no_excerpt() -> None:
    assert 2 == len(printed(diagnostic(Span("specs/shop.yaml", 99, 1, 99, 2))))


def test_a_place_at_the_end_of_a_line_is_one_caret() -> None:
    assert "      |                    ^" == printed(diagnostic(Span(SPEC.path, 3, 20, 3, 21)))[2]


def test_a_place_over_several_lines_is_marked_to_the_end_of_its_first() -> None:
    assert "      |   ^^^^^^^^^^^^^^^^^" == printed(diagnostic(Span(SPEC.path, 3, 3, 4, 2)))[2]


def test_a_tab_takes_one_column_so_that_carets_stand_below_their_text() -> None:
    source = Source("t.yaml", "\tkey: x\n")

    assert ["    1 |  key: x", "      |       ^"] == printed(
        diagnostic(Span("t.yaml", 1, 7, 1, 8)), source=source
    )[1:3]


@pytest.mark.parametrize("column", [1, 150, 161, 500, 999])
def test_a_long_line_is_cut_around_the_place(column: int) -> None:
    source = Source("l.yaml", "x" * (column - 1) + "!" + "x" * (1000 - column))

    _, row, marks, _ = printed(diagnostic(Span("l.yaml", 1, column, 1, column + 1)), source=source)

    assert len(row) <= 170
    assert "!" == row[marks.index("^")]


def test_severities_are_named() -> None:
    found = diagnostic()

    assert ": warning[SLO201]: " in printed(replace(found, severity=Severity.WARNING))[0]


def test_colours_are_only_added() -> None:
    plain, painted = printed(diagnostic(hint="h")), printed(diagnostic(hint="h"), color=True)

    assert "\x1b[1;31merror[SLO201]\x1b[0m" in painted[0]
    assert plain == [_without_colour(line) for line in painted]


def _without_colour(line: str) -> str:
    for code in ("0", "1", "2", "31", "1;31", "1;36"):
        line = line.replace(f"\x1b[{code}m", "")
    return line


def test_a_path_below_the_working_directory_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside, outside = Span(str(tmp_path / "a.yaml")), Span(str(tmp_path.parent / "b.yaml"))

    assert printed(diagnostic(inside))[0].startswith("a.yaml:1:1: ")
    assert printed(diagnostic(outside))[0].startswith(f"{tmp_path.parent}/b.yaml:1:1: ")


def test_the_summary_counts_each_severity() -> None:
    error = diagnostic()

    assert "2 errors, 1 warning" == text.summary(
        [error, replace(error, severity=Severity.WARNING), error]
    )
