"""Run the demo's stack by `slo stack up`, and halt one of its parts."""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slo.errors import ToolError
from slo.stack.components.ports import DOCTOR_PORT, PORTS
from slo.stack.processes import LOOPBACK, Process
from slo.stack.supervisor.control import known_parts, stack_state, supervisor_pid, wait_until_up
from slo.stack.supervisor.folder import StackFolder
from slo.stack.supervisor.state import PartState, StackState

__all__ = ["PARTS", "RunningStack", "free_offset", "run_stack"]

# What the demo runs of a stack, a collector only where there is one.
PARTS = ("alertmanager", "prometheus", "collector-gateway", "collector-agent", "engine")

_NAME = "demo"
_OFFSETS = (1_000, 17_000)
_OFFSET_ATTEMPTS = 100
_SUPERVISOR_SECONDS = 30.0
_UP_SECONDS = 60.0
# One part after the other is asked to stop, and only then the supervisor ends.
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RunningStack:
    """
    Know one running stack.

    Args:
        settings: File of its settings.
        folder: Where it keeps everything.
        offset: Added to the usual number of every port.
        parts: Names of its parts.
    """

    settings: Path
    folder: StackFolder
    offset: int
    parts: tuple[str, ...]

    def url(self, part: str, port: str = "http") -> str:
        """Return where *part* is reached."""
        return f"http://{LOOPBACK}:{PORTS[part][port] + self.offset}"

    @contextmanager
    def halted(self, part: str) -> Iterator[Callable[[], None]]:
        """
        Halt *part*, so that it hangs: it keeps its port and its connections, and never answers.

        It goes on at the end of the block at the latest.

        Yields:
            Lets it go on.

        Raises:
            ToolError: It does not run.
        """
        pid = self._state(part).pid
        if not pid:
            raise ToolError(f"{part} does not run, so it cannot be halted")

        def go_on() -> None:
            # The supervisor may have ended it meanwhile.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        os.kill(pid, signal.SIGSTOP)
        try:
            yield go_on
        finally:
            go_on()

    def restarts(self, part: str) -> int:
        """
        Return how often *part* has been restarted.

        Raises:
            ToolError: The stack does not run.
        """
        return self._state(part).restarts

    def _state(self, part: str) -> PartState:
        state = stack_state(self.folder)
        found = next((p for p in state.parts if p.name == part), None) if state else None
        if found is None:
            raise ToolError(f"the stack has no {part}")
        return found


def free_offset() -> int:
    """
    Return an offset with which the ports of the demo's stack are free.

    Raises:
        ToolError: There is none.
    """
    numbers = [DOCTOR_PORT, *(number for part in PARTS for number in PORTS[part].values())]
    for _ in range(_OFFSET_ATTEMPTS):
        offset = random.randrange(*_OFFSETS)  # noqa: S311 - only to be unlike that of another run
        if all(_is_free(number + offset) for number in numbers):
            return offset
    raise ToolError("found no free ports for the stack")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do; what is only left of closed connections is not in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


@contextmanager
def run_stack(
    directory: Path,
    settings: Mapping[str, Any],
    prepare: Callable[[StackFolder], None],
    told: Callable[[RunningStack], None],
) -> Iterator[RunningStack]:
    """
    Run the stack of *settings*, and yield it once everything is up.

    Its supervisor ends with us, however we end, and takes its parts along.

    Args:
        directory: Takes the settings, and below `data` everything else.
        settings: All but version, kind, name and ports.
        prepare: Called with the stack's folder before anything runs.
        told: Called before it is started.

    Raises:
        ToolError: Something does not come up.
        OutputError: Files cannot be written.
    """
    offset = free_offset()
    path = directory / "slostack.yaml"
    document = {
        "version": "slo/v1",
        "kind": "Stack",
        "name": _NAME,
        "port_offset": offset,
        **settings,
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    folder = StackFolder(directory / "data")
    folder.make(_NAME)
    prepare(folder)
    without = document.get("without", ())
    parts = tuple(name for name in PARTS if name.partition("-")[0] not in without)
    stack = RunningStack(path, folder, offset, parts)
    told(stack)
    command = ["-m", "slo.engine.cli", "stack", "up", "--foreground", "--settings", str(path)]
    process = Process(
        [sys.executable, *command],
        log=directory / "stack.log",
        name="slo stack up",
        grace_seconds=_STOP_SECONDS,
    )
    with process:
        _await_supervisor(process, folder)
        late = wait_until_up(folder, known_parts(folder), _UP_SECONDS, _ignore)
        if late:
            lines = [f"{part.name}: {part.reason or part.condition.value}" for part in late]
            raise ToolError("\n".join(["not everything of the stack came up:", *lines]))
        yield stack


def _ignore(_state: StackState) -> None:
    """Say nothing: the whole stack is shown once it is up."""


def _await_supervisor(process: Process, folder: StackFolder) -> None:
    deadline = time.monotonic() + _SUPERVISOR_SECONDS
    while supervisor_pid(folder) is None or stack_state(folder) is None:
        if not process.running:
            raise ToolError(f"slo stack up has ended:\n{process.log_tail()}")
        if time.monotonic() > deadline:
            raise ToolError(
                f"slo stack up did nothing within {_SUPERVISOR_SECONDS:g} s:\n{process.log_tail()}"
            )
        time.sleep(_POLL_SECONDS)
