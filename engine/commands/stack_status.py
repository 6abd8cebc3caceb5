"""Show the parts of the stack."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slo.engine.commands.stack_options import (
    context_option,
    out_option,
    paint,
    refuse_other_targets,
    settings_option,
    target_option,
)
from slo.stack.settings_file import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slo.stack.supervisor.part import Part
    from slo.stack.supervisor.state import StackState

__all__ = ["command"]

_HEAD = ("PART", "STATE", "SINCE", "RESTARTS", "VERSION", "ADDRESS")


@click.command(
    "status",
    help="Show the parts of the stack: state, version, address; on this machine also since when, "
    "and restarts.",
    epilog="Exit codes: 0 all parts are up, 1 some are not, 2 wrong usage.",
)
@target_option
@settings_option
@out_option
@context_option
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it is printed.",
)
def command(
    target: str, settings_file: Path, out: Path | None, context: str | None, style: str
) -> None:
    """Print how the parts stand."""
    given = {"--out": (out, ("compose",)), "--context": (context, ("kubernetes",))}
    refuse_other_targets(target, {name: of for name, (value, of) in given.items() if value})
    if target != "local":
        from slo.engine.commands.stack_outside import show_status

        settings = load_settings(settings_file)
        sys.exit(0 if show_status(target, settings, out=out, context=context, style=style) else 1)
    from slo.stack.supervisor.control import known_parts, stack_state
    from slo.stack.targets.local_places import local_folder

    folder = local_folder(load_settings(settings_file))
    state = stack_state(folder)
    parts = {part.name: part for part in known_parts(folder)}
    if style == "json":
        click.echo(_json(state, parts))
    elif state is None:
        click.echo("the stack has not been started: `slo stack up`", err=True)
    else:
        click.echo("\n".join(_table(state, parts)))
    sys.exit(0 if state is not None and state.supervisor and state.all_up else 1)


def _json(state: StackState | None, parts: Mapping[str, Part]) -> str:
    found = []
    for part in state.parts if state else ():
        known = parts.get(part.name)
        found.append(
            {
                "name": part.name,
                "state": part.condition.value,
                "since": round(part.since, 3),
                "restarts": part.restarts,
                "pid": part.pid or None,
                "reason": part.reason or None,
                "version": known.version if known else None,
                "addresses": list(known.addresses) if known else [],
            }
        )
    content = {"running": bool(state and state.supervisor), "parts": found}
    return json.dumps(content, indent=2)


def _table(state: StackState, parts: Mapping[str, Part]) -> list[str]:
    now = time.time()
    rows = [_HEAD]
    for part in state.parts:
        known = parts.get(part.name)
        rows.append(
            (
                part.name,
                part.condition.value,
                _age(now - part.since),
                str(part.restarts),
                known.version if known else "",
                "  ".join(known.addresses) if known else "",
            )
        )
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD))]
    lines = []
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        if row is not _HEAD:
            cells[1] = paint(row[1], cells[1])
        lines.append("  ".join(cells).rstrip())
    for part in state.parts:
        if part.reason:
            lines.append(f"{part.name}: {part.reason}")
    if not state.supervisor:
        lines.append("the stack does not run: `slo stack up`")
    return lines


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{max(0, seconds):.0f}s"
