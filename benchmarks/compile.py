"""
Measure the compiler: a cold run on one file, and growth from 100 to 10,000 SLOs.

Run it with `python benchmarks/compile.py` in an environment where `slo` is installed. Every
figure is a fresh process with its output on disk: everything that a spec gives for the cold run,
rules and tests for the table, and rules, tests and dashboards for its last row.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SLOS_PER_FILE = 5
_RULES = ("--only", "rules", "--only", "tests")
_DASHBOARDS = (*_RULES, "--only", "dashboards")
_ROWS = ((100, _RULES), (1_000, _RULES), (10_000, _RULES), (10_000, _DASHBOARDS))

_SERVICE = """\
version: slo/v1
service: service-{number:05d}
owner: team-{team:02d}
tier: critical
runbook: https://runbooks.example.com/service-{number:05d}
slos:
"""
_SLO = """\
  - name: objective-{index}
    objective: 99.9
    description: Requests are answered.
    indicator:
      events:
        error: sum(rate(requests_total{{job="service-{number:05d}",code=~"5.."}}[{{{{.window}}}}]))
        total: sum(rate(requests_total{{job="service-{number:05d}"}}[{{{{.window}}}}]))
    alerting:
      name: ServiceErrors
      page:
        labels: {{severity: critical}}
      ticket:
        labels: {{severity: warning}}
"""


def write_specs(folder: Path, slos: int) -> None:
    """Write *slos* objectives, five to a file."""
    for number in range(slos // _SLOS_PER_FILE):
        parts = [_SERVICE.format(number=number, team=number % 40)]
        parts += [_SLO.format(number=number, index=i) for i in range(_SLOS_PER_FILE)]
        (folder / f"service-{number:05d}.yaml").write_text("".join(parts), "utf-8")


def run(arguments: list[str]) -> tuple[float, float]:
    """Return wall seconds and peak memory in MB of one run and its children."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "slo.engine.cli", *arguments], stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"slo {' '.join(arguments)} failed")
    return seconds, usage.ru_maxrss / 1024


def tree_memory(arguments: list[str]) -> float:
    """Return the peak of the summed memory of a run and its workers in MB, sampled."""
    process = subprocess.Popen(
        [sys.executable, "-m", "slo.engine.cli", *arguments], stderr=subprocess.DEVNULL
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(map(_memory, _tree(process.pid))))
        time.sleep(0.02)
    return peak


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        found = [int(child) for child in children.read_text().split()]
    except OSError:
        found = []
    return [pid, *(below for child in found for below in _tree(child))]


def _memory(pid: int) -> float:
    """Return the proportional set size, which counts shared pages once."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(row.split()[1]) / 1024 for row in lines if row.startswith("Pss:")), 0.0)


def _print_row(base: Path, slos: int, only: tuple[str, ...]) -> None:
    made = "dashboards" if only is _DASHBOARDS else "rules"
    specs, out = base / f"specs-{slos}", base / f"out-{slos}-{made}"
    if not specs.exists():
        specs.mkdir()
        write_specs(specs, slos)
    seconds, _ = run(["compile", str(specs), "-q", *only, "--out", str(out)])
    written = sum(path.stat().st_size for path in out.rglob("*.*")) / 1e6
    again = base / f"again-{slos}-{made}"
    memory = tree_memory(["compile", str(specs), "-q", *only, "--out", str(again)])
    print(
        f"| {slos:>6} | {slos // _SLOS_PER_FILE:>5} | {made:<10} | {seconds:>7.2f} "
        f"| {seconds * 1000 / slos:>10.2f} | {memory:>12.0f} | {written:>9.1f} |",
        flush=True,
    )


def main() -> None:
    """Print the figures as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="cold runs on one file")
    rounds = parser.parse_args().rounds
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        one = base / "one"
        one.mkdir()
        write_specs(one, _SLOS_PER_FILE)
        file = str(next(one.iterdir()))
        for made, only in (("everything", ()), ("rules and tests", _RULES)):
            arguments = ["compile", file, "-q", *only, "--out", str(base / "cold")]
            cold = [run(arguments)[0] for _ in range(rounds)]
            best, median = min(cold) * 1000, statistics.median(cold) * 1000
            print(
                f"one file, {_SLOS_PER_FILE} SLOs, cold process, {made}: best {best:.0f} ms, "
                f"median {median:.0f} ms of {rounds}   (goal 150 ms)"
            )
        print("\n|   SLOs | files | made       | seconds | ms per SLO | peak MB, all | output MB |")
        print("|-------:|------:|------------|--------:|-----------:|-------------:|----------:|")
        for slos, only in _ROWS:
            _print_row(base, slos, only)
        print("\ngoals at 10,000: under 6 s and 500 MB")


if __name__ == "__main__":
    main()
