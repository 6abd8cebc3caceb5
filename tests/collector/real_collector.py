"""Find a real collector, and let it judge configurations."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

__all__ = ["find_collector", "validate"]

_FILE = re.compile(r"\$\{file:([^}]+)\}")
_FOLDER = re.compile(r"(?m)^(\s*directory: ).*$")


def find_collector() -> str:
    """Return the program: that of the variable COLLECTOR, or the one that was built here."""
    named = os.environ.get("COLLECTOR")
    if named:
        return named
    built = sorted((Path.home() / ".cache" / "slostack").glob("otelcol-*/otelcol"))
    if not built:
        pytest.skip("no collector was built here, and COLLECTOR names none")
    return str(built[-1])


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
    argv = [find_collector(), "validate", f"--config={path}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"
