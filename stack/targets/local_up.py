"""Bring this machine's stack in line with the settings: check everything, then change it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slo.errors import ToolError
from slo.stack.components.context import Compiled
from slo.stack.components.model import Component
from slo.stack.rendering import TreeChanges, compare_tree, write_tree
from slo.stack.secrets import make_secrets
from slo.stack.settings import StackSettings
from slo.stack.supervisor.control import (
    apply_parts,
    known_parts,
    one_at_a_time,
    stack_state,
    supervisor_pid,
    wait_until_up,
    write_parts,
)
from slo.stack.supervisor.daemon import end_leftovers, supervise
from slo.stack.supervisor.folder import StackFolder
from slo.stack.supervisor.operating_system import Listener, listener_on
from slo.stack.supervisor.part import Part
from slo.stack.supervisor.state import PartState, StackState
from slo.stack.targets.local import LeftOut, LocalStack, config_artifacts, local_stack, parts_of
from slo.stack.targets.local_places import LocalPlaces, local_folder
from slo.stack.targets.local_programs import find, remedy

__all__ = ["Brought", "bring_up", "run_in_foreground"]

_CHECK_SECONDS = 60.0
# Beside what a part itself may take: those that it needs start before it.
_MARGIN_SECONDS = 60.0
# Only the engine's ledger can make it.


@dataclass(frozen=True, slots=True)
class Brought:
    """
    Hold what `bring_up` found and did.

    Args:
        late: Parts that are not up.
        edited: Files that somebody had changed by hand, and that are as rendered again.
        unchecked: Parts whose configuration could not be checked, with what is missing for it.
        changed: Whether anything had to be done.
    """

    parts: tuple[Part, ...]
    state: StackState | None
    late: tuple[PartState, ...]
    left_out: tuple[LeftOut, ...]
    edited: tuple[str, ...]
    unchecked: tuple[str, ...]
    changed: bool


def bring_up(
    settings: StackSettings,
    compiled: Compiled,
    *,
    require: bool = False,
    wait: bool = True,
    show: Callable[[StackState], None] = lambda state: None,
) -> Brought:
    """
    Make the stack run as *settings* and *compiled* say; where it does already, change nothing.

    Args:
        require: Refuse where this machine cannot run a part.
        wait: Until everything is up.
        show: Told how the parts stand while waiting.

    Raises:
        ToolError: Something is missing, refused or taken; what runs goes on as before.
        OutputError: Files cannot be written.
    """
    stack, folder = _prepared(settings, compiled, require)
    with one_at_a_time(folder):
        running = supervisor_pid(folder) is not None
        ready = _write(stack, folder)
        if ready.changed or not running or not _is_up(folder):
            apply_parts(folder)
        state = stack_state(folder)
        late: tuple[PartState, ...] = ()
        if wait:
            seconds = max(part.startup_seconds for part in ready.parts) + _MARGIN_SECONDS
            late = wait_until_up(folder, ready.parts, seconds, show)
            state = stack_state(folder)
        return replace(ready, state=state, late=late, changed=ready.changed or not running)


def run_in_foreground(settings: StackSettings, compiled: Compiled, *, require: bool) -> None:
    """
    Run the stack in this process until a signal ends it.

    Raises:
        ToolError: As `bring_up`, or it runs already.
        OutputError: Files cannot be written.
    """
    stack, folder = _prepared(settings, compiled, require)
    with one_at_a_time(folder):
        if supervisor_pid(folder) is not None:
            raise ToolError("the stack runs already: `slo stack down` first, or leave --foreground")
        _write(stack, folder)
    supervise(folder)


def _prepared(
    settings: StackSettings, compiled: Compiled, require: bool
) -> tuple[LocalStack, StackFolder]:
    stack = local_stack(settings, compiled)
    if require and stack.left_out:
        lines = [f"  {part.part}: {part.remedy}" for part in stack.left_out]
        raise ToolError("\n".join(["this machine cannot run the whole stack:", *lines]))
    if not stack.plan.components:
        raise ToolError("this machine has none of the stack's programs")
    folder = local_folder(settings)
    folder.make(settings.name)
    secrets = settings.folder / settings.secrets
    missing = make_secrets(stack.plan, secrets).missing
    if missing:
        lines = [f"  {secrets / secret.name}: {secret.purpose}" for secret in missing]
        raise ToolError("\n".join(["these secrets are missing; write each into its file:", *lines]))
    return stack, folder


def _write(stack: LocalStack, folder: StackFolder) -> Brought:
    """Check everything, then write files and list of parts."""
    artifacts = config_artifacts(stack.plan)
    changes = compare_tree(artifacts, folder.config)
    known = {part.name: part for part in known_parts(folder)}
    parts = _marked(parts_of(stack), known, changes)
    differing = {p.name for p in parts if p != known.get(p.name)}
    unchecked = _check(stack, folder, differing)
    if supervisor_pid(folder) is None:
        end_leftovers(folder)
    _check_ports(stack, folder, parts)
    write_tree(artifacts, folder.config, force=True)
    for component in stack.plan.components:
        for volume in component.volumes:
            Path(volume.path).mkdir(parents=True, exist_ok=True)
    changed = tuple(known.values()) != parts
    if changed:
        write_parts(folder, parts)
    return Brought(parts, None, (), stack.left_out, changes.edited, unchecked, changed)


def _marked(
    parts: Sequence[Part], known: Mapping[str, Part], changes: TreeChanges
) -> tuple[Part, ...]:
    """
    Return *parts* with a new mark where files on disk were not what they should have been.

    The marks come from the texts that are wanted; that somebody had changed a file by hand, and
    the program perhaps read it, shows only on disk.
    """
    differing = (*changes.added, *changes.changed, *changes.removed)
    touched = {path.partition("/")[0] for path in differing}
    found = []
    for part in parts:
        before = known[part.name].config if part.name in known else ""
        wanted, _, times = before.partition("+")
        if wanted == part.config:
            again = int(times or 0) + (part.name in touched)
            found.append(replace(part, config=f"{wanted}+{again}" if again else wanted))
        else:
            found.append(part)
    return tuple(found)


def _check(stack: LocalStack, folder: StackFolder, differing: set[str]) -> tuple[str, ...]:
    """Have the programs check the new files before any old one is touched."""
    suspects = [c for c in stack.checked.components if c.name in differing and c.check]
    if not suspects:
        return ()
    unchecked = []
    shutil.rmtree(folder.staging, ignore_errors=True)
    try:
        write_tree(config_artifacts(stack.checked), folder.staging)
        for component in suspects:
            program = find(component.check[0])
            if program is None:
                name = component.check[0]
                unchecked.append(f"{component.name} ({name} is missing: {remedy(name)})")
            else:
                _run_check(component, [*program.argv, *component.check[1:]])
    finally:
        shutil.rmtree(folder.staging, ignore_errors=True)
    return tuple(unchecked)


def _run_check(component: Component, argv: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(
            f"{component.check[0]} could not check {component.name}: {error}"
        ) from error
    if done.returncode:
        output = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
        raise ToolError(
            f"{component.check[0]} refuses the configuration of {component.name}; "
            f"nothing has been changed:\n{output}"
        )


def _check_ports(stack: LocalStack, folder: StackFolder, parts: Sequence[Part]) -> None:
    """Name who is in the way, before anything is started or stopped."""
    state = stack_state(folder)
    ours = {part.pid for part in state.parts if part.pid} if state else set()
    places = LocalPlaces(stack.settings)
    problems = []
    for part in parts:
        component = stack.plan.component(part.name)
        for port in component.ports:
            host, _, _ = places.listen(component.name, port.name).rpartition(":")
            found = listener_on(host.strip("[]"), port.number)
            if found is not None and not _is_ours(found, ours):
                way_out = f"stop {'it' if found.pid else 'that program'}"
                if port.exposed and port.name == "http":
                    way_out += f", or give another `port` to {component.name} under `expose`"
                problems.append(
                    f"port {port.number}, for {component.name} ({port.name}), is taken by "
                    f"{_who(found)}: {way_out}"
                )
    if problems:
        raise ToolError("\n".join(problems))


def _is_ours(found: Listener, ours: set[int]) -> bool:
    if not ours:
        return False
    try:
        # Every part leads its own group.
        return os.getpgid(found.pid) in ours if found.pid else False
    except ProcessLookupError:
        return False


def _who(found: Listener) -> str:
    if not found.pid:
        return "a program of another user"
    return f"`{found.program}` (process {found.pid})"


def _is_up(folder: StackFolder) -> bool:
    state = stack_state(folder)
    return state is not None and state.all_up
