"""The demo shows every step, and says so by its exit status."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from slo.stack.targets.local_programs import find

pytestmark = pytest.mark.journey
needs_servers = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("prometheus-alertmanager")),
    reason="needs the Debian packages prometheus and prometheus-alertmanager",
)

# A shell starts programs in the background with Ctrl-C ignored, and so would the tests.
IN_THE_FOREGROUND = """
import signal, sys
from slo.engine.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["slo", "demo"]
sys.exit(main())
"""

# In the order in which they must be seen.
# Seen only where there is a collector; each comes after the step before it.
WITH_COLLECTOR = (
    r"collector +http://127\.0\.0\.1:\d+ +takes a span and a log line of every request",
    r"the collectors counted errors in 0\.0% of the spans, 0\.0% of the logs",
    r"the collectors counted errors in [1-9]\d*\.\d% of the spans, [1-9]\d*\.\d% of the logs",
    r"error budget \d+\.\d% by the spans, \d+\.\d% by the logs",
    r"ok +spans +a span went from agent to gateway",
    r"the doctor found nothing wrong: exit code 0",
)
WITHOUT_COLLECTOR = (
    r"left out +spans and logs: this machine has no collector",
    r"to have it +run `scripts/build-collector`",
    r"traffic +50 requests a second",
)

STEPS = (
    r"\d+ files from \d+ lines of YAML",
    r"\$ slo stack up --foreground --settings /\S+/slostack\.yaml &",
    r"ok  alertmanager +http://127\.0\.0\.1:\d+ ",
    r"the compiled rules: \d+ recording, \d+ alerting",
    r"engine +http://127\.0\.0\.1:\d+ ",
    r"board +http://127\.0\.0\.1:\d+/ ",
    r"\$ slo token create anna --scope write ",
    r"no errors, error budget .+, page alert inactive",
    r"\$ slo gate shop --engine http://127\.0\.0\.1:\d+\n",
    r"ALLOW +shop to production",
    r"the gate says allow: exit code 0",
    r"page alert pending",
    r"page alert firing, \d+ s after the fault",
    r"the webhook of team storefront received:",
    r"title +\S.*",
    r"summary +\S.*",
    r"description +\S.*",
    r"error budget fell from .+ to .+",
    r"DENY +shop to production",
    r"deny +A page of shop/availability fires",
    r"the gate says deny: exit code 1",
    r"\$ slo status --engine http",
    r"warning +shop/availability ",
    r"page alert resolved, \d+ s after the repair",
    r"the webhook received the resolution:",
    r"status +resolved",
    r"the clients counted \d+ errors in [\d,]+ requests",
    r"error budget .+ by their count, .+ by the recorded rules",
    r"Prometheus at .+ hangs",
    r"slo gate: ALLOW, the numbers are fresh",
    r"slo gate: ALLOW, the numbers are old, but prove that budget is left",
    r"UNKNOWN +shop to production",
    r"the gate says unknown: exit code 3",
    r"who +anna",
    r"ALLOW +shop to production",
    r"allow +Overridden by anna",
    r"the gate says allow: exit code 0",
    r"Prometheus at .+ answers again",
    r"the override of anna has expired",
    r"ALLOW +shop to production",
    r"the gate says allow: exit code 0",
    r"\$ slo ledger verify sqlite:",
    r"the ledger holds the override and all decisions: \d+ allow, \d+ deny, \d+ unknown",
    r"\$ slo stack doctor --settings /\S+/slostack\.yaml",
    r"ok +rules +\d+ rules in \d+ groups, all as compiled",
    r"ok +delivery +an alert sent to Alertmanager reached its receiver",
    r"the doctor found nothing wrong: exit code 0",
    r"Every step was seen, in \d:\d\d\.",
)


def demo(environment: dict[str, str], limit_seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slo.engine.cli", "demo"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit_seconds,
        env=environment,
    )


def assert_seen(steps: Sequence[str], output: str) -> None:
    position = 0
    for step in steps:
        found = re.compile(step).search(output, position)
        assert found, f"not in the output, or not in this order: {step}\n{output}"
        position = found.end()


def without_keep() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "KEEP"}


@needs_servers
def test_every_step_is_seen() -> None:
    """The demo ends by itself within four minutes, with 0, having shown every step."""
    done = demo(without_keep(), 240)

    assert done.returncode == 0, done.stdout + done.stderr
    assert_seen(STEPS, done.stdout)
    assert_seen(WITH_COLLECTOR if find("otelcol") else WITHOUT_COLLECTOR, done.stdout)
    assert "\033" not in done.stdout
    assert done.stderr == ""


@needs_servers
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_behind(number: signal.Signals, tmp_path: Path) -> None:
    """Without a collector the demo runs as well; Ctrl-C and SIGTERM end all that it started."""
    environment = without_keep() | {"XDG_CACHE_HOME": "/nonexistent", "TMPDIR": str(tmp_path)}
    if any(shutil.which(name) for name in ("otelcol", "otelcol-slostack", "otelcol-contrib")):
        pytest.skip("a collector is on the PATH")
    with subprocess.Popen(
        [sys.executable, "-c", IN_THE_FOREGROUND],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        output = ""
        for line in process.stdout:
            output += line
            if "Healthy" in line:
                break
        assert_seen(WITHOUT_COLLECTOR, output)
        assert running_in(tmp_path)
        process.send_signal(number)
        output += process.stdout.read()

        assert process.wait(90) == (130 if number is signal.SIGINT else 143), output
    assert running_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def running_in(folder: Path) -> list[str]:
    """Return the command lines of all processes that name *folder*."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            text = path.read_bytes().replace(b"\0", b" ").decode()
            if str(folder) in text:
                found.append(text)
    return found


def test_missing_program_is_named() -> None:
    """Without Prometheus the demo ends with 1 at once and says what to install."""
    done = demo(without_keep() | {"PATH": "/nonexistent"}, 30)

    assert done.returncode == 1
    assert "install the Debian package prometheus" in done.stderr
