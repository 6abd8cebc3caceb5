"""Check that a tree is written whole, and keeps what people changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from slo.artifact import Artifact
from slo.errors import OutputError
from slo.stack.rendering import MANIFEST, compare_tree, diff_tree, write_tree


def files(**texts: str) -> list[Artifact]:
    return [Artifact(name.replace("__", "/"), "any", text) for name, text in texts.items()]


class TestWriteTree:
    def test_writes_everything_for_others_to_read(self, tmp_path: Path) -> None:
        before = os.umask(0o077)
        try:
            changes = write_tree(files(a="1", deep__b="2"), tmp_path / "out")
        finally:
            os.umask(before)

        assert ("a", "deep/b") == changes.added
        assert "2" == (tmp_path / "out/deep/b").read_text()
        assert 0o644 == stat.S_IMODE((tmp_path / "out/deep/b").stat().st_mode)
        assert 0o755 == stat.S_IMODE((tmp_path / "out/deep").stat().st_mode)

    def test_changes_nothing_the_second_time(self, tmp_path: Path) -> None:
        write_tree(files(a="1"), tmp_path)
        before = (tmp_path / "a").stat().st_mtime_ns, (tmp_path / MANIFEST).stat().st_mtime_ns

        assert not write_tree(files(a="1"), tmp_path).any
        assert before == (
            (tmp_path / "a").stat().st_mtime_ns,
            (tmp_path / MANIFEST).stat().st_mtime_ns,
        )

    def test_removes_what_it_makes_no_more_and_empty_folders(self, tmp_path: Path) -> None:
        write_tree(files(a="1", deep__er__b="2"), tmp_path)
        changes = write_tree(files(a="1"), tmp_path)

        assert ("deep/er/b",) == changes.removed
        assert {"a", MANIFEST} == {path.name for path in tmp_path.iterdir()}

    def test_leaves_other_peoples_files_alone(self, tmp_path: Path) -> None:
        write_tree(files(deep__a="1"), tmp_path)
        (tmp_path / "deep/mine").write_text("mine")
        write_tree([], tmp_path)

        assert "mine" == (tmp_path / "deep/mine").read_text()
        assert not (tmp_path / "deep/a").exists()

    def test_refuses_to_overwrite_what_somebody_changed(self, tmp_path: Path) -> None:
        write_tree(files(a="1", b="1"), tmp_path)
        (tmp_path / "a").write_text("edited")
        with pytest.raises(OutputError, match=r"(?s)a: not as it was written.*--force"):
            write_tree(files(a="2", b="2"), tmp_path)

        assert "edited" == (tmp_path / "a").read_text()
        assert "1" == (tmp_path / "b").read_text()

    def test_overwrites_it_when_told_to(self, tmp_path: Path) -> None:
        write_tree(files(a="1"), tmp_path)
        (tmp_path / "a").write_text("edited")
        write_tree(files(a="2"), tmp_path, force=True)

        assert "2" == (tmp_path / "a").read_text()

    def test_keeps_an_edited_file_that_it_makes_no_more(self, tmp_path: Path) -> None:
        write_tree(files(a="1"), tmp_path)
        (tmp_path / "a").write_text("edited")

        assert () == write_tree([], tmp_path).removed
        assert "edited" == (tmp_path / "a").read_text()

    def test_leaves_nothing_behind_when_it_cannot_write(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        with pytest.raises(OutputError):
            write_tree(files(a="1"), tmp_path)

        assert ["a"] == [path.name for path in tmp_path.iterdir()]

    def test_survives_a_damaged_manifest(self, tmp_path: Path) -> None:
        write_tree(files(a="1"), tmp_path)
        (tmp_path / MANIFEST).write_text("{")

        assert not write_tree(files(a="1"), tmp_path).any


class TestCompareTree:
    def test_shows_what_would_change(self, tmp_path: Path) -> None:
        write_tree(files(a="1\n", b="1\n"), tmp_path)
        wanted = files(a="2\n", c="1\n")
        changes = compare_tree(wanted, tmp_path)

        assert (("c",), ("a",), ("b",)) == (changes.added, changes.changed, changes.removed)
        lines = list(diff_tree(wanted, tmp_path, changes))
        assert "-1" in lines
        assert "+2" in lines
