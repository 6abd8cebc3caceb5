"""From a server's recorded series through `slo serve` to the exit code of `slo gate`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from slo.stack.processes import free_ports

from .recorded import Recorded, recording

ROOT = Path(__file__).parents[3]
POLICY = ROOT / "examples" / "gates" / "production.yaml"
SLO = (sys.executable, "-m", "slo.engine.cli")
# Long enough for a machine that does other things as well.
START_SECONDS = 60.0

pytestmark = pytest.mark.servers


@contextmanager
def engine(folder: Path, source: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run an engine that has read *source*."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [
        *(*SLO, "serve", "--source", source, "--listen", url.removeprefix("http://")),
        *("--ledger", f"sqlite:///{folder}/ledger.db", "--policy", str(POLICY)),
    ]
    with (folder / "engine.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        ends = time.monotonic() + START_SECONDS
        while not _ready(url):
            assert process.poll() is None, (folder / "engine.log").read_text()
            assert time.monotonic() < ends, (folder / "engine.log").read_text()
            time.sleep(0.2)
        yield url, process
    finally:
        process.kill()
        process.wait()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def test_the_gate_answers_while_the_engine_lives_and_for_a_while_after(tmp_path: Path) -> None:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("SLO_")},
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "NO_COLOR": "1",
    }

    def gate(url: str, *arguments: str) -> tuple[int, str]:
        command = [*SLO, "gate", *arguments, "--engine", url, "--format", "json"]
        run = subprocess.run(command, capture_output=True, text=True, env=environment)
        (decision,) = json.loads(run.stdout)["decisions"]
        return run.returncode, decision["reasons"][0]["code"]

    # Neither a weekend nor a holiday of the policy must be in force when this test runs.
    elsewhere = ("-e", "staging")
    slos = (
        Recorded("checkout", "availability", 0.62),
        Recorded("search", "availability", -0.12, tier="internal"),
    )
    with (
        recording(tmp_path / "server", *slos) as recorder,
        engine(tmp_path, recorder.url) as (url, process),
    ):
        assert (0, "budget_ok") == gate(url, "checkout", *elsewhere)
        code, reason = gate(url, "search")
        assert 1 == code
        assert reason in ("budget_spent", "freeze")
        assert (0, "exempted") == gate(url, "search", "--cause", "security_fix", "--ref", "SEC-1")
        assert (3, "service_not_known") == gate(url, "chekout")
        process.send_signal(signal.SIGKILL)
        process.wait()
        away = ("--deadline", "2s")
        assert (0, "budget_ok") == gate(url, "checkout", *elsewhere, *away)
        assert 1 == gate(url, "search", *away)[0]
        assert (3, "engine_away") == gate(url, "checkout", "-e", "qa", *away)
