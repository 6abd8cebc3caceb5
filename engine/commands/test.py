"""Prove with promtool when every alert fires and resets."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from slo.duration import Duration
from slo.engine.commands.shared import (
    PROMETHEUS_DURATION,
    compile_options,
    present,
    spec_arguments,
)
from slo.engine.pipeline import compile_specs
from slo.errors import OutputError, ToolError

__all__ = ["command"]

_KINDS = ("rules", "tests")
_FOLDERS = ("rules", "rules-tests")


@click.command(
    "test",
    help="Compile specs and prove with promtool when every alert fires and resets. "
    "SPEC is a file, a folder or - for standard input.",
)
@spec_arguments
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep the rules and their tests in this folder.",
)
@click.option(
    "--deadline",
    type=PROMETHEUS_DURATION,
    default="30m",
    show_default=True,
    help="Stop promtool after this time.",
)
def command(
    specs: tuple[str, ...], strict: bool, keep: Path | None, deadline: Duration, **given: Any
) -> None:
    """Compile, run promtool, print the summary; exit with 1 when something is wrong."""
    from slo.engine.promtool import find_promtool
    from slo.engine.reporters.rule_tests import lines
    from slo.engine.rule_tests import run_rule_tests
    from slo.engine.writer import write_artifacts

    try:
        find_promtool()
    except ToolError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    options = compile_options(given, kinds=_KINDS)
    result = compile_specs(specs, options)
    code = present(result.diagnostics, result.sources, "text", strict)
    if code:
        sys.exit(code)
    progress = _show_progress if sys.stderr.isatty() else None
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slo-test-")))
        try:
            write_artifacts(result.artifacts, folder, _FOLDERS)
            report = run_rule_tests(
                result.specs.slos,
                result.artifacts,
                folder,
                deadline.seconds,
                time.monotonic,
                progress,
            )
        except (OutputError, ToolError) as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo("\n".join(lines(report, options.exact, options.interval, color)))
    sys.exit(0 if report.passed else 1)


def _show_progress(done: int, total: int) -> None:
    text = "" if done == total else f"promtool: {done} of {total} files"
    click.echo(f"\r\033[K{text}", nl=False, err=True)
