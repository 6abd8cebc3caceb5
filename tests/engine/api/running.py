"""Run `slo serve` as users do: a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAUSE = threading.Event()


class Engine:
    """Hold an engine that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log_file = log
        self.port = 0
        self.token: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def ask(
        self, path: str, body: Any = None, *, method: str | None = None, **headers: str
    ) -> tuple[int, Any]:
        """Return status and body, as JSON where it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        sent = None if body is None else json.dumps(body)
        if sent is not None:
            headers = {"Content-Type": "application/json", **headers}
        if self.token:
            headers = {"Authorization": f"Bearer {self.token}", **headers}
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, sent, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        is_json = "json" in (answer.getheader("content-type") or "")
        return answer.status, json.loads(text) if is_json else text.decode()

    def gate(self, service: str, **more: Any) -> dict[str, Any]:
        status, body = self.ask("/v1/gates/evaluate", {"service": service, **more})
        assert 200 == status, body
        found: dict[str, Any] = body
        return found

    def metric(self, name: str) -> float:
        for line in self.ask("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        raise AssertionError(name)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(30)


def arguments(folder: Path, *more: str, source: str = "http://127.0.0.1:9") -> list[str]:
    return [
        *(sys.executable, "-m", "slo.engine.cli", "serve", "--source", source),
        *("--ledger", f"sqlite:///{folder / 'ledger.db'}", "--log-format", "json"),
        *("--listen", "127.0.0.1:0", "--rate-limit", "0", "--interval", "2s", *more),
    ]


@contextmanager
def running(
    folder: Path,
    *more: str,
    source: str = "http://127.0.0.1:9",
    environment: Mapping[str, str] | None = None,
    name: str = "engine",
) -> Iterator[Engine]:
    """Run an engine; options that come later win."""
    path = folder / f"{name}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            arguments(folder, *more, source=source),
            stdout=log,
            stderr=log,
            env={**os.environ, **(environment or {})},
        )
    engine = Engine(process, path)
    try:
        engine.port = _port(engine)
        yield engine
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _port(engine: Engine) -> int:
    for _ in range(600):
        for line in engine.log.splitlines():
            if line.startswith("{") and '"serving"' in line:
                return int(json.loads(line)["url"].rpartition(":")[2])
        if engine.process.poll() is not None:
            raise AssertionError(engine.log)
        PAUSE.wait(0.05)
    raise AssertionError(f"it did not start: {engine.log}")


def eventually(holds: Any, seconds: float = 30.0) -> bool:
    """Tell whether *holds* comes to hold."""
    return any(holds() or PAUSE.wait(0.1) for _ in range(int(seconds * 10)))


def refused(folder: Path, *more: str) -> tuple[int, str]:
    """Return exit code and words of an engine that cannot start."""
    run = subprocess.run(
        arguments(folder, *more), capture_output=True, text=True, timeout=60, check=False
    )
    return run.returncode, run.stderr
