"""Run promtool on compiled rules and read what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from slo.errors import ToolError

__all__ = ["Failure", "Outcome", "check_rules", "find_promtool", "test_rules"]

_PROGRAM = "promtool"
_VARIABLE = "SLO_PROMTOOL"
_EXPRESSION = re.compile(r'expr: "(?P<expr>(?:\\.|[^"\\])*)", time: (?P<time>[^,\n]+),')
_WANTED = re.compile(r"^\s*exp: ?(.*)", re.MULTILINE)
_FOUND = re.compile(r"^\s*got: ?(.*)", re.MULTILINE)
# Two cores are what a small build machine has.
_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Failure:
    """
    Hold one failed check.

    Args:
        expression: What was queried; empty when the file itself was refused.
        time: Time in the test.
        message: All that promtool says, when it is not about an expression.
    """

    expression: str
    time: str
    wanted: str
    found: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold the result of one file."""

    path: Path
    failures: tuple[Failure, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Tell whether promtool had nothing to say."""
        return not self.failures


def find_promtool() -> str:
    """
    Return the path of promtool: that of `SLO_PROMTOOL`, or the one on the PATH.

    Raises:
        ToolError: It is not installed.
    """
    found = shutil.which(os.environ.get(_VARIABLE) or _PROGRAM)
    if found is None:
        raise ToolError(
            "promtool is not installed: it comes with Prometheus "
            "(on Debian and Ubuntu: apt install prometheus)"
        )
    return found


def check_rules(paths: Sequence[Path], deadline: float) -> Outcome:
    """
    Run `promtool check rules` on *paths*.

    Args:
        deadline: Seconds after which promtool is stopped.

    Raises:
        ToolError: promtool is missing, or took too long.
    """
    started = time.monotonic()
    code, text = _run(["check", "rules", *map(str, paths)], deadline)
    failures = () if code == 0 else (Failure("", "", "", "", text.strip()),)
    return Outcome(paths[0].parent, failures, time.monotonic() - started)


def test_rules(paths: Sequence[Path], deadline: float) -> Iterator[Outcome]:
    """
    Run `promtool test rules` on each of *paths*, and yield the outcomes as they come.

    Args:
        deadline: Seconds after which everything still running is stopped.

    Raises:
        ToolError: promtool is missing, or took too long.
    """
    ends = time.monotonic() + deadline
    with ThreadPoolExecutor(_WORKERS) as pool:
        running = [pool.submit(_test, path, ends) for path in paths]
        try:
            for done in as_completed(running):
                yield done.result()
        finally:
            for waiting in running:
                waiting.cancel()


def _test(path: Path, ends: float) -> Outcome:
    started = time.monotonic()
    code, text = _run(["test", "rules", str(path)], ends - started)
    return Outcome(path, _failures(text) if code else (), time.monotonic() - started)


def _failures(text: str) -> tuple[Failure, ...]:
    r"""
    Read the failed checks from what promtool prints.

    >>> text = '  FAILED:\\n    expr: "up", time: 1m,\\n        exp: {} 1E+00\\n        got: nil\\n'
    >>> _failures(text)[0].found
    'nil'
    """
    found = []
    starts = list(_EXPRESSION.finditer(text))
    for number, match in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        part = text[match.end() : end]
        wanted, got = _WANTED.search(part), _FOUND.search(part)
        found.append(
            Failure(
                match["expr"].replace('\\"', '"').replace("\\\\", "\\"),
                match["time"],
                wanted[1] if wanted else "",
                got[1] if got else "",
            )
        )
    return tuple(found) or (Failure("", "", "", "", text.strip()),)


def _run(arguments: list[str], deadline: float) -> tuple[int, str]:
    program = find_promtool()
    try:
        done = subprocess.run(
            [program, *arguments],
            capture_output=True,
            text=True,
            timeout=max(deadline, 0.001),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"promtool did not finish in time: {' '.join(arguments)}") from error
    except OSError as error:
        raise ToolError(f"{program}: {error.strerror or error}") from error
    return done.returncode, f"{done.stdout}\n{done.stderr}"
