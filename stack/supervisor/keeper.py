"""Keep one part running: start it, ask it, start it again when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from enum import Enum

from slo.stack.supervisor.asking import ask, reload
from slo.stack.supervisor.operating_system import died_with_parent, process_started
from slo.stack.supervisor.part import Part
from slo.stack.supervisor.part_log import PartLog
from slo.stack.supervisor.restarts import Restarts
from slo.stack.supervisor.state import Condition, PartState

__all__ = ["Keeper"]

_POLL_SECONDS = 0.1
_ASK_STARTING_SECONDS = 0.3
_ASK_UP_SECONDS = 5.0
_ROTATE_SECONDS = 10.0
# Servers write down what they hold in memory before they end.
_STOP_SECONDS = 30.0
# A part that gives no answer at all for so long hangs; one that says "not ready" does not.
_HUNG_SECONDS = 60.0
_NOT_READY_ANSWERS = 3


class _Order(Enum):
    NONE = 0
    RELOAD = 1
    RESTART = 2
    STOP = 3


class Keeper:
    """
    Keep *part* running in a thread of its own until told to stop.

    The thread that starts a program is the one whose end takes the program with it, so it lives
    as long as the part is kept.

    Args:
        is_up: Tells whether another part is up.
        changed: Called after each change of `state`, from the thread.
    """

    def __init__(
        self, part: Part, log: PartLog, is_up: Callable[[str], bool], changed: Callable[[], None]
    ) -> None:
        self.name = part.name
        self._part = part
        self._log = log
        self._is_up = is_up
        self._changed = changed
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._order = _Order.NONE
        self._restarts = Restarts()
        self._state = PartState(part.name, since=time.time())
        self._thread = threading.Thread(target=self._run, name=part.name, daemon=True)

    @property
    def state(self) -> PartState:
        """Return how the part stands."""
        with self._lock:
            return self._state

    def start(self) -> None:
        """Begin to keep the part; return at once."""
        self._thread.start()

    def update(self, part: Part) -> None:
        """Go by *part* from now on: reload or restart it where that is needed; return at once."""
        with self._lock:
            state = self._state
            self._part = part
            if state.pid == 0:
                # Whatever it waits for, somebody has looked after it: try at once.
                self._restarts = Restarts()
                order = _Order.RESTART
            elif state.launch != part.launch:
                order = _Order.RESTART
            elif state.config != part.config:
                can_reload = bool(part.reload_path or part.reload_signal)
                is_up = state.condition is Condition.UP
                order = _Order.RELOAD if can_reload and is_up else _Order.RESTART
            else:
                return
            if self._order is not _Order.STOP:
                self._order = order
        self._wake.set()

    def stop(self) -> None:
        """Stop the part and return when it has ended."""
        with self._lock:
            self._order = _Order.STOP
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while self._pending() is not _Order.STOP:
            part = self._current()
            missing = [name for name in part.needs if not self._is_up(name)]
            if missing:
                self._say(Condition.WAITING, f"waits for {', '.join(missing)}")
                self._pause(2 * _POLL_SECONDS)
                continue
            self._live(part)
        self._say(Condition.STOPPED, "")

    def _live(self, part: Part) -> None:
        """Start the part, see it to its end, and wait until it may be started again."""
        self._take(_Order.RESTART, _Order.RELOAD)
        try:
            process = self._start(part)
        except OSError as error:
            reason = f"{part.argv[0]}: {error.strerror or error}"
        else:
            try:
                reason = self._watch(process)
            finally:
                _end(process)
            self._set(pid=0, pid_started=0)
        if not reason:
            return
        pause = self._restarts.ended(time.monotonic())
        looping = self._restarts.looping
        condition = Condition.CRASHING if looping else Condition.RESTARTING
        self._set(restarts=self.state.restarts + 1)
        self._say(condition, f"{reason}; starts again in {pause:.0f} s")
        self._pause(pause)

    def _start(self, part: Part) -> subprocess.Popen[bytes]:
        self._log.rotate()
        with self._log.open() as log:
            process = subprocess.Popen(
                [*died_with_parent(), *part.argv],
                cwd=part.folder,
                env={**os.environ, **part.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._set(
            pid=process.pid,
            pid_started=process_started(process.pid),
            launch=part.launch,
            config=part.config,
        )
        self._say(Condition.STARTING, "")
        return process

    def _watch(self, process: subprocess.Popen[bytes]) -> str:
        """Return why the part ended, or nothing if somebody wanted it to."""
        began = answered = time.monotonic()
        next_ask = next_rotation = began
        refusals = 0
        while True:
            code = process.poll()
            if code is not None:
                return self._obituary(code)
            if self._pending() in (_Order.STOP, _Order.RESTART):
                return ""
            part = self._current()
            if self._take(_Order.RELOAD):
                self._reload(part, process.pid)
            now = time.monotonic()
            if now >= next_rotation:
                self._log.rotate()
                next_rotation = now + _ROTATE_SECONDS
            if now >= next_ask:
                found = ask(part.asking)
                now = time.monotonic()
                if found.answered:
                    answered = now
                if found.ready and process.poll() is None:
                    refusals = 0
                    self._restarts.up(now)
                    if self.state.condition is not Condition.UP:
                        self._say(Condition.UP, "")
                else:
                    refusals += 1
                    self._doubt(part, found.reason, refusals, now - began)
                limit = _HUNG_SECONDS
                if self.state.condition is Condition.STARTING:
                    limit = max(limit, part.startup_seconds)
                if now - answered > limit:
                    return f"gave no answer for {limit:.0f} s ({found.reason})"
                up = self.state.condition is Condition.UP and found.ready
                next_ask = now + (_ASK_UP_SECONDS if up else _ASK_STARTING_SECONDS)
            self._pause(_POLL_SECONDS)

    def _doubt(self, part: Part, reason: str, refusals: int, age: float) -> None:
        """Say that the part is not ready, once that is more than a moment's weakness."""
        condition = self.state.condition
        if condition is Condition.STARTING and age > part.startup_seconds:
            limit = part.startup_seconds
            self._say(Condition.UNREADY, f"not ready {limit} s after its start: {reason}")
        elif condition is Condition.UP and refusals >= _NOT_READY_ANSWERS:
            self._say(Condition.UNREADY, reason)

    def _reload(self, part: Part, pid: int) -> None:
        if part.reload_path:
            found = reload(part.asking, part.reload_path)
            if not found.ready:
                self._set(reason=f"refused its changed files: {found.reason}")
                return
        else:
            with suppress(ProcessLookupError):
                os.kill(pid, getattr(signal, f"SIG{part.reload_signal}"))
        self._set(config=part.config, reason="")

    def _obituary(self, code: int) -> str:
        if code < 0:
            try:
                text = f"was killed by {signal.Signals(-code).name}"
            except ValueError:
                text = f"was killed by signal {-code}"
        else:
            text = f"ended with status {code}"
        last = self._log.tail(1)
        return f"{text}: {last[0][:300]}" if code > 0 and last else text

    def _pending(self) -> _Order:
        with self._lock:
            return self._order

    def _take(self, *orders: _Order) -> bool:
        """Tell whether one of *orders* was given, and count it as done."""
        with self._lock:
            given = self._order in orders
            if given:
                self._order = _Order.NONE
            return given

    def _current(self) -> Part:
        with self._lock:
            return self._part

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _say(self, condition: Condition, reason: str) -> None:
        state = self.state
        if condition is state.condition and reason == state.reason:
            return
        since = state.since if condition is state.condition else time.time()
        self._set(condition=condition, since=since, reason=reason)

    def _set(self, **changes: object) -> None:
        with self._lock:
            self._state = replace(self._state, **changes)  # type: ignore[arg-type]
        self._changed()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process: SIGTERM, and SIGKILL for whatever of its group is left."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
            # One that somebody has halted could not end.
            os.killpg(process.pid, signal.SIGCONT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        # The group may outlive its leader.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
