"""Find the spec files that the user named."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from slo.diagnostics import Diagnostic, Severity, Span
from slo.source import MAX_BYTES, Source

__all__ = ["STDIN_SHOWN", "Input", "discover", "read_input"]

_SUFFIXES = (".yaml", ".yml")
STDIN = "-"
STDIN_SHOWN = "<stdin>"


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """
    Name one file to read.

    Args:
        shown: Path for messages, as the user would write it.
        relative: Path below the folder that was named; decides the names of the outputs.
    """

    path: Path
    shown: str
    relative: str


def discover(
    paths: Iterable[str], exclude: Iterable[str] = ()
) -> tuple[list[Input], list[Diagnostic]]:
    """Return the files at *paths*, folders searched for YAML, and what could not be found."""
    inputs: dict[Path, Input] = {}
    problems: list[Diagnostic] = []
    patterns = tuple(exclude)
    for name in paths:
        path = Path(name)
        if name == STDIN:
            inputs[path] = Input(path, STDIN_SHOWN, "stdin.yaml")
            continue
        try:
            found = list(_at(path, name, patterns))
        except OSError as error:
            # Such as a name that is too long.
            problems.append(_problem(name, str(error.strerror).lower(), "SLO001"))
            continue
        inputs.update((i.path, i) for i in found)
        if not found:
            folder = path.is_dir()
            what = "no YAML file in this folder" if folder else "no such file or folder"
            problems.append(_problem(name, what, "SLO008" if folder else "SLO001"))
    return list(inputs.values()), problems


def _at(path: Path, shown: str, patterns: tuple[str, ...]) -> Iterator[Input]:
    if path.is_dir():
        yield from (i for i in _below(path) if not _excluded(i, patterns))
    elif path.exists():
        yield Input(path, shown, path.name)


def _below(folder: Path) -> Iterator[Input]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.suffix in _SUFFIXES and not hidden and path.is_file():
            yield Input(path, str(path), relative.as_posix())


def _excluded(found: Input, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(found.relative, p) or fnmatch(found.path.name, p) for p in patterns)


def read_input(found: Input) -> Source | Diagnostic:
    """Return the text of *found*, or why it cannot be read."""
    try:
        if found.shown == STDIN_SHOWN:
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with found.path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return _problem(found.shown, error.strerror or str(error), "SLO001")
    if len(data) > MAX_BYTES:
        limit = MAX_BYTES // 1024 // 1024
        hint = "split it: one file per service compiles faster and reads better"
        problem = _problem(found.shown, f"the file is longer than {limit} MiB", "SLO003")
        return replace(problem, hint=hint)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        span = Span(found.shown, line, column, line, column + 1)
        return Diagnostic(
            "SLO001", Severity.ERROR, "not UTF-8 text", span, "save the file as UTF-8"
        )
    return Source(found.shown, text.replace("\r\n", "\n").replace("\r", "\n"))


def _problem(name: str, reason: str, code: str) -> Diagnostic:
    return Diagnostic(code, Severity.ERROR, reason, Span(name))
