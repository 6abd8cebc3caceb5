"""Processes start, get ready, fail with a reason, and never stay behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slo.errors import ToolError
from slo.stack.processes import (
    LOOPBACK,
    Process,
    find_program,
    free_ports,
    running_on_free_port,
    sigterm_unwinds,
)

SERVER = """
import http.server, sys
handler = http.server.SimpleHTTPRequestHandler
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
"""


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def server(port: int, tmp_path: Path) -> Process:
    return Process(
        python(SERVER, str(port)),
        log=tmp_path / "server.log",
        ready_url=f"http://{LOOPBACK}:{port}/",
        name="server",
    )


def is_alive(pid: int) -> bool:
    """Tell whether *pid* runs; a zombie that nobody has waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until_dead(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def wait_for_text(path: Path) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()).endswith("\n"):
            return text.strip()
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


class TestFindProgram:
    def test_absolute_path(self) -> None:
        """A program on the PATH is found as an absolute path."""
        assert Path(find_program("sh")).is_absolute()

    def test_missing_server_names_its_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error for a known program names the Debian package."""
        monkeypatch.setenv("PATH", "/nonexistent")

        with pytest.raises(ToolError, match=r"amtool.*package prometheus-alertmanager"):
            find_program("amtool")

    def test_missing_unknown_program(self) -> None:
        """The error for any other program still says what to do."""
        with pytest.raises(ToolError, match=r"no-such-program.*install it"):
            find_program("no-such-program")


def test_free_ports_differ_and_can_be_bound() -> None:
    """All ports are different, and free."""
    ports = free_ports(20)

    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as sock:
            sock.bind((LOOPBACK, port))


class TestProcess:
    def test_ready_then_stopped(self, tmp_path: Path) -> None:
        """Inside the block the server answers; afterwards it is gone."""
        (port,) = free_ports(1)

        with server(port, tmp_path) as process:
            assert process.running
            assert process.pid is not None
            socket.create_connection((LOOPBACK, port), timeout=5).close()

        assert not process.running
        assert not is_alive(process.pid)

    def test_dies_at_start(self, tmp_path: Path) -> None:
        """The error holds the status and the log of a program that dies before it is ready."""
        process = Process(
            python("print('cannot read config'); raise SystemExit(3)"),
            log=tmp_path / "log",
            ready_url=f"http://{LOOPBACK}:{free_ports(1)[0]}/",
            name="broken",
        )

        with pytest.raises(ToolError, match=r"(?s)broken ended with status 3.*cannot read config"):
            process.start()

    def test_never_ready(self, tmp_path: Path) -> None:
        """The error holds the deadline and the log; the program is stopped."""
        process = Process(
            python("import time; print('still loading', flush=True); time.sleep(60)"),
            log=tmp_path / "log",
            ready_url=f"http://{LOOPBACK}:{free_ports(1)[0]}/",
            startup_seconds=1.0,
        )

        with pytest.raises(ToolError, match=r"(?s)not ready after 1 s.*still loading"):
            process.start()
        assert not process.running

    def test_missing_program(self, tmp_path: Path) -> None:
        """A program that is not there is a `ToolError` too."""
        with pytest.raises(ToolError, match="no-such-program"):
            Process(["no-such-program"], log=tmp_path / "log").start()

    def test_stubborn_program_is_killed(self, tmp_path: Path) -> None:
        """A program that ignores SIGTERM is killed after the grace."""
        code = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
            "print('deaf', flush=True); time.sleep(60)"
        )
        log = tmp_path / "log"

        with Process(python(code), log=log, grace_seconds=0.2) as process:
            assert wait_for_text(log) == "deaf"
        assert not process.running

    def test_grandchildren_are_stopped(self, tmp_path: Path) -> None:
        """What the program started itself goes with it."""
        code = (
            "import subprocess, sys, time;"
            "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid,"
            " flush=True); time.sleep(60)"
        )
        log = tmp_path / "log"

        with Process(python(code), log=log):
            grandchild = int(wait_for_text(log))
            assert is_alive(grandchild)
        assert wait_until_dead(grandchild)

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
    def test_exceptions_stop_it(self, tmp_path: Path, error: type[BaseException]) -> None:
        """Leaving the block by an exception or Ctrl-C stops the program."""
        process = Process(python("import time; time.sleep(60)"), log=tmp_path / "log")

        with pytest.raises(error), process:
            raise error
        assert not process.running

    def test_stop_twice_and_unstarted(self, tmp_path: Path) -> None:
        """Stopping is safe at any time."""
        process = Process(python("pass"), log=tmp_path / "log")
        process.stop()
        process.start()
        process.stop()
        process.stop()

        assert not process.running

    def test_log_tail_is_bounded(self, tmp_path: Path) -> None:
        """Only the last lines of a long log are shown."""
        log = tmp_path / "log"
        process = Process(["true"], log=log)
        assert process.log_tail() == ""

        log.write_text("".join(f"line {n}\n" for n in range(10_000)))

        assert process.log_tail().splitlines()[-1] == "line 9999"
        assert len(process.log_tail().splitlines()) == 15


class TestRunningOnFreePort:
    def test_takes_another_port(self, tmp_path: Path) -> None:
        """A port that somebody took in between is given up."""
        started = []
        # As Go words it; the servers are written in Go.
        taken = python("raise SystemExit('listen tcp: bind: address already in use')")

        def build(port: int) -> Process:
            started.append(port)
            if len(started) > 1:
                return server(port, tmp_path)
            url = f"http://{LOOPBACK}:{port}/"
            return Process(taken, log=tmp_path / "server.log", ready_url=url)

        with running_on_free_port(build) as port:
            socket.create_connection((LOOPBACK, port), timeout=5).close()

        assert started[1:] == [port]

    def test_other_failures_are_not_repeated(self, tmp_path: Path) -> None:
        """A program that fails for another reason is started once."""
        started = []

        def build(port: int) -> Process:
            started.append(port)
            url = f"http://{LOOPBACK}:{port}/"
            return Process(python("raise SystemExit(1)"), log=tmp_path / "log", ready_url=url)

        with pytest.raises(ToolError), running_on_free_port(build):
            raise AssertionError("never reached")
        assert len(started) == 1


class TestEndOfOurselves:
    """What happens to the programs when we are ended from outside."""

    CODE = """
import sys, time
from pathlib import Path
from slo.stack.processes import Process, sigterm_unwinds
with sigterm_unwinds():
    code = "import time; print('up', flush=True); time.sleep(60)"
    with Process([sys.executable, "-c", code], log=Path(sys.argv[1])) as p:
        print(p.pid, flush=True)
        time.sleep(60)
"""

    def run(self, tmp_path: Path) -> tuple[subprocess.Popen[str], int]:
        ours = subprocess.Popen(
            python(self.CODE, str(tmp_path / "log")), stdout=subprocess.PIPE, text=True
        )
        assert ours.stdout is not None
        pid = int(ours.stdout.readline())
        # Until the program itself runs, nothing ties it to us yet.
        assert wait_for_text(tmp_path / "log") == "up"
        return ours, pid

    @pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -2)])
    def test_signals_unwind(self, tmp_path: Path, signum: int, status: int) -> None:
        """SIGTERM and Ctrl-C stop the program before we end."""
        ours, pid = self.run(tmp_path)
        with ours:
            ours.send_signal(signum)

            assert status == ours.wait(10)
        assert not is_alive(pid)

    def test_killed(self, tmp_path: Path) -> None:
        """Where `setpriv` exists, even our SIGKILL leaves nothing behind."""
        try:
            find_program("setpriv")
        except ToolError as error:
            pytest.skip(str(error))
        ours, pid = self.run(tmp_path)
        with ours:
            ours.kill()
        assert wait_until_dead(pid)


def test_sigterm_handler_is_restored() -> None:
    """The previous handler is back after the block."""
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(SystemExit), sigterm_unwinds():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    assert before == signal.getsignal(signal.SIGTERM)
