"""Run a real PostgreSQL of our own: stopped, crashed and frozen at will."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psycopg
import pytest

from slo.stack.processes import LOOPBACK, free_ports

_STARTUP_SECONDS = 30.0
_STOP_SECONDS = 20.0
_LONGEST_FREEZE_SECONDS = 60.0
_USER = "postgres"


def programs() -> Path | None:
    """Return the folder of the newest server that Debian's packages have installed."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3])
    )
    return found[-1].parent if found else None


class Postgres:
    """Be one cluster; each test takes a schema or database of its own in it."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._folder, self._binaries = folder, binaries
        self._names = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._run(
            str(binaries / "initdb"),
            *("--pgdata", str(folder / "data"), "--auth", "trust", "--username", _USER),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )

    def url(self, name: str = _USER) -> str:
        return f"postgresql://{_USER}@{LOOPBACK}:{self.port}/{name}"

    def new_database(self) -> str:
        """Return the address of an empty database."""
        name = f"ledger_{next(self._names)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def new_schema(self) -> str:
        """Return the address of an empty schema, which takes a hundredth of the time."""
        name = f"ledger_{next(self._names)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{self.url()}?options=-csearch_path%3D{name}"

    def start(self) -> None:
        if self.port == 0:
            (self.port,) = free_ports(1)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_as_somebody(guard=True),
                    *(str(self._binaries / "postgres"), "-D", str(self._folder / "data")),
                    *("-p", str(self.port), "-k", str(self._folder)),
                    *("-c", f"listen_addresses={LOOPBACK}", "-c", "max_connections=60"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _STARTUP_SECONDS
        while True:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                text = (self._folder / "log").read_text(errors="replace")
                raise AssertionError(f"PostgreSQL did not start:\n{text[-2000:]}")
            time.sleep(0.05)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Shut the server down in good order meanwhile, without waiting for clients."""
        self._end(signal.SIGINT)
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def crashed(self) -> Iterator[None]:
        """Stop the server at once, as a crash does; its next start recovers from the log."""
        self._end(signal.SIGQUIT)
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let every process of the server hang meanwhile, with its connections open."""
        assert self._process is not None
        group = self._process.pid
        members = [group, *_children(group)]
        # Whoever waits without a deadline of its own fails then, instead of hanging for good.
        thaw = threading.Timer(_LONGEST_FREEZE_SECONDS, _signal, (members, signal.SIGCONT))
        thaw.start()
        try:
            _signal(members, signal.SIGSTOP)
            yield
        finally:
            thaw.cancel()
            _signal(members, signal.SIGCONT)

    def close(self) -> None:
        """Stop the server for good."""
        self._end(signal.SIGQUIT)

    def _end(self, signum: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signum)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _run(self, *argv: str) -> None:
        subprocess.run(
            [*_as_somebody(), *argv], check=True, capture_output=True, cwd=self._folder, timeout=120
        )


def _as_somebody(*, guard: bool = False) -> list[str]:
    """Return the prefix that drops root, which PostgreSQL refuses to run as."""
    prefix = ["setpriv"]
    if os.geteuid() == 0:
        prefix += [f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
    if guard:
        # The server ends with us, even when we are killed.
        prefix += ["--pdeathsig", "KILL"]
    return [*prefix, "--"] if len(prefix) > 1 else []


def _signal(members: Iterable[int], signum: signal.Signals) -> None:
    for pid in members:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a cluster below the folder for temporary files; skip the test where there is none."""
    binaries = programs()
    if binaries is None or shutil.which("setpriv") is None:
        pytest.skip("the Debian package postgresql is missing")
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(_USER)
        except KeyError:
            pytest.skip(f"PostgreSQL does not run as root, and there is no user {_USER}")
    # pytest's own folders are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="slo-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _USER, _USER)
        cluster = Postgres(folder, binaries)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
