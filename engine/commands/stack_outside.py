"""Start, stop and look at a stack that docker or kubectl looks after."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slo.engine.commands.stack_options import paint
from slo.engine.stack_inputs import StackInputs
from slo.errors import ToolError
from slo.stack.settings import StackSettings

if TYPE_CHECKING:
    from slo.stack.targets.kubernetes_control import KubernetesStack
    from slo.stack.targets.outside_tools import OutsidePart

__all__ = ["bring_down", "bring_up", "show_status"]

_HEAD = ("PART", "STATE", "VERSION", "ADDRESS")


def bring_up(
    target: str,
    inputs: StackInputs,
    *,
    out: Path | None,
    overlay: str,
    context: str | None,
    wait_seconds: float,
    yes: bool,
) -> None:
    """
    Render the stack and hand it to the program that looks after it.

    Args:
        wait_seconds: How long to wait until all is up; 0 not at all.

    Raises:
        ToolError: A program or a secret is missing, or the program failed.
        OutputError: Somebody has edited a rendered file.
    """
    from slo.engine.commands.stack_render import write_target
    from slo.stack.secrets import missing_secrets

    settings = inputs.settings
    # What is missing on this machine, or not wanted, is found before anything is written.
    if target == "compose":
        from slo.stack.targets.compose import compose_plan as make_plan
        from slo.stack.targets.compose_control import ComposeStack

        compose = ComposeStack(out or _folder(settings, target))
    else:
        from slo.stack.targets.kubernetes import kubernetes_plan as make_plan

        cluster = _cluster(settings, context, "bring the stack up there?", ask=not yes)
    folder = write_target(target, inputs, out)
    secrets = settings.folder / settings.secrets
    missing = missing_secrets(make_plan(settings, inputs.compiled), secrets)
    if missing:
        names = ", ".join(str(secrets / secret.name) for secret in missing)
        raise ToolError(f"provide these secrets first, one file each: {names}")
    if target == "compose":
        compose.up(wait_seconds=wait_seconds)
    else:
        cluster.up(folder, overlay)
        if wait_seconds:
            cluster.wait(wait_seconds)
    if wait_seconds:
        click.echo("the stack is up", err=True)
    else:
        click.echo(f"the stack is on its way: `slo stack status --target {target}`", err=True)


def bring_down(
    target: str,
    settings: StackSettings,
    *,
    out: Path | None,
    context: str | None,
    purge: bool,
    yes: bool,
) -> None:
    """
    Stop the stack; what it stored stays unless *purge* is set and confirmed.

    Raises:
        ToolError: A program is missing or failed.
    """
    if target == "compose":
        from slo.stack.targets.compose_control import ComposeStack

        compose = ComposeStack(out or _folder(settings, target))
        if not compose.is_rendered:
            click.echo(f"there is no stack in {out or _folder(settings, target)}", err=True)
            return
        if purge:
            _confirm_purge("the volumes of all its containers", yes)
        compose.down(purge=purge)
        kept = "its volumes stay"
    else:
        ask = not (yes or purge)
        cluster = _cluster(settings, context, "take the stack down there?", ask=ask)
        if purge:
            what = f"namespace {settings.name} with everything in it: claims, secrets, volumes"
            _confirm_purge(what, yes)
        cluster.down()
        if purge:
            cluster.purge()
        kept = f"namespace {settings.name}, its secrets and volume claims stay"
    click.echo("the stack is stopped", err=True)
    click.echo("deleted" if purge else kept, err=True)


def show_status(
    target: str, settings: StackSettings, *, out: Path | None, context: str | None, style: str
) -> bool:
    """
    Print how the parts stand, and return whether all are up.

    Raises:
        ToolError: A program is missing or does not answer.
    """
    if target == "compose":
        from slo.stack.targets.compose_control import ComposeStack

        compose = ComposeStack(out or _folder(settings, target))
        parts = compose.parts() if compose.is_rendered else ()
    else:
        parts = _cluster(settings, context, "", ask=False).parts()
    running = any(part.condition not in ("stopped", "done") for part in parts)
    if style == "json":
        click.echo(json.dumps({"running": running, "parts": [_fields(p) for p in parts]}, indent=2))
    elif not parts:
        click.echo(f"the stack has not been started: `slo stack up --target {target}`", err=True)
    else:
        click.echo("\n".join(_table(parts)))
    return running and all(part.is_up for part in parts)


def _folder(settings: StackSettings, target: str) -> Path:
    return settings.folder / "stack" / target


def _cluster(
    settings: StackSettings, context: str | None, question: str, *, ask: bool
) -> KubernetesStack:
    """Return the cluster after the user has seen which one it is."""
    from slo.stack.targets.kubernetes_control import KubernetesStack, current_context

    chosen = context or current_context()
    click.echo(f"context {chosen}, namespace {settings.name}", err=True)
    if ask and context is None and sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)
    return KubernetesStack(settings.name, chosen)


def _confirm_purge(what: str, yes: bool) -> None:
    click.echo(f"deleting {what}", err=True)
    if not yes:
        click.confirm("delete it for good?", abort=True, err=True)


def _fields(part: OutsidePart) -> dict[str, object]:
    """Return the fields that a part of this machine has, empty where nobody says."""
    return {
        "name": part.name,
        "state": part.condition,
        "since": None,
        "restarts": None,
        "pid": None,
        "reason": part.reason or None,
        "version": part.version or None,
        "addresses": list(part.addresses),
    }


def _table(parts: tuple[OutsidePart, ...]) -> list[str]:
    rows = [_HEAD, *((p.name, p.condition, p.version, "  ".join(p.addresses)) for p in parts)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        if row is not _HEAD:
            cells[1] = paint("up" if row[1] == "done" else row[1], cells[1])
        lines.append("  ".join(cells).rstrip())
    return lines + [f"{part.name}: {part.reason}" for part in parts if part.reason]
