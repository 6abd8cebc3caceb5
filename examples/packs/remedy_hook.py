"""
Receive alerts from Alertmanager and run one command for each that a list allows.

It is an example of a remedy that is safe by default: without `--run` it only writes down what
it would do. Commands stand in the list as they are; nothing of an alert becomes part of one.

    python remedy_hook.py remedies.json --token-file token --audit remedies.jsonl [--run]
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_LARGEST_BODY = 1024 * 1024
_HOUR = 3600.0
_READ_SECONDS = 10


@dataclass
class Remedy:
    """
    Allow one command for one alert.

    Args:
        labels: Values that the alert must have.
        per_hour: How often the command may run; then a human has to come.
    """

    alert: str
    command: list[str]
    labels: dict[str, str] = field(default_factory=dict)
    per_hour: int = 2
    timeout_seconds: float = 60.0

    def fits(self, labels: dict[str, Any]) -> bool:
        """Tell whether an alert with *labels* is the one that is meant."""
        wanted = {"alertname": self.alert, **self.labels}
        return all(labels.get(name) == value for name, value in wanted.items())


class Journal:
    """Write down every decision, and know after a restart what was done in the last hour."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.done: set[str] = set()
        self._runs: dict[str, deque[float]] = {}
        if path.exists():
            for line in path.read_text("utf-8").splitlines():
                self._remember(json.loads(line))

    def runs(self, remedy: Remedy) -> int:
        """Return how often the command of *remedy* was due within the last hour."""
        times = self._runs.setdefault(" ".join(remedy.command), deque())
        while times and times[0] < time.time() - _HOUR:
            times.popleft()
        return len(times)

    def write(self, **entry: Any) -> None:
        """Append *entry*; it is on disk when this returns."""
        entry = {"at": round(time.time(), 3), **entry}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._remember(entry)

    def _remember(self, entry: dict[str, Any]) -> None:
        self.done.add(entry["occurrence"])
        if entry["decision"] in ("run", "dry run"):
            times = self._runs.setdefault(" ".join(entry["command"]), deque())
            times.append(entry["at"])


class Hook:
    """Decide about alerts, one after the other."""

    def __init__(self, remedies: list[Remedy], journal: Journal, run: bool) -> None:
        self._remedies, self._journal, self._run = remedies, journal, run
        self._lock = threading.Lock()

    def receive(self, message: dict[str, Any]) -> None:
        """Handle one notification of Alertmanager (version 4 of its webhook)."""
        for alert in message["alerts"]:
            if alert["status"] != "firing":
                continue
            remedy = next((r for r in self._remedies if r.fits(alert["labels"])), None)
            if remedy is not None:
                with self._lock:
                    self._decide(remedy, alert)

    def _decide(self, remedy: Remedy, alert: dict[str, Any]) -> None:
        # Alertmanager repeats notifications: each occurrence of an alert is answered once.
        occurrence = f"{alert['fingerprint']} {alert['startsAt']}"
        if occurrence in self._journal.done:
            return
        about = {"alert": remedy.alert, "command": remedy.command, "occurrence": occurrence}
        if self._journal.runs(remedy) >= remedy.per_hour:
            self._journal.write(decision="too often", **about)
        elif not self._run:
            self._journal.write(decision="dry run", **about)
        else:
            # Written before it is run: a crash in between must not run it twice.
            self._journal.write(decision="run", **about)
            self._journal.write(decision="result", result=_outcome(remedy), **about)


def _outcome(remedy: Remedy) -> str:
    try:
        done = subprocess.run(
            remedy.command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=remedy.timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"stopped after {remedy.timeout_seconds:g}s"
    except OSError as error:
        return f"not started: {error.strerror or error}"
    return f"exit {done.returncode}"


def make_server(address: tuple[str, int], token: str, hook: Hook) -> ThreadingHTTPServer:
    """Return a server that hands notifications with the right token to *hook*."""
    expected = f"Bearer {token}"

    class Handler(BaseHTTPRequestHandler):
        timeout = _READ_SECONDS

        def do_POST(self) -> None:
            given = self.headers.get("Authorization", "")
            length = self.headers.get("Content-Length", "")
            if not hmac.compare_digest(given.encode(), expected.encode()):
                self._answer(401)
            elif not length.isdigit() or int(length) > _LARGEST_BODY:
                self._answer(413)
            else:
                self._receive(self.rfile.read(int(length)))

        def _receive(self, body: bytes) -> None:
            try:
                hook.receive(json.loads(body))
            except (ValueError, KeyError, TypeError, AttributeError):
                self._answer(400)
            except OSError:
                # Not written down, so not done; Alertmanager tries again.
                self._answer(503)
            else:
                self._answer(204)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    return ThreadingHTTPServer(address, Handler)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("remedies", type=Path, help="JSON file with the list of remedies")
    parser.add_argument("--token-file", type=Path, required=True, help="what callers must know")
    parser.add_argument("--audit", type=Path, required=True, help="file to append decisions to")
    parser.add_argument("--port", type=int, default=9095)
    parser.add_argument("--run", action="store_true", help="run commands, not only say so")
    given = parser.parse_args()
    remedies = [Remedy(**entry) for entry in json.loads(given.remedies.read_text("utf-8"))]
    hook = Hook(remedies, Journal(given.audit), given.run)
    token = given.token_file.read_text("utf-8").strip()
    if not token:
        sys.exit("error: the token file is empty")
    with make_server(("127.0.0.1", given.port), token, hook) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
