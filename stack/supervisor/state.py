"""Hold what the supervisor says about its parts, in a file that anybody may read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from slo.stack.supervisor.folder import write_whole

__all__ = ["Condition", "PartState", "StackState", "read_state", "write_state"]


class Condition(StrEnum):
    """Name the conditions of a part."""

    WAITING = "waiting"
    STARTING = "starting"
    UP = "up"
    UNREADY = "unready"
    RESTARTING = "restarting"
    CRASHING = "crashing"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class PartState:
    """
    Hold how one part stands.

    Args:
        since: Unix time in seconds.
        restarts: That nobody asked for, since the supervisor started.
        pid: 0 while it does not run.
        pid_started: When the kernel says that process began, to know it again; 0 if unknown.
        reason: Why it is not up.
        launch: Mark of the start that is in force.
        config: Mark of the files that it goes by.
    """

    name: str
    condition: Condition = Condition.WAITING
    since: float = 0.0
    restarts: int = 0
    pid: int = 0
    pid_started: int = 0
    reason: str = ""
    launch: str = ""
    config: str = ""


@dataclass(frozen=True, slots=True)
class StackState:
    """
    Hold how the whole stack stands.

    Args:
        plan: Mark of the list of parts that the supervisor goes by.
    """

    supervisor: int
    plan: str
    parts: tuple[PartState, ...]

    @property
    def all_up(self) -> bool:
        """Tell whether every part is up."""
        return all(part.condition is Condition.UP for part in self.parts)

    def without_processes(self) -> StackState:
        """Return the state after the supervisor has gone."""
        gone = (
            replace(part, condition=Condition.STOPPED, pid=0, pid_started=0, reason="")
            for part in self.parts
        )
        return replace(self, supervisor=0, parts=tuple(gone))


def read_state(path: Path) -> StackState | None:
    """Return the state in the file *path*, or `None` where there is none that can be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
        parts = tuple(_part(entry) for entry in found["parts"])
        return StackState(int(found["supervisor"]), str(found["plan"]), parts)
    except (OSError, ValueError, KeyError, TypeError):
        # A file of another version counts as none: what runs is found by its lock.
        return None


def _part(entry: dict[str, Any]) -> PartState:
    return PartState(**{**entry, "condition": Condition(entry["condition"])})


def write_state(path: Path, supervisor: int, plan: str, parts: Iterable[PartState]) -> None:
    """
    Write the state of all *parts* to the file *path*.

    Raises:
        OSError: It cannot be written.
    """
    entries = [{**asdict(part), "condition": part.condition.value} for part in parts]
    content = {"supervisor": supervisor, "plan": plan, "parts": entries}
    write_whole(path, json.dumps(content, indent=1) + "\n")
