"""Stop the stack."""

from __future__ import annotations

from pathlib import Path

import click

from slo.engine.commands.stack_options import (
    context_option,
    out_option,
    refuse_other_targets,
    settings_option,
    target_option,
)
from slo.stack.settings_file import load_settings

__all__ = ["command"]


@click.command(
    "down",
    help="Stop the stack. Its data stays, unless you say --purge.",
)
@target_option
@settings_option
@out_option
@context_option
@click.option(
    "--purge",
    is_flag=True,
    help="Delete its data, too: history, ledger, logs; in a cluster the whole namespace.",
)
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
def command(
    target: str,
    settings_file: Path,
    out: Path | None,
    context: str | None,
    purge: bool,
    yes: bool,
) -> None:
    """Stop, and delete only what was asked for."""
    given = {"--out": (out, ("compose",)), "--context": (context, ("kubernetes",))}
    refuse_other_targets(target, {name: of for name, (value, of) in given.items() if value})
    if target != "local":
        from slo.engine.commands.stack_outside import bring_down

        settings = load_settings(settings_file)
        bring_down(target, settings, out=out, context=context, purge=purge, yes=yes)
        return
    from slo.stack.supervisor.control import one_at_a_time, stop_supervisor
    from slo.stack.supervisor.daemon import end_leftovers
    from slo.stack.targets.local_places import local_folder

    folder = local_folder(load_settings(settings_file))
    if not folder.is_ours:
        click.echo(f"there is no stack in {folder.root}", err=True)
        return
    with one_at_a_time(folder):
        stopped = stop_supervisor(folder)
        # Where the kernel does not end the parts of a supervisor that was killed.
        end_leftovers(folder)
        click.echo("the stack is stopped" if stopped else "the stack was not running", err=True)
        if not purge:
            click.echo(f"its data stays in {folder.root}", err=True)
            return
        size = folder.size() / 1e6
        click.echo(f"deleting {folder.root}: data, logs and ledger, {size:,.1f} MB", err=True)
        if not yes:
            click.confirm("delete it for good?", abort=True, err=True)
        folder.purge()
    click.echo("deleted", err=True)
