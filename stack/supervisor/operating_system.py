"""Ask the kernel about processes and ports, where it tells (Linux); nothing here raises."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "Listener",
    "died_with_parent",
    "end_group",
    "listener_on",
    "process_started",
]

_PROC = Path("/proc")
_LISTENING = "0A"
_POLL_SECONDS = 0.05


class Listener(NamedTuple):
    """Name the process that listens on a port; 0 and an empty name where it is not known."""

    pid: int
    program: str


def died_with_parent() -> list[str]:
    """Return the prefix that makes the kernel end a program with the thread that started it."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def process_started(pid: int) -> int:
    """Return when process *pid* began, in ticks since the boot; 0 where there is none."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    # A process that nobody has waited for yet has ended all the same.
    return 0 if fields[0] in "ZX" else int(fields[19])


def end_group(pid: int, started: int, seconds: float) -> bool:
    """
    End the process *pid* and its group, if it is still the one that began at *started*.

    Args:
        seconds: How long it may take before it is killed.

    Returns:
        Whether there was something to end.
    """
    if not started or process_started(pid) != started:
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while process_started(pid) == started and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    return True


def listener_on(host: str, port: int) -> Listener | None:
    """Return who listens on *port* of *host*, or `None` if the port is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections that are closing are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return None
        except OSError:
            return _owner(port)
    return None


def _owner(port: int) -> Listener:
    inodes = set(_inodes(port))
    for folder in _PROC.glob("[0-9]*") if inodes else ():
        with suppress(OSError):
            for descriptor in (folder / "fd").iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in inodes:
                        name = (folder / "comm").read_text().strip()
                        return Listener(int(folder.name), name)
    return Listener(0, "")


def _inodes(port: int) -> Iterator[str]:
    wanted = f":{port:04X}"
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(wanted) and fields[3] == _LISTENING:
                    yield f"socket:[{fields[9]}]"
