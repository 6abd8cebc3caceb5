"""The documentation is true: its commands run, its outputs are current, its links lead on."""

import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# A block of commands; `$ ` starts one, a comment `# exit N` at its end names another exit code.
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A block that must equal the output of the command in the comment above it.
OUTPUT = re.compile(r"^<!-- output of: (.+?) -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
YAML_BLOCK = re.compile(r"^```yaml\n(version: slo/v1\n.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def _ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


# Their `slo test` runs promtool over many days.
SLOW_PAGES = ("README.md", "docs/ci.md", "docs/first-objective.md")


def _pages_with_commands() -> list[ParameterSet]:
    pages = [page for page in PAGES if CONSOLE.search(page.read_text())]
    return [
        pytest.param(page, id=_ids(page), marks=[pytest.mark.slow] * (_ids(page) in SLOW_PAGES))
        for page in pages
    ]


def _run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command, comments=True)
    assert words[0] == "slo", f"only slo is run from the documentation, not {words[0]}"
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "slo.engine.cli", *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Return a folder that holds the examples, as a checkout does."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


@pytest.mark.parametrize("page", _pages_with_commands())
def test_commands_of_a_page_run(page: Path, workplace: Path) -> None:
    for block in CONSOLE.findall(page.read_text()):
        for line in block.splitlines():
            if not line.startswith("$ "):
                continue
            command = line.removeprefix("$ ")
            if " test " in f" {command} " and shutil.which("promtool") is None:
                pytest.skip("promtool is missing")
            wanted = re.search(r"# exit (\d+)", command)
            result = _run(command, workplace)

            assert (int(wanted.group(1)) if wanted else 0) == result.returncode, (
                f"{command}\n{result.stdout}{result.stderr}"
            )


@pytest.mark.parametrize("page", [p for p in PAGES if OUTPUT.search(p.read_text())], ids=_ids)
def test_outputs_of_a_page_are_current(
    page: Path, workplace: Path, request: pytest.FixtureRequest
) -> None:
    text = page.read_text()

    def current(match: re.Match[str]) -> str:
        result = _run(match.group(1), workplace)
        assert 0 == result.returncode, result.stderr
        head = match.group(0)[: match.start(2) - match.start(0)]
        return f"{head}{result.stdout}```"

    renewed = OUTPUT.sub(current, text)
    if renewed != text and request.config.getoption("--update-golden", default=False):
        page.write_text(renewed)
    difference = "\n".join(
        difflib.unified_diff(text.splitlines(), renewed.splitlines(), lineterm="")
    )

    assert "" == difference


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_links_of_a_page_lead_to_files(page: Path) -> None:
    targets = [t for t in LINK.findall(page.read_text()) if "://" not in t]
    missing = [t for t in targets if not (page.parent / t).exists()]

    assert [] == missing


@pytest.mark.parametrize("page", [p for p in PAGES if YAML_BLOCK.search(p.read_text())], ids=_ids)
def test_complete_specs_of_a_page_are_valid(page: Path, tmp_path: Path) -> None:
    for number, spec in enumerate(YAML_BLOCK.findall(page.read_text())):
        (tmp_path / f"{number}.yaml").write_text(spec)
        result = _run(f"slo validate {number}.yaml", tmp_path)

        assert 0 == result.returncode, result.stderr
