"""Run docker and kubectl as children, with a deadline, and say how the parts they keep stand."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from slo.errors import ToolError

__all__ = ["OutsidePart", "find_tool", "run_tool", "version_of"]

# A program that is told to end gets so long to do it.
_GRACE_SECONDS = 10
_VERSION = re.compile(r":([^:/@]+)(?:@|$)")


@dataclass(frozen=True, slots=True)
class OutsidePart:
    """
    Say how a part stands that another program looks after.

    Args:
        condition: A word of `slo stack status`; `up` where all is well.
        reason: Why it is not up.
    """

    name: str
    condition: str
    reason: str = ""
    version: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def is_up(self) -> bool:
        """Say whether nothing has to be done about it."""
        return self.condition in ("up", "done")


def find_tool(name: str, install: str) -> str:
    """
    Return the path of a program.

    Args:
        install: What to do where it is missing.

    Raises:
        ToolError: It is not on the PATH.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolError(f"{name} is not on the PATH: {install}")
    return found


def run_tool(
    command: Sequence[str], *, seconds: float, shown: bool = False, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """
    Run *command* to its end and return what it wrote.

    Args:
        seconds: How long it may take.
        shown: Pass its output through, instead of keeping it.

    Raises:
        ToolError: It cannot be run, or did not end in time.
    """
    to = None if shown else subprocess.PIPE
    take = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    try:
        child = subprocess.Popen(command, stdin=take, stdout=to, stderr=to, text=True)
    except OSError as error:
        raise ToolError(f"{command[0]}: {error.strerror or error}") from error
    try:
        output, errors = child.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        _end(child)
        raise ToolError(f"`{_short(command)}` did not end within {seconds:.0f} seconds") from error
    except KeyboardInterrupt:
        # Ctrl-C reached it, too: it puts its own things in order.
        with suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
        _end(child)
        raise
    return subprocess.CompletedProcess(list(command), child.returncode, output or "", errors or "")


def version_of(image: str) -> str:
    """Return the tag of the reference of an image, or nothing."""
    found = _VERSION.search(image)
    return found[1] if found else ""


def _end(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _short(command: Sequence[str]) -> str:
    """Return a command without its folder and its end."""
    words = [command[0].rpartition("/")[2], *command[1:]]
    return " ".join(words[:8]) + (" ..." if len(words) > 8 else "")
