"""Compiled output stays as it is, byte for byte, until somebody decides otherwise."""

import difflib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slo.engine.cli import main
from slo.version import __version__

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/spec.yaml"))
# Every option of a case has one value; the options are given in another order as well.
OPTION_LENGTH = 2


def _name(case: Path) -> str:
    return case.name


def arguments(case: Path) -> list[str]:
    return (case / "args").read_text("utf-8").splitlines()


def tree(folder: Path) -> dict[str, str]:
    """Return the files below *folder* by path; a release must not change them all."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        .decode("utf-8")
        .replace(__version__, "VERSION")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def difference(expected: dict[str, str], made: dict[str, str]) -> str:
    lines: list[str] = []
    for path in sorted({*expected, *made}):
        before, after = expected.get(path), made.get(path)
        if before is None:
            lines.append(f"unexpected file: {path}")
        elif after is None:
            lines.append(f"missing file: {path}")
        else:
            lines += difflib.unified_diff(
                before.splitlines(), after.splitlines(), f"expected/{path}", path, lineterm=""
            )
    return "\n".join(lines)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], dict[str, str]]:
    """Return a function that compiles a case and returns the files that it makes."""

    def function(case: Path) -> dict[str, str]:
        monkeypatch.chdir(case)
        with pytest.raises(SystemExit) as raised:
            main(["compile", "spec.yaml", "--out", str(tmp_path / "out"), *arguments(case)])
        assert raised.value.code == 0
        return tree(tmp_path / "out")

    return function


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_output_is_what_is_expected(
    case: Path, compiled: Callable[[Path], dict[str, str]], update_golden: bool
) -> None:
    made = compiled(case)
    folder = case / "expected"
    expected = tree(folder)
    if update_golden and made != expected:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in made.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode("utf-8"))
        pytest.fail(f"{case.name}/expected is rewritten: review it and run again")

    assert made
    assert expected == made, difference(expected, made)


def test_every_folder_is_a_case() -> None:
    folders = {p for p in Path(__file__).parent.iterdir() if p.is_dir() and p.name[0] not in "_."}

    assert folders == set(CASES)


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_output_depends_on_the_input_only(case: Path, tmp_path: Path) -> None:
    given = arguments(case)
    options = [given[i : i + OPTION_LENGTH] for i in range(0, len(given), OPTION_LENGTH)]
    made = []
    for seed, order in (("0", options), ("4711", options[::-1])):
        folder = tmp_path / seed
        words = [word for option in order for word in option]
        words += ["--quiet", "--out", str(folder)]
        subprocess.run(
            [sys.executable, "-m", "slo.engine.cli", "compile", *words, "spec.yaml"],
            cwd=case,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            timeout=60,
        )
        made.append(tree(folder))

    assert made[0] == made[1], difference(made[0], made[1])
