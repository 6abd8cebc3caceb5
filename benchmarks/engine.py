"""
Measure what the engine answers while its metrics server works, hangs, and is gone.

A real Prometheus holds the recorded series of many SLOs; `slo serve` runs on one core and
another process on another core asks: at a steady rate, where the time of an answer counts from
when the question was due, and as fast as it answers. Prometheus hangs when it is stopped by
a signal: it takes connections and never answers. Then 1,000 clients listen and ask, and the
queries that Prometheus gets are counted.

`python benchmarks/engine.py` prints the tables and exits with 1 if a goal is missed;
`--write-docs` puts them into docs/serve.md. It takes three minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.docs import write_block
from refresh import load

from slo.stack.processes import find_program, free_ports

_ROOT = Path(__file__).parents[1]
_PAGE = _ROOT / "docs" / "serve.md"
_GOAL_RATE = 2_000
_GOAL_P99 = 0.025
_ANSWERING, _ASKING = "0", "1"
# Whatever else the machine does comes second, where the user may decide that.
_FIRST = ("nice", "-n", "-19")
# What is asked, how, at which rate latency is measured, and whether the goal of answers holds:
# a decision that is not like the last one is on disk before the answer goes out.
_QUESTIONS: list[tuple[str, list[str], int, bool]] = [
    ("how an SLO stands", ["--path", "/v1/slos/{service}/objective-0"], _GOAL_RATE, True),
    ("a gate, as pipelines repeat it", [], _GOAL_RATE, True),
    ("a gate, each a new decision", ["--distinct"], 200, False),
]


@contextlib.contextmanager
def prometheus(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Prometheus that takes remote writes, and yield its process."""
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    arguments = [
        find_program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
    try:
        wait_for(port, "/-/ready")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


@contextlib.contextmanager
def engine(folder: Path, port: int, server: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the engine on one core, and yield its process."""
    arguments = [
        *(*_FIRST, "taskset", "-c", _ANSWERING, sys.executable, "-m", "slo.engine.cli", "serve"),
        *("--source", f"http://127.0.0.1:{server}", "--listen", f"127.0.0.1:{port}"),
        *("--ledger", f"sqlite:///{folder / 'ledger.db'}", "--rate-limit", "0"),
        *("--interval", "10s", "--log-format", "json"),
    ]
    with (folder / "engine.log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
    try:
        wait_for(port, "/readyz")
        yield process
    finally:
        process.terminate()
        process.wait(30)


def wait_for(port: int, path: str) -> None:
    """Wait until a server answers 200."""
    for _ in range(600):
        with contextlib.suppress(OSError, http.client.HTTPException):
            if get(port, path)[0] == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"port {port} does not answer")


def get(port: int, path: str) -> tuple[int, bytes]:
    """Return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ask(port: int, process: subprocess.Popen[bytes], *more: str) -> dict[str, Any]:
    """Ask as *more* says, and return what was measured, with the engine's own time on a core."""
    program = _ROOT / "benchmarks" / "harness" / "http_load.py"
    command = [*_FIRST, "taskset", "-c", _ASKING, sys.executable, str(program)]
    command += ["--port", str(port), *more]
    before = cpu_seconds(process.pid)
    result: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, capture_output=True).stdout
    )
    result["cpu"] = cpu_seconds(process.pid) - before
    assert not result["broken"], result
    assert result["statuses"].keys() == {"200"}, result
    return result


def cpu_seconds(pid: int) -> float:
    """Return seconds that a process has spent on cores."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(port: int, process: subprocess.Popen[bytes], state: str, seconds: str) -> list[str]:
    """Return rows of the table, with Prometheus in *state*; note what misses a goal."""
    rows = []
    for what, more, steady_rate, counts in _QUESTIONS:
        steady = ask(port, process, "--seconds", seconds, "--rate", str(steady_rate), *more)
        most = ask(port, process, "--seconds", seconds, *more)
        rate = most["requests"] / most["seconds"]
        # What the machine gave to others in the meantime is not the engine's doing.
        share = most["cpu"] / (most["seconds"] + 2)
        rows.append(
            f"| {state} | {what} | {rate:,.0f} | {rate / max(share, 0.01):,.0f} | {steady_rate:,} "
            f"| {1000 * steady['p50']:.1f} ms | {1000 * steady['p99']:.1f} ms "
            f"| {1000 * steady['longest']:.0f} ms |"
        )
        print(rows[-1], flush=True)
        if counts and rate < _GOAL_RATE:
            _MISSED.append(f"{state}, {what}: {rate:.0f} answers a second")
        if steady["p99"] > _GOAL_P99:
            _MISSED.append(f"{state}, {what}: p99 {1000 * steady['p99']:.1f} ms")
    return rows


_MISSED: list[str] = []


def queries(server: int) -> float:
    """Return how many queries Prometheus has answered."""
    text = get(server, "/metrics")[1].decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("prometheus_http_requests_total{") and "/api/v1/query" in line
    )


def listen(port: int, clients: int) -> list[http.client.HTTPConnection]:
    """Open event streams."""
    opened = []
    for _ in range(clients):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/v1/events")
        assert connection.getresponse().status == 200
        opened.append(connection)
    return opened


def upstream(port: int, server: int, process: subprocess.Popen[bytes], seconds: int) -> list[str]:
    """Return rows of the table that shows what clients cost Prometheus."""
    rows = []
    for clients in (0, 1_000):
        streams = listen(port, clients)
        before = queries(server)
        asking = threading.Thread(
            target=lambda n=clients: (
                n and ask(port, process, "--connections", str(n), "--seconds", str(seconds - 3))
            )
        )
        asking.start()
        time.sleep(seconds)
        asking.join()
        asked = queries(server) - before
        rows.append(f"| {clients:,} | {asked / seconds * 60:.0f} |")
        print(rows[-1], flush=True)
        for stream in streams:
            stream.close()
    return rows


def main() -> int:
    """Print the tables; exit with 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--slos", type=int, default=1_000)
    parser.add_argument("--seconds", default="8")
    parser.add_argument("--write-docs", action="store_true")
    arguments = parser.parse_args()
    server, port = free_ports(2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with prometheus(folder, server) as upstream_process:
            load(f"http://127.0.0.1:{server}", arguments.slos)
            with engine(folder, port, server) as process:
                head = [
                    "| Prometheus | question | most answers a second | a whole core | asked at "
                    "| p50 | p99 | longest |",
                    "|---|---|---:|---:|---:|---:|---:|---:|",
                ]
                print("\n".join(head))
                rows = measure(port, process, "works", arguments.seconds)
                clients = upstream(port, server, process, 40)
                upstream_process.send_signal(signal.SIGSTOP)
                rows += measure(port, process, "hangs", arguments.seconds)
                upstream_process.send_signal(signal.SIGCONT)
                upstream_process.kill()
                upstream_process.wait()
                rows += measure(port, process, "is gone", arguments.seconds)
    if arguments.write_docs:
        write_block(_PAGE, "answers", [*head, *rows])
        table = ["| clients | queries a minute |", "|---:|---:|", *clients]
        write_block(_PAGE, "upstream", table)
    for missed in _MISSED:
        print(f"missed: {missed}", file=sys.stderr)
    return 1 if _MISSED else 0


if __name__ == "__main__":
    sys.exit(main())
