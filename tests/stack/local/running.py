"""Run a whole stack in a folder of its own, for tests."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from slo.stack.components.ports import DOCTOR_PORT, PORTS
from slo.stack.supervisor.folder import StackFolder

__all__ = ["TestStack", "is_alive", "running_service", "until"]

SPEC = """\
version: slo/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    indicator:
      http_availability:
        metric: http_requests_total
        selector: {job: shop}
        status_label: code
"""
SETTINGS = """\
version: slo/v1
kind: Stack
name: NAME
port_offset: OFFSET
without: [grafana, loki, jaeger, collector]
"""
_PARTS = tuple(part for part in PORTS if part not in ("grafana", "loki", "jaeger", "postgres"))


def until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Return what *condition* gives once that is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    """Tell whether *pid* runs; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _free_offset() -> int:
    """Return an offset with which all ports of the stack are free, below those of clients."""
    numbers = [number for part in _PARTS for number in PORTS[part].values()] + [DOCTOR_PORT]
    while True:
        offset = random.randrange(1_000, 22_000)
        try:
            for number in numbers:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number + offset))
        except OSError:
            continue
        return offset


class TestStack:
    """Hold the folder of a stack, and run `slo stack` on it."""

    __test__ = False

    def __init__(self, folder: Path, name: str = "tested") -> None:
        self.folder = folder
        self.offset = _free_offset()
        self.settings = folder / "slostack.yaml"
        self.text = SETTINGS.replace("NAME", name).replace("OFFSET", str(self.offset))
        self.settings.write_text(self.text)
        self.spec = folder / "specs" / "shop.yaml"
        self.spec.parent.mkdir(exist_ok=True)
        self.spec.write_text(SPEC)
        self.own = StackFolder(folder / "data")

    def add(self, settings: str) -> None:
        """Add lines to the settings."""
        self.settings.write_text(self.text + settings)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `slo stack` with *arguments*."""
        return subprocess.run(
            [sys.executable, "-m", "slo.engine.cli", "stack", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=180,
            env={**os.environ, "NO_COLOR": "1", **environment},
        )

    def up(self, *arguments: str) -> str:
        """Bring it up, and return what was said."""
        done = self.run("up", *arguments)
        assert 0 == done.returncode, done.stderr + self.logs()
        return done.stderr

    def status(self) -> dict[str, Any]:
        """Return its parts by name, as `status` prints them."""
        done = self.run("status", "--format", "json")
        return {part["name"]: part for part in json.loads(done.stdout)["parts"]}

    def pids(self) -> dict[str, int]:
        """Return the processes of its parts by name."""
        return {name: part["pid"] for name, part in self.status().items()}

    def doctor(self, *arguments: str) -> dict[str, list[dict[str, Any]]]:
        """Return the findings of the doctor by check."""
        done = self.run("doctor", "--format", "json", *arguments)
        assert done.stdout, done.stderr
        found: dict[str, list[dict[str, Any]]] = {}
        for finding in json.loads(done.stdout)["findings"]:
            found.setdefault(finding["check"], []).append(finding)
        return found

    def verdicts(self, *checks: str, arguments: tuple[str, ...] = ()) -> dict[str, set[str]]:
        """Return the verdicts of the doctor by check."""
        only = [word for check in checks for word in ("--only", check)]
        found = self.doctor(*only, *arguments)
        return {check: {f["verdict"] for f in findings} for check, findings in found.items()}

    def url(self, part: str) -> str:
        """Return where a part is reached."""
        return f"http://127.0.0.1:{PORTS[part]['http'] + self.offset}"

    def supervisor(self) -> int:
        """Return the process of the supervisor."""
        found: int = json.loads(self.own.state_file.read_text())["supervisor"]
        return found

    def logs(self) -> str:
        """Return the ends of all logs."""
        return "".join(
            f"\n--- {log.name}\n{log.read_text()[-1500:]}" for log in self.own.logs.glob("*.log")
        )

    def end(self) -> None:
        """Stop everything, however it stands."""
        self.settings.write_text(self.text)
        self.run("down")
        if self.own.state_file.exists():
            for part in json.loads(self.own.state_file.read_text())["parts"]:
                if part["pid"] and is_alive(part["pid"]):
                    os.killpg(part["pid"], signal.SIGKILL)


class _Metrics(BaseHTTPRequestHandler):
    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 100
        lines = [
            f'http_requests_total{{code="200"}} {self.requests}',
            f'http_requests_total{{code="500"}} {self.requests // 1000}',
        ]
        body = "\n".join([*lines, ""]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def running_service() -> Iterator[str]:
    """Serve metrics of a service that gets traffic, and yield its `host:port`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metrics)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
