"""`slo explain` prints the page of a code, or all codes with their titles."""

from collections.abc import Callable
from pathlib import Path

import pytest

import slo.explain
from slo.engine.cli import main
from slo.engine.commands.explain import page

PAGES = Path(slo.explain.__path__[0])

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `slo explain` and returns exit code and both outputs."""

    def function(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as raised:
            main(["explain", *arguments])
        captured = capsys.readouterr()
        return int(raised.value.code or 0), captured.out, captured.err

    return function


def test_a_code_prints_its_page(run: Run) -> None:
    assert (0, (PAGES / "SLO201.md").read_text("utf-8"), "") == run("SLO201")


def test_small_letters_will_do(run: Run) -> None:
    assert run("SLO201") == run("slo201")


@pytest.mark.parametrize(
    "code", ["SLO999", "201", "", "SLO201.md", "../explain/SLO201", "SLO*", "SLO2\n"]
)
def test_an_unknown_code_is_wrong_usage(run: Run, code: str) -> None:
    exit_code, out, err = run(code)

    assert (2, "") == (exit_code, out)
    assert f"error: no code `{code}`; `slo explain` lists all\n" == err


def test_without_a_code_all_are_listed_with_their_titles(run: Run) -> None:
    exit_code, out, err = run()

    assert (0, "") == (exit_code, err)
    rows = out.splitlines()
    assert sorted(path.stem for path in PAGES.glob("*.md")) == [row.split("  ")[0] for row in rows]
    assert "SLO201  the objective is out of range" in rows
    assert not [row for row in rows if "#" in row or len(row) > 80]


def test_a_page_that_does_not_exist_is_none() -> None:
    assert page("SLO999") is None
