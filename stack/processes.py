"""Start programs, wait until they answer, and never leave one behind."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self
from urllib.parse import urlsplit

from slo.errors import ToolError

__all__ = [
    "LOOPBACK",
    "Process",
    "find_program",
    "free_ports",
    "running_on_free_port",
    "running_server",
    "sigterm_unwinds",
]

LOOPBACK = "127.0.0.1"

_PACKAGES = {
    "amtool": "prometheus-alertmanager",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "promtool": "prometheus",
    "victoria-metrics": "victoria-metrics",
    "vmalert": "victoria-metrics",
}
_POLL_SECONDS = 0.05
_PROBE_TIMEOUT_SECONDS = 1.0
_PORT_ATTEMPTS = 3
_LOG_TAIL_LINES = 15
_LOG_TAIL_BYTES = 16_384


def find_program(name: str) -> str:
    """
    Return the absolute path of the program *name* on the PATH.

    Raises:
        ToolError: There is none; the message says what to install.
    """
    found = shutil.which(name)
    if found is not None:
        return str(Path(found).absolute())
    package = _PACKAGES.get(name)
    remedy = f"install the Debian package {package}" if package else "install it"
    raise ToolError(f"program {name!r} is not on the PATH: {remedy}, or put it on the PATH")


def free_ports(count: int) -> tuple[int, ...]:
    """
    Return *count* different TCP ports that are free on the loopback address right now.

    Nothing reserves them afterwards, so use them at once.
    """
    with ExitStack() as held:
        ports: list[int] = []
        for _ in range(count):
            # All sockets stay open until the last port is known, or one could come twice.
            sock = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            sock.bind((LOOPBACK, 0))
            ports.append(sock.getsockname()[1])
        return tuple(ports)


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """
    Turn SIGTERM into `SystemExit` meanwhile, so that every `with` block stops its processes.

    Call it from the main thread; Python delivers signals nowhere else.
    """

    def leave(signum: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + signum)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Process:
    """
    Run a program as a context manager: entering waits until it is ready, leaving stops it.

    The program gets its own session, so that a Ctrl-C in the terminal reaches only us and we
    stop our programs in order. Enter it from a thread that outlives the program: where
    `setpriv` exists, the kernel ends the program together with the thread that started it,
    even when we are killed outright.

    Args:
        argv: Program and arguments; the program is looked up on the PATH.
        log: File that collects standard output and standard error.
        ready_url: Answers with status 200 once the program is ready; without it, having
            started is enough.
        name: What messages call the program; by default its file name.
        startup_seconds: How long it may take to become ready.
        grace_seconds: How long it may take to stop before it is killed.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        ready_url: str | None = None,
        name: str | None = None,
        startup_seconds: float = 20.0,
        grace_seconds: float = 5.0,
    ) -> None:
        self.name = name or Path(argv[0]).name
        self.log = log
        self._argv = list(argv)
        self._ready_url = ready_url
        self._startup_seconds = startup_seconds
        self._grace_seconds = grace_seconds
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process id, or `None` before the start."""
        return None if self._popen is None else self._popen.pid

    @property
    def running(self) -> bool:
        """Tell whether the program was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """
        Start the program and wait until it is ready.

        Raises:
            ToolError: The program is missing, ended, or was not ready in time; the message
                ends with the last lines of its log. Nothing is left running.
        """
        if self.running:
            raise ToolError(f"{self.name} is running already")
        argv = [*_parent_death_guard(), find_program(self._argv[0]), *self._argv[1:]]
        deadline = time.monotonic() + self._startup_seconds
        try:
            with self.log.open("wb") as log:
                self._popen = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._wait_until_ready(deadline)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the program: SIGTERM, and SIGKILL for whatever is left after the grace."""
        if self._popen is None:
            return
        try:
            if self.running:
                self._signal(signal.SIGTERM)
                self._popen.wait(self._grace_seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Also reaches children of the program, and runs on a second Ctrl-C.
            self._signal(signal.SIGKILL)
            self._popen.wait()

    def log_tail(self) -> str:
        """Return the last lines of the log, or an empty text."""
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(0, size - _LOG_TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-_LOG_TAIL_LINES:])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _signal(self, signum: signal.Signals) -> None:
        assert self._popen is not None
        try:
            # The program leads its own group, and the group may outlive it.
            os.killpg(self._popen.pid, signum)
        except (ProcessLookupError, PermissionError):
            return

    def _wait_until_ready(self, deadline: float) -> None:
        assert self._popen is not None
        answer = "nothing yet"
        while self._ready_url is not None:
            code = self._popen.poll()
            if code is not None:
                raise ToolError(self._failure(f"{self.name} ended with status {code} at its start"))
            answer = _probe(self._ready_url)
            if answer == "200" and self.running:
                return
            if time.monotonic() >= deadline:
                message = (
                    f"{self.name} was not ready after {self._startup_seconds:g} s "
                    f"({self._ready_url}: {answer})"
                )
                raise ToolError(self._failure(message))
            time.sleep(_POLL_SECONDS)

    def _failure(self, message: str) -> str:
        tail = self.log_tail()
        if not tail:
            return f"{message}; its log {self.log} is empty"
        return f"{message}; the end of its log {self.log}:\n{tail}"


@contextmanager
def running_on_free_port(build: Callable[[int], Process]) -> Iterator[int]:
    """
    Run the process that *build* makes for a free port, and yield that port.

    Between choosing a port and listening on it, somebody else may take it; then another port is
    tried.

    Raises:
        ToolError: As `Process.start`.
    """
    attempt = 1
    while True:
        port = free_ports(1)[0]
        process = build(port)
        try:
            process.start()
        except ToolError:
            if attempt == _PORT_ATTEMPTS or "address already in use" not in process.log_tail():
                raise
            attempt += 1
        else:
            break
    try:
        yield port
    finally:
        process.stop()


@contextmanager
def running_server(
    program: str,
    directory: Path,
    arguments: Callable[[str], Sequence[str]],
    *,
    name: str | None = None,
    ready_path: str = "/-/ready",
) -> Iterator[str]:
    """
    Run *program* as a server on a free loopback port and yield its URL.

    Args:
        program: Looked up on the PATH.
        directory: Takes its log, `NAME.log`; made if missing.
        arguments: Return its arguments for the `host:port` that it shall listen on.
        name: What messages and the log are called; by default *program*.
        ready_path: Answers with status 200 once the server is ready.

    Raises:
        ToolError: As `Process.start`.
    """
    called = name or program
    directory.mkdir(parents=True, exist_ok=True)

    def build(port: int) -> Process:
        address = f"{LOOPBACK}:{port}"
        return Process(
            [program, *arguments(address)],
            log=directory / f"{called}.log",
            ready_url=f"http://{address}{ready_path}",
            name=called,
        )

    with running_on_free_port(build) as port:
        yield f"http://{LOOPBACK}:{port}"


def _parent_death_guard() -> list[str]:
    """Return the prefix that makes the kernel end a program with its parent, if there is one."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _probe(url: str) -> str:
    """Return the status of a GET as text, or the reason why there is none."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or LOOPBACK, parts.port, timeout=_PROBE_TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", parts.path or "/")
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
