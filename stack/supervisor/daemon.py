"""
Run the supervisor: `python -m slo.stack.supervisor.daemon FOLDER`.

It goes by `parts.json`. SIGHUP makes it read that file again, SIGTERM makes it stop all parts in
reverse order and end.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from slo.errors import ToolError
from slo.stack.supervisor.folder import StackFolder
from slo.stack.supervisor.keeper import Keeper
from slo.stack.supervisor.operating_system import end_group
from slo.stack.supervisor.part import Part, parts_from_json
from slo.stack.supervisor.part_log import PartLog
from slo.stack.supervisor.state import Condition, PartState, read_state, write_state

__all__ = ["Supervisor", "end_leftovers", "main", "plan_mark", "supervise"]

_log = logging.getLogger("slo.stack.supervisor")
_LOOK_SECONDS = 0.2
_LOCK_SECONDS = 3.0
_LEFTOVER_SECONDS = 20.0


def plan_mark(text: str) -> str:
    """Return what tells one list of parts from another."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Supervisor:
    """
    Keep the parts of one stack running.

    Args:
        folder: Of the stack.
    """

    def __init__(self, folder: StackFolder) -> None:
        self._folder = folder
        self._keepers: dict[str, Keeper] = {}
        self._plan = ""
        self._conditions: dict[str, tuple[Condition, str]] = {}
        self.changed = threading.Event()

    def apply(self) -> None:
        """Go by the list of parts as it is now: stop, start, reload or restart what differs."""
        text = self._folder.parts_file.read_text("utf-8")
        parts = {part.name: part for part in parts_from_json(text)}
        for name in [name for name in reversed(self._keepers) if name not in parts]:
            self._keepers.pop(name).stop()
        known = self._keepers
        self._keepers = {name: known.get(name) or self._keeper(parts[name]) for name in parts}
        for name, keeper in self._keepers.items():
            if name in known:
                keeper.update(parts[name])
            else:
                keeper.start()
        self._plan = plan_mark(text)
        self.changed.set()

    def write(self) -> None:
        """Write down how the parts stand, and log what has changed."""
        states = [keeper.state for keeper in self._keepers.values()]
        for state in states:
            self._tell(state)
        try:
            write_state(self._folder.state_file, os.getpid(), self._plan, states)
        except OSError as error:
            # The parts go on; their state is written as soon as the disk takes it.
            _log.error("cannot write %s: %s", self._folder.state_file, error.strerror or error)

    def stop(self) -> None:
        """Stop all parts, those first that others do not need."""
        for keeper in reversed(self._keepers.values()):
            keeper.stop()
            self.write()

    def _keeper(self, part: Part) -> Keeper:
        log = PartLog(self._folder.log(part.name))
        return Keeper(part, log, self._is_up, self.changed.set)

    def _is_up(self, name: str) -> bool:
        keeper = self._keepers.get(name)
        return keeper is None or keeper.state.condition is Condition.UP

    def _tell(self, state: PartState) -> None:
        now = state.condition, state.reason
        if self._conditions.get(state.name) != now:
            self._conditions[state.name] = now
            text = f"{state.condition.value}{f': {state.reason}' if state.reason else ''}"
            _log.info("%s: %s", state.name, text)


def supervise(folder: StackFolder) -> None:
    """
    Run the parts of *folder* until a signal ends that; call it from the main thread.

    Raises:
        ToolError: Another supervisor runs them, or their list cannot be read.
    """
    with _locked(folder):
        end_leftovers(folder)
        supervisor = Supervisor(folder)
        stopping = threading.Event()
        rereading = threading.Event()

        def stop(_signum: int, _frame: FrameType | None) -> None:
            stopping.set()

        def reread(_signum: int, _frame: FrameType | None) -> None:
            rereading.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGHUP, reread)
        own = PartLog(folder.supervisor_log)
        _apply(supervisor)
        try:
            while not stopping.is_set():
                # Python runs handlers of signals between two of these waits.
                if supervisor.changed.wait(_LOOK_SECONDS):
                    supervisor.changed.clear()
                    supervisor.write()
                if rereading.is_set():
                    rereading.clear()
                    _apply(supervisor)
                own.rotate()
        finally:
            _log.info("stopping")
            supervisor.stop()
            _log.info("stopped")


def _apply(supervisor: Supervisor) -> None:
    try:
        supervisor.apply()
    except (OSError, ValueError) as error:
        raise ToolError(f"the list of parts cannot be read: {error}") from error
    supervisor.write()


@contextmanager
def _locked(folder: StackFolder) -> Iterator[None]:
    """Hold the lock that says that a supervisor runs; the kernel gives it back whatever happens."""
    with folder.lock_file.open("a+") as file:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                # Who only looks holds it for a moment, too.
                if time.monotonic() > deadline:
                    raise ToolError(
                        f"another supervisor runs the stack in {folder.root}"
                    ) from error
                time.sleep(_LOOK_SECONDS / 4)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def end_leftovers(folder: StackFolder) -> None:
    """End what a supervisor that was killed has left running: its ports would stay taken."""
    state = read_state(folder.state_file)
    for part in reversed(state.parts if state else ()):
        if end_group(part.pid, part.pid_started, _LEFTOVER_SECONDS):
            _log.warning("ended %s (process %d), left by an earlier run", part.name, part.pid)


def main(arguments: list[str]) -> int:
    """Supervise the folder that *arguments* name, and return the exit code."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr
    )
    try:
        supervise(StackFolder(Path(arguments[0])))
    except ToolError as error:
        _log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
