"""Run the queries of indicators over made-up raw series, by promtool's own engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest


@cache
def version_of(program: str) -> int:
    run = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    found = re.search(r"version (\d+)\.", run.stdout + run.stderr)
    # A build from source may not know its version; only new ones are built from source here.
    return int(found.group(1)) if found else 3


@pytest.fixture(scope="session")
def promtool() -> str:
    """Return the path of promtool."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is missing")
    return found


@pytest.fixture(scope="session")
def promtool_3() -> str:
    """Return a promtool that knows native histograms in tests, and UTF-8 names."""
    built = Path(os.environ.get("PROMETHEUS3", ""), "promtool")
    for found in (str(built), shutil.which("promtool")):
        if found and Path(found).is_file() and version_of(found) >= 3:
            return found
    pytest.skip("needs promtool 3: `make test-prometheus3` builds it")
