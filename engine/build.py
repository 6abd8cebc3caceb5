"""
Compile into a folder, many files at once.

Artifacts go from the compiler straight to a staging folder, so that memory does not grow with
the number of SLOs, and large runs use every core. Nothing of the target changes before
everything has compiled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from slo.engine.discovery import Input
from slo.engine.options import CompileOptions
from slo.engine.pipeline import (
    CompileResult,
    Environment,
    FileResult,
    compile_file,
    finish,
    prepare,
)
from slo.engine.writer import Changes, Staged, Staging

__all__ = ["build"]

# Below this many files, starting processes costs more than it saves.
_PARALLEL_FROM = 64
_CHUNK = 16


def build(
    paths: Iterable[str],
    options: CompileOptions,
    folder: Path,
    folders: Iterable[str],
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[CompileResult[Staged], Changes | None]:
    """
    Compile the specs at *paths* and make *folder* hold the result.

    Args:
        folders: Sub-folders that this run is responsible for.
        strict: Change nothing on a warning either.
        progress: Told how many of how many files are done, in large runs.

    Returns:
        The result, and what changed in *folder*; `None` when something is wrong.

    Raises:
        OutputError: Something cannot be written; nothing has been changed.
    """
    inputs, environment = prepare(paths, options)
    with Staging(folder) as staging:
        if len(inputs) < _PARALLEL_FROM or _cores() < 2:
            results = [compile_file(found, environment, staging.stage) for found in inputs]
        else:
            results = _in_processes(inputs, environment, staging, progress)
        result = finish(inputs, results, environment, staging.stage)
        if result.failed or (strict and result.diagnostics):
            return result, None
        return result, staging.commit(result.artifacts, folders)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# What a worker needs beside its files; set once in each process.
_worker: tuple[Environment, Staging] | None = None


def _start_worker(environment: Environment, staging: Staging) -> None:
    global _worker  # noqa: PLW0603 - the only channel that a process pool offers
    _worker = (environment, staging)


def _work(found: Input) -> FileResult[Staged]:
    assert _worker is not None
    environment, staging = _worker
    return compile_file(found, environment, staging.stage)


def _in_processes(
    inputs: Sequence[Input],
    environment: Environment,
    staging: Staging,
    progress: Callable[[int, int], None] | None,
) -> list[FileResult[Staged]]:
    import multiprocessing

    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    with context.Pool(_cores(), _start_worker, (environment, staging)) as pool:
        results = []
        for result in pool.imap(_work, inputs, _CHUNK):
            results.append(result)
            if progress is not None:
                progress(len(results), len(inputs))
        return results
