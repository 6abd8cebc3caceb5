"""Let a real collector judge configurations."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.collector_run.running import PROGRAM

__all__ = ["validate"]

_FILE = re.compile(r"\$\{file:([^}]+)\}")
_FOLDER = re.compile(r"(?m)^(\s*directory: ).*$")


def validate(text: str, folder: Path) -> str:
    """
    Return what a real collector has to say against a configuration; nothing if it takes it.

    Args:
        folder: Stands in for the folders of queues and secrets, which the collector looks for.
    """
    secret = folder / "secret"
    secret.write_text("secret")
    text = _FILE.sub(f"${{file:{secret}}}", text)
    path = folder / "config.yaml"
    path.write_text(_FOLDER.sub(rf"\g<1>{folder}", text), "utf-8")
    argv = [PROGRAM, "validate", f"--config={path}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"
