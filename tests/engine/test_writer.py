from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from slo.artifact import GENERATED, Artifact
from slo.engine.writer import Changes, Staging, compare, diff, write_artifacts
from slo.errors import OutputError

HEADER = f"{GENERATED} 1.0 from spec.yaml.\n"
FOLDERS = ("rules", "rules-tests")


def artifact(name: str, text: str = "one\n") -> Artifact:
    return Artifact(name, "rules", HEADER + text)


ONE, TWO = artifact("rules/one.yaml"), artifact("rules/two.yaml")


def files(folder: Path) -> dict[str, str]:
    """Return every file below *folder*, hidden ones too."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "out"


class TestWriting:
    def test_files_are_added_changed_and_left_alone(self, out: Path) -> None:
        assert Changes(("rules/one.yaml", "rules/two.yaml"), (), ()) == write_artifacts(
            [ONE, TWO], out, FOLDERS
        )
        changed = artifact("rules/two.yaml", "other\n")

        assert Changes((), ("rules/two.yaml",), ()) == write_artifacts([ONE, changed], out, FOLDERS)
        assert {"rules/one.yaml": ONE.text, "rules/two.yaml": changed.text} == files(out)

    def test_a_current_file_is_not_touched(self, out: Path) -> None:
        """Tools that watch the folder would reload for nothing."""
        write_artifacts([ONE], out, FOLDERS)
        os.utime(out / "rules" / "one.yaml", (1, 1))

        changes = write_artifacts([ONE], out, FOLDERS)

        assert not changes.any
        assert 1 == (out / "rules" / "one.yaml").stat().st_mtime

    def test_text_is_written_as_utf_8_with_line_feeds(self, out: Path) -> None:
        write_artifacts([artifact("rules/one.yaml", "größe\n")], out, FOLDERS)

        assert b"gr\xc3\xb6\xc3\x9fe\n" in (out / "rules" / "one.yaml").read_bytes()
        assert b"\r" not in (out / "rules" / "one.yaml").read_bytes()

    def test_nothing_but_the_artifacts_is_left(self, out: Path) -> None:
        write_artifacts([ONE, TWO], out, FOLDERS)

        assert ["rules"] == [path.name for path in out.iterdir()]


class TestStaleFiles:
    def test_our_own_are_removed(self, out: Path) -> None:
        write_artifacts([ONE, TWO], out, FOLDERS)

        changes = write_artifacts([ONE], out, FOLDERS)

        assert Changes((), (), ("rules/two.yaml",)) == changes
        assert {"rules/one.yaml"} == files(out).keys()

    @pytest.mark.parametrize(
        "name",
        [
            "rules/foreign.yaml",
            "rules/own.yml",
            "rules/deeper/own.yaml",
            "other/own.yaml",
            "own.yaml",
        ],
    )
    def test_foreign_ones_are_kept(self, out: Path, name: str) -> None:
        """Only YAML with our header, directly in a folder that this run makes, is ours."""
        path = out / name
        path.parent.mkdir(parents=True)
        path.write_text("groups: []\n" if "foreign" in name else HEADER)

        changes = write_artifacts([ONE], out, FOLDERS)

        assert () == changes.removed
        assert path.is_file()

    def test_folders_that_this_run_does_not_make_are_kept(self, out: Path) -> None:
        write_artifacts([ONE, artifact("rules-tests/one.yaml")], out, FOLDERS)

        write_artifacts([ONE], out, ("rules",))

        assert {"rules/one.yaml", "rules-tests/one.yaml"} == files(out).keys()


class TestAllOrNothing:
    def before(self, out: Path) -> dict[str, str]:
        write_artifacts([ONE, artifact("rules/stale.yaml")], out, FOLDERS)
        return files(out)

    def test_a_folder_in_the_way_is_named(self, out: Path) -> None:
        before = self.before(out)
        (out / "rules" / "two.yaml").mkdir()
        changed = artifact("rules/one.yaml", "new\n")

        with pytest.raises(OutputError, match=r"two\.yaml: is a folder.*nothing changed"):
            write_artifacts([changed, TWO], out, FOLDERS)

        assert before == files(out)

    def test_a_file_where_a_folder_is_needed_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("in the way")

        with pytest.raises(OutputError, match=r"out: "):
            write_artifacts([ONE], tmp_path / "out", FOLDERS)

        assert "in the way" == (tmp_path / "out").read_text()

    def test_a_file_in_place_of_a_sub_folder_is_named(self, out: Path) -> None:
        out.mkdir(parents=True)
        (out / "rules").write_text("in the way")

        with pytest.raises(OutputError, match=r"rules: .*nothing changed"):
            write_artifacts([ONE], out, FOLDERS)

        assert {"rules": "in the way"} == files(out)

    @pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
    def test_a_folder_without_permission_is_named(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)

        with pytest.raises(OutputError, match="Permission denied"):
            write_artifacts([ONE], tmp_path / "out", FOLDERS)

    def test_a_full_disk_while_staging_changes_nothing(
        self, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = self.before(out)
        real = Path.write_bytes

        def write(path: Path, data: bytes) -> int:
            if "two" in path.name:
                raise OSError(28, "No space left on device", str(path))
            return real(path, data)

        monkeypatch.setattr(Path, "write_bytes", write)
        with pytest.raises(OutputError, match=r"two\.yaml: No space left.*nothing changed"):
            write_artifacts([artifact("rules/one.yaml", "new\n"), TWO], out, FOLDERS)

        assert before == files(out)

    def failing_replace(self, at: int) -> Callable[[str, Path], None]:
        real, calls = os.replace, iter(range(100))

        def replace(source: str, target: Path) -> None:
            if next(calls) == at:
                raise OSError(5, "Input/output error", source, None, str(target))
            real(source, target)

        return replace

    def test_a_first_rename_that_fails_changes_nothing(
        self, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = self.before(out)
        monkeypatch.setattr(os, "replace", self.failing_replace(0))

        with pytest.raises(OutputError, match=r"two\.yaml: Input/output error; nothing changed"):
            write_artifacts([ONE, TWO], out, FOLDERS)

        assert before == files(out)

    def test_a_later_rename_that_fails_is_told(
        self, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between two renames a disk can still fail; each file is old or new, never half."""
        self.before(out)
        monkeypatch.setattr(os, "replace", self.failing_replace(1))
        new = artifact("rules/one.yaml", "new\n")

        with pytest.raises(OutputError, match=r"two\.yaml: .*; 1 of 2 files are new"):
            write_artifacts([new, TWO], out, FOLDERS)

        assert new.text == files(out)["rules/one.yaml"]
        assert {"rules/one.yaml", "rules/stale.yaml"} == files(out).keys()

    def test_an_exception_while_compiling_leaves_no_trace(self, out: Path) -> None:
        with pytest.raises(KeyError), Staging(out) as staging:
            staging.stage(ONE)
            raise KeyError

        assert not out.exists()

    def test_a_folder_that_was_there_stays(self, out: Path) -> None:
        out.mkdir(parents=True)
        with Staging(out) as staging:
            staging.stage(ONE)

        assert [] == list(out.iterdir())


class TestComparing:
    def test_a_current_folder_does_not_differ(self, out: Path) -> None:
        write_artifacts([ONE], out, FOLDERS)

        assert not compare([ONE], out, FOLDERS).any

    def test_every_kind_of_difference_is_found_and_nothing_written(self, out: Path) -> None:
        write_artifacts([ONE, TWO], out, FOLDERS)
        before = files(out)
        wanted = [artifact("rules/one.yaml", "new\n"), artifact("rules/three.yaml")]

        changes = compare(wanted, out, FOLDERS)

        assert Changes(("rules/three.yaml",), ("rules/one.yaml",), ("rules/two.yaml",)) == changes
        assert before == files(out)
        lines = list(diff(wanted, out, changes))
        assert "--- a/rules/one.yaml" in lines
        assert {"-one", "+new"} <= set(lines)
        assert "+++ b/rules/three.yaml" in lines
        assert "--- a/rules/two.yaml" in lines

    def test_a_missing_folder_lacks_everything(self, out: Path) -> None:
        assert Changes(("rules/one.yaml",), (), ()) == compare([ONE], out, FOLDERS)
        assert not out.exists()
