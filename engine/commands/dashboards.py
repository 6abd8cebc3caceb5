"""Bring compiled dashboards to a Grafana."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slo.duration import Duration
from slo.engine.commands.shared import (
    PROMETHEUS_DURATION,
    compile_options,
    present,
    spec_arguments,
)
from slo.engine.commands.source_options import UrlType
from slo.errors import OutputError, ToolError

if TYPE_CHECKING:
    from slo.artifact import Artifact
    from slo.dashboards.push import PushPlan

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_SIGNS = {"add": "+", "change": "~", "delete": "-", "leave": "?"}
_COLORS = {"add": "green", "change": "yellow", "delete": "red", "leave": "cyan"}
_MOST_DETAILS = 6
_PROGRESS_FROM = 20


@click.group("dashboards", help="Bring the compiled dashboards to a Grafana.")
def command() -> None:
    """Bring the compiled dashboards to a Grafana."""


@command.command(
    "push",
    short_help="Save the dashboards of SPEC in a Grafana; show first what differs.",
    help="Save the dashboards of SPEC in a Grafana, over its API. What differs is shown first; "
    "what is as compiled is left alone.",
    epilog="Exit codes: 0 fine, 1 problems found, 2 wrong usage.",
)
@spec_arguments
@click.option(
    "--grafana",
    type=UrlType("--token-file"),
    required=True,
    envvar="SLO_GRAFANA",
    help="Grafana to push to. Also SLO_GRAFANA.",
)
@click.option(
    "--token-file",
    type=_FILE,
    required=True,
    help="File with the token of a service account that may edit the folder.",
)
@click.option("--folder", default="SLO", show_default=True, help="Title of a new folder.")
@click.option("--folder-uid", default="slostack", show_default=True, help="Folder to keep.")
@click.option("--prune", is_flag=True, help="Delete ours that nothing compiles to any more.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--ca-file", type=_FILE, help="Certificates to trust.")
@click.option(
    "--timeout",
    type=PROMETHEUS_DURATION,
    default="30s",
    show_default=True,
    help="Limit of one call, retries included.",
)
def push(
    specs: tuple[str, ...],
    grafana: str,
    token_file: Path,
    folder: str,
    folder_uid: str,
    prune: bool,
    dry_run: bool,
    ca_file: Path | None,
    timeout: Duration,
    strict: bool,
    **given: Any,
) -> None:
    """Save the dashboards of specs in a Grafana."""
    artifacts = _compiled(specs, given, strict)
    try:
        import stamina

        from slo.dashboards.grafana_server import GrafanaServer
        from slo.dashboards.push import apply_push, plan_push
    except ImportError as error:
        click.echo(
            f"error: pushing needs {error.name}: pip install 'slostack[dashboards]'", err=True
        )
        sys.exit(2)
    # What went wrong is said once, at the end.
    stamina.instrumentation.set_on_retry_hooks([])
    try:
        token = _token(token_file)
        with GrafanaServer(grafana, token, ca_file=ca_file, within=timeout.seconds) as server:
            total = sum(1 for a in artifacts if a.path.endswith(".json"))
            show = _Progress(total)
            plan = plan_push(artifacts, server, folder_uid, prune=prune, progress=show)
            _show(plan, folder, dry_run)
            if not dry_run:
                apply_push(plan, server, folder_uid, folder)
    except ToolError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


@command.command(
    "provisioning",
    short_help="Write the files that a Grafana reads when it starts.",
    help="Write the files by which a Grafana knows its data sources and finds the dashboards "
    "when it starts.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write provisioning/ to.",
)
@click.option(
    "--prometheus", default="http://prometheus:9090", show_default=True, help="As Grafana sees it."
)
@click.option(
    "--loki", default="http://loki:3100", show_default=True, help="Likewise; empty for none."
)
@click.option(
    "--jaeger", default="http://jaeger:16686", show_default=True, help="Likewise; empty for none."
)
@click.option(
    "--dashboards",
    default="/etc/grafana/dashboards",
    show_default=True,
    help="Folder that Grafana sees the compiled dashboards in.",
)
def provisioning(out: Path, prometheus: str, loki: str, jaeger: str, dashboards: str) -> None:
    """Write provisioning files."""
    from slo.dashboards.provisioning import Addresses, files
    from slo.engine.writer import write_artifacts

    made = files(Addresses(prometheus, loki, jaeger, dashboards))
    folders = sorted({artifact.path.rsplit("/", 1)[0] for artifact in made})
    try:
        write_artifacts(made, out, folders)
    except OutputError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    for artifact in made:
        click.echo(f"{out}/{artifact.path}", err=True)


def _compiled(specs: tuple[str, ...], given: dict[str, Any], strict: bool) -> tuple[Artifact, ...]:
    from slo.dashboards.emit import MISSING, available
    from slo.engine.pipeline import compile_specs

    if not available():
        raise click.UsageError(f"dashboards {MISSING}")
    result = compile_specs(specs, compile_options(given, kinds=("rules", "dashboards")))
    code = present(result.diagnostics, result.sources, "text", strict)
    if code:
        sys.exit(code)
    return result.artifacts


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ToolError(f"{path}: {reason}") from error
    if not token or any(sign.isspace() for sign in token) or not token.isascii():
        raise ToolError(f"{path}: holds no token; write it there, alone")
    return token


class _Progress:
    """Show how many dashboards have been compared, on a terminal, where it takes a while."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._on = sys.stderr.isatty() and total >= _PROGRESS_FROM

    def __call__(self, done: int) -> None:
        if self._on:
            text = "" if done == self._total else f"comparing: {done} of {self._total} dashboards"
            click.echo(f"\r\x1b[K{text}", err=True, nl=False)


def _show(plan: PushPlan, folder: str, dry_run: bool) -> None:
    """Print what differs, and a last line that counts it."""
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    if plan.new_folder:
        click.secho(f"+ folder {folder}", fg="green" if color else None)
    width = max((len(change.title) for change in plan.changes), default=0)
    for change in plan.changes:
        details = ", ".join(change.details[:_MOST_DETAILS])
        more = len(change.details) - _MOST_DETAILS
        details += f" and {more} more" if more > 0 else ""
        if change.action == "leave":
            details = "nothing compiles to it any more; --prune deletes it"
        line = f"{_SIGNS[change.action]} {change.title:{width}}  {details}".rstrip()
        click.secho(line, fg=_COLORS[change.action] if color else None)
    counted = [
        f"{sum(1 for c in plan.changes if c.action == action)} {word}"
        for action, word in (("add", "new"), ("change", "changed"), ("delete", "deleted"))
        if any(c.action == action for c in plan.changes)
    ]
    state = ", ".join([*counted, f"{plan.unchanged} unchanged"])
    click.echo(f"{'would be: ' if dry_run else ''}{state}", err=True)
