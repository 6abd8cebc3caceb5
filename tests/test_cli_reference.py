"""The command-line reference is generated from `--help` and cannot drift from it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slo.engine import cli

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
_HEAD = """\
# Command line

Made from `slo COMMAND --help`. Exit codes are 0 fine, 1 problems found, 2 wrong usage. `NO_COLOR`
turns colour off. Completion for your shell: `_SLO_COMPLETE=bash_source slo` (or `zsh_source`,
`fish_source`) prints the script to load.
"""


def _help(*command: str) -> str:
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100"}
    result = subprocess.run(
        [sys.executable, "-m", "slo.engine.cli", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return result.stdout


def test_page_is_what_help_prints(request: pytest.FixtureRequest) -> None:
    parts = [_HEAD, f"```text\n{_help()}```\n"]
    for name in cli._COMMANDS:
        parts.append(f"## slo {name}\n```text\n{_help(name)}```\n")
    wanted = "\n".join(parts)
    current = PAGE.read_text() if PAGE.exists() else ""
    if wanted != current and request.config.getoption("--update-golden", default=False):
        PAGE.write_text(wanted)

    assert wanted == current
