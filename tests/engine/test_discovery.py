from __future__ import annotations

import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from slo.diagnostics import Diagnostic
from slo.engine.discovery import discover, read_input
from slo.source import MAX_BYTES, Source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.yaml",
        "a.yml",
        "sub/c.yaml",
        ".hidden.yaml",
        ".git/d.yaml",
        "notes.txt",
        "sub/.e/f.yaml",
    ):
        path = tmp_path / "specs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a: 1\n")
    return tmp_path / "specs"


class TestDiscover:
    def test_a_folder_is_searched_for_visible_yaml_in_order(self, folder: Path) -> None:
        inputs, problems = discover([str(folder)])

        assert ["a.yml", "b.yaml", "sub/c.yaml"] == [i.relative for i in inputs]
        assert str(folder / "sub" / "c.yaml") == inputs[2].shown
        assert [] == problems

    def test_a_named_file_is_taken_whatever_its_name(self, folder: Path) -> None:
        inputs, problems = discover([str(folder / "notes.txt"), str(folder / ".hidden.yaml")])

        assert ["notes.txt", ".hidden.yaml"] == [i.relative for i in inputs]
        assert [] == problems

    def test_files_that_are_named_twice_are_read_once(self, folder: Path) -> None:
        inputs, _ = discover([str(folder), str(folder / "b.yaml"), f"{folder}/./b.yaml"])

        assert 3 == len(inputs)

    @pytest.mark.parametrize(
        ("pattern", "left"),
        [
            ("b.yaml", ["a.yml", "sub/c.yaml"]),
            ("*.yaml", ["a.yml"]),
            ("sub/*", ["a.yml", "b.yaml"]),
            ("c.yaml", ["a.yml", "b.yaml"]),
            ("x*", ["a.yml", "b.yaml", "sub/c.yaml"]),
        ],
    )
    def test_patterns_leave_files_out(self, folder: Path, pattern: str, left: list[str]) -> None:
        inputs, _ = discover([str(folder)], [pattern])

        assert left == [i.relative for i in inputs]

    def test_a_named_file_is_never_left_out(self, folder: Path) -> None:
        assert 1 == len(discover([str(folder / "b.yaml")], ["*"])[0])

    def test_what_is_missing_is_told_with_the_rest(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        names = [str(tmp_path / "empty"), "no/such.yaml", str(folder / "b.yaml")]

        inputs, problems = discover(names)

        assert ["b.yaml"] == [i.relative for i in inputs]
        assert ["SLO008", "SLO001"] == [d.code for d in problems]
        assert names[:2] == [d.span.file for d in problems]

    def test_a_folder_of_excluded_files_is_told(self, folder: Path) -> None:
        assert ["SLO008"] == [d.code for d in discover([str(folder)], ["*"])[1]]

    def test_a_dash_is_standard_input(self) -> None:
        ((found,), problems) = discover(["-", "-"])

        assert ("<stdin>", "stdin.yaml", []) == (found.shown, found.relative, problems)


class TestReadInput:
    def read(self, path: Path) -> Source | Diagnostic:
        return read_input(discover([str(path)])[0][0])

    @pytest.mark.parametrize(
        "data",
        [b"a: \xc3\xa4\nb: 1\n", b"\xef\xbb\xbfa: \xc3\xa4\nb: 1\n", b"a: \xc3\xa4\r\nb: 1\r\n"],
    )
    def test_text_is_utf_8_with_or_without_mark_and_any_line_end(
        self, tmp_path: Path, data: bytes
    ) -> None:
        path = tmp_path / "a.yaml"
        path.write_bytes(data)

        assert Source(str(path), "a: ä\nb: 1\n") == self.read(path)

    def test_other_encodings_are_located(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yaml"
        path.write_bytes(b"a: 1\nb: gr\xf6\xdfe\n")

        found = self.read(path)

        assert isinstance(found, Diagnostic)
        assert ("SLO001", 2, 6) == (found.code, found.span.line, found.span.column)

    def test_a_file_that_vanished_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yaml"
        path.write_text("a: 1")
        (found,) = discover([str(path)])[0]
        path.unlink()

        problem = read_input(found)

        assert isinstance(problem, Diagnostic)
        assert ("SLO001", str(path)) == (problem.code, problem.span.file)

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
    def test_a_file_without_permission_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yaml"
        path.write_text("a: 1")
        path.chmod(0)

        problem = self.read(path)

        assert isinstance(problem, Diagnostic)
        assert "Permission denied" in problem.message

    def test_a_huge_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.yaml"
        with path.open("wb") as file:
            file.truncate(MAX_BYTES * 4)

        problem = self.read(path)

        assert isinstance(problem, Diagnostic)
        assert ("SLO003", str(path)) == (problem.code, problem.span.file)

    def test_standard_input_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"a: 1\n")))

        assert Source("<stdin>", "a: 1\n") == read_input(discover(["-"])[0][0])
