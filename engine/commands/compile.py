"""Compile specs and write or compare the artifacts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from slo.artifact import Artifact
from slo.engine.commands.shared import compile_options, present, spec_arguments
from slo.engine.options import FORMATS, KINDS, CompileOptions
from slo.engine.pipeline import compile_specs
from slo.errors import OutputError

__all__ = ["command"]

_FOLDERS = {
    "rules": "rules",
    "tests": "rules-tests",
    "alertmanager": "alertmanager",
    "dashboards": "dashboards",
    "collector": "collector",
}


@click.command(
    "compile",
    help="Compile specs. SPEC is a file, a folder or - for standard input. "
    "Without --out, the rules go to standard output.",
)
@spec_arguments
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write rules/, rules-tests/, alertmanager/, dashboards/ and collector/ to.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; fail with a diff if --out is not current."
)
@click.option(
    "--only",
    type=click.Choice(KINDS),
    multiple=True,
    help="Make only this kind of artifact. Repeatable.",
)
@click.option(
    "--format",
    "rule_format",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="auto: a PrometheusRule for a custom resource, a rule file for all else.",
)
@click.option("--disable-recordings", is_flag=True, help="Leave the recording rules out.")
@click.option("--disable-alerts", is_flag=True, help="Leave the alerts out.")
@click.option(
    "--diagnostics",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How problems are printed; json goes to standard output and needs --out.",
)
@click.option("-q", "--quiet", is_flag=True, help="Do not say what was written.")
def command(
    specs: tuple[str, ...],
    out: Path | None,
    check: bool,
    only: tuple[str, ...],
    rule_format: str,
    disable_recordings: bool,
    disable_alerts: bool,
    style: str,
    strict: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Compile specs; nothing is written unless everything compiled."""
    if check and out is None:
        raise click.UsageError("--check compares with a folder: name it with --out")
    if style == "json" and out is None:
        raise click.UsageError(
            "--diagnostics json needs --out, since the rules go to standard output"
        )
    kinds = _kinds(only, out)
    options = compile_options(
        given,
        format=rule_format,
        kinds=kinds,
        recordings=not disable_recordings,
        alerts=not disable_alerts,
    )
    if out is not None and not check:
        sys.exit(_write(specs, options, out, style, strict, quiet))
    result = compile_specs(specs, options)
    code = present(result.diagnostics, result.sources, style, strict)
    if code == 0 and out is None:
        _print(result.artifacts)
    elif code == 0 and out is not None:
        code = _compare(result.artifacts, out, _folders(options))
    sys.exit(code)


def _kinds(only: tuple[str, ...], out: Path | None) -> tuple[str, ...]:
    """Return what to make: all that can be made here, where nothing else is asked for."""
    if not only and out is None:
        return ("rules",)
    if only and "dashboards" not in only:
        return only
    from slo.dashboards.emit import MISSING, available

    if available():
        return only or KINDS
    if "dashboards" in only:
        raise click.UsageError(f"dashboards {MISSING}")
    return only or tuple(kind for kind in KINDS if kind != "dashboards")


def _folders(options: CompileOptions) -> list[str]:
    return [_FOLDERS[kind] for kind in options.kinds]


def _print(artifacts: tuple[Artifact, ...]) -> None:
    """Print the rules; several files become several YAML documents."""
    from slo.alerts.collector_health import COLLECTOR_FILE
    from slo.alerts.health import HEALTH_FILE

    # The rules that watch the rules belong to a folder of rules, not to a quick look.
    watching = {f"rules/{name}.yaml" for name in (HEALTH_FILE, COLLECTOR_FILE)}
    shown = [a for a in artifacts if a.path not in watching]
    click.echo("---\n".join(artifact.text for artifact in shown), nl=False)


def _write(
    specs: tuple[str, ...],
    options: CompileOptions,
    out: Path,
    style: str,
    strict: bool,
    quiet: bool,
) -> int:
    from slo.engine.build import build

    try:
        show = _show_progress if sys.stderr.isatty() and not quiet else None
        result, changes = build(specs, options, out, _folders(options), strict, show)
    except OutputError as error:
        click.echo(f"error: {error}", err=True)
        return 1
    code = present(result.diagnostics, result.sources, style, strict)
    if changes is not None and not quiet:
        parts = [
            f"{len(found)} {word}"
            for word, found in (
                ("added", changes.added),
                ("changed", changes.changed),
                ("removed", changes.removed),
            )
            if found
        ]
        state = ", ".join(parts) or "nothing changed"
        click.echo(f"{out}: {len(result.artifacts)} files, {state}", err=True)
    return code


def _show_progress(done: int, files: int) -> None:
    """Rewrite one line of the terminal; the last call clears it."""
    text = "" if done == files else f"compiling: {done} of {files} files"
    click.echo(f"\r\x1b[K{text}", err=True, nl=False)


def _compare(artifacts: tuple[Artifact, ...], out: Path, folders: list[str]) -> int:
    from slo.engine.writer import compare, diff

    try:
        changes = compare(artifacts, out, folders)
    except OutputError as error:
        click.echo(f"error: {error}", err=True)
        return 1
    if not changes.any:
        click.echo(f"{out}: up to date", err=True)
        return 0
    click.echo("\n".join(diff(artifacts, out, changes)))
    click.echo(f"{out} is not current: compile again", err=True)
    return 1
