"""Start, steer and stop the supervisor of a local stack from another process."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from slo.errors import ToolError
from slo.stack.supervisor.daemon import plan_mark
from slo.stack.supervisor.folder import StackFolder, write_whole
from slo.stack.supervisor.part import Part, parts_from_json, parts_to_json
from slo.stack.supervisor.part_log import PartLog
from slo.stack.supervisor.state import Condition, PartState, StackState, read_state

__all__ = [
    "apply_parts",
    "known_parts",
    "one_at_a_time",
    "stack_state",
    "stop_supervisor",
    "supervisor_pid",
    "wait_until_up",
    "write_parts",
]

_POLL_SECONDS = 0.1
_START_SECONDS = 30.0
_STOP_SECONDS = 240.0
# A part that went down twice while somebody waits for it will not come up by waiting.
_ENOUGH_RESTARTS = 2


def supervisor_pid(folder: StackFolder) -> int | None:
    """Return the process id of the running supervisor, or `None` where none runs."""
    try:
        with folder.lock_file.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read().strip()
                return int(text) if text.isdigit() else 0
    except OSError:
        pass
    return None


def stack_state(folder: StackFolder) -> StackState | None:
    """Return how the stack stands, or `None` where none was ever started."""
    state = read_state(folder.state_file)
    if state is not None and supervisor_pid(folder) is None:
        return state.without_processes()
    return state


def known_parts(folder: StackFolder) -> tuple[Part, ...]:
    """Return the parts of the last `up`, or nothing."""
    try:
        return parts_from_json(folder.parts_file.read_text("utf-8"))
    except (OSError, ValueError):
        return ()


@contextmanager
def one_at_a_time(folder: StackFolder) -> Iterator[None]:
    """
    Keep two commands from changing the same stack at once.

    Raises:
        ToolError: Another one is at work.
    """
    with folder.up_lock_file.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ToolError(
                f"another `slo stack` command is changing the stack in {folder.root}; "
                "wait until it is done"
            ) from error
        yield


def write_parts(folder: StackFolder, parts: Sequence[Part]) -> None:
    """Write down what shall run; a supervisor goes by it when it is told, or starts."""
    write_whole(folder.parts_file, parts_to_json(parts))
    # Arguments may show where secrets are.
    folder.parts_file.chmod(0o600)


def apply_parts(folder: StackFolder) -> None:
    """
    Have the supervisor go by the list of parts, starting one if none runs.

    Raises:
        ToolError: It does not start.
    """
    mark = plan_mark(folder.parts_file.read_text("utf-8"))
    pid = supervisor_pid(folder)
    started = None
    if pid is None:
        started = _start(folder)
    else:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        state = read_state(folder.state_file)
        pid = supervisor_pid(folder)
        if state is not None and pid is not None and (state.supervisor, state.plan) == (pid, mark):
            return
        if started is not None and started.poll() is not None:
            break
        time.sleep(_POLL_SECONDS)
    tail = "\n".join(PartLog(folder.supervisor_log).tail(5))
    raise ToolError(f"the supervisor does not go by the new settings; its log ends with\n{tail}")


def _start(folder: StackFolder) -> subprocess.Popen[bytes]:
    with PartLog(folder.supervisor_log).open() as log:
        # In a session of its own, so that no terminal takes it along when it closes.
        return subprocess.Popen(
            [sys.executable, "-m", "slo.stack.supervisor.daemon", str(folder.root)],
            cwd=folder.root,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until_up(
    folder: StackFolder,
    parts: Sequence[Part],
    seconds: float,
    show: Callable[[StackState], None],
) -> tuple[PartState, ...]:
    """
    Wait until all *parts* are up as described, and return those that are not.

    Args:
        seconds: How long to wait at most.
        show: Told how the parts stand, whenever that has changed.

    Raises:
        ToolError: The supervisor ended.
    """
    wanted = {part.name: part for part in parts}
    deadline = time.monotonic() + seconds
    before: dict[str, int] | None = None
    shown: StackState | None = None
    while True:
        state = stack_state(folder)
        if state is None or not state.supervisor:
            tail = "\n".join(PartLog(folder.supervisor_log).tail(5))
            raise ToolError(f"the supervisor has ended; its log ends with\n{tail}")
        if before is None:
            before = {part.name: part.restarts for part in state.parts}
        if state != shown:
            show(state)
            shown = state
        late = tuple(part for part in state.parts if not _is_done(part, wanted.get(part.name)))
        stuck = [part for part in late if _is_stuck(part, before.get(part.name, 0))]
        waits_for_stuck = all(p in stuck or p.condition is Condition.WAITING for p in late)
        if not late or (stuck and waits_for_stuck) or time.monotonic() > deadline:
            return late
        time.sleep(_POLL_SECONDS)


def _is_done(state: PartState, part: Part | None) -> bool:
    if part is None:
        return True
    current = (state.launch, state.config) == (part.launch, part.config)
    return state.condition is Condition.UP and current


def _is_stuck(state: PartState, restarts_before: int) -> bool:
    if state.condition is Condition.UP:
        return bool(state.reason)
    if state.condition is Condition.UNREADY:
        return True
    return state.restarts - restarts_before >= _ENOUGH_RESTARTS


def stop_supervisor(folder: StackFolder) -> bool:
    """
    Stop all parts and the supervisor; tell whether one was running.

    Raises:
        ToolError: It does not end.
    """
    pid = supervisor_pid(folder)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while supervisor_pid(folder) is not None:
        if time.monotonic() > deadline:
            raise ToolError(
                f"the supervisor (process {pid}) has not stopped within {_STOP_SECONDS:g} s; "
                f"see {folder.supervisor_log}, or kill it: its parts end with it"
            )
        time.sleep(_POLL_SECONDS)
    return True
