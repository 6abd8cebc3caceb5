"""Start the stack on this machine, or bring it in line with its settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slo.duration import Duration
from slo.engine.commands.shared import PROMETHEUS_DURATION, present
from slo.engine.commands.stack_options import (
    context_option,
    out_option,
    paint,
    refuse_other_targets,
    settings_option,
    target_option,
)
from slo.engine.stack_inputs import read_stack

if TYPE_CHECKING:
    from slo.stack.supervisor.state import StackState
    from slo.stack.targets.local_up import Brought

__all__ = ["command"]

_CLUSTER, _CONTAINERS = ("kubernetes",), ("compose", "kubernetes")
_WAIT = Duration.parse("5m")


@click.command(
    "up",
    help="Start the stack, or bring it in line with settings and specs. What is right already goes "
    "on undisturbed; mistakes are found before anything is stopped. For compose and kubernetes "
    "it renders the files and calls docker or kubectl.",
    epilog="Exit codes: 0 everything is up, 1 something is not, 2 wrong usage.",
)
@target_option
@settings_option
@out_option
@click.option(
    "--foreground",
    is_flag=True,
    help="Stay here until Ctrl-C; for service managers. Target local only.",
)
@click.option(
    "--require",
    is_flag=True,
    help="Fail where this machine cannot run every part. Target local only.",
)
@click.option(
    "--overlay",
    type=click.Choice(["development", "production"]),
    help="Which sizes and extras, for target kubernetes.  [default: development]",
)
@context_option
@click.option(
    "--wait",
    type=PROMETHEUS_DURATION,
    help="How long to wait until containers or pods are up; not for local.  [default: 5m]",
)
@click.option("--no-wait", is_flag=True, help="Do not wait until everything is up.")
@click.option("--yes", is_flag=True, help="Do not ask whether it is the right cluster.")
def command(
    target: str,
    settings_file: Path,
    out: Path | None,
    foreground: bool,
    require: bool,
    overlay: str | None,
    context: str | None,
    wait: Duration | None,
    no_wait: bool,
    yes: bool,
) -> None:
    """Bring the stack up and say how it stands."""
    given = {
        "--out": (out, _CONTAINERS),
        "--wait": (wait, _CONTAINERS),
        "--overlay": (overlay, _CLUSTER),
        "--context": (context, _CLUSTER),
        "--foreground": (foreground, ("local",)),
        "--require": (require, ("local",)),
    }
    refuse_other_targets(target, {name: of for name, (value, of) in given.items() if value})
    inputs = read_stack(settings_file)
    code = present(inputs.diagnostics, inputs.texts or {}, "text", strict=False)
    if code:
        sys.exit(code)
    if target != "local":
        from slo.engine.commands.stack_outside import bring_up as bring_up_outside

        bring_up_outside(
            target,
            inputs,
            out=out,
            overlay=overlay or "development",
            context=context,
            wait_seconds=0 if no_wait else (wait or _WAIT).seconds,
            yes=yes,
        )
        return
    from slo.stack.targets.local_up import bring_up, run_in_foreground

    if foreground:
        import logging

        logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
        run_in_foreground(inputs.settings, inputs.compiled, require=require)
        return
    progress = _Progress()
    found = bring_up(
        inputs.settings,
        inputs.compiled,
        require=require,
        wait=not no_wait,
        show=progress.show,
    )
    _report(found, settings_file)
    sys.exit(1 if found.late else 0)


class _Progress:
    """Say once of each part that it is up, or why not."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, str]] = {}

    def show(self, state: StackState) -> None:
        for part in state.parts:
            now = part.condition.value, part.reason
            if self._said.get(part.name) == now or not self._is_news(*now):
                continue
            self._said[part.name] = now
            word = paint(now[0], f"{now[0]:<10}", stream=sys.stderr)
            click.echo(f"{word} {part.name}{f': {part.reason}' if part.reason else ''}", err=True)

    def _is_news(self, condition: str, reason: str) -> bool:
        return condition not in ("waiting", "starting")


def _report(found: Brought, settings_file: Path) -> None:
    for path in found.edited:
        click.echo(f"changed by hand, and as rendered again: {path}", err=True)
    for text in found.unchecked:
        click.echo(f"not checked: {text}", err=True)
    by_remedy: dict[str, list[str]] = {}
    for left_out in found.left_out:
        by_remedy.setdefault(left_out.remedy, []).append(left_out.part)
    for remedy, names in by_remedy.items():
        click.echo(f"{'not here':<10} {', '.join(names)}: {remedy}", err=True)
    for state in found.late:
        what = state.reason or state.condition.value
        click.echo(f"not up: {state.name}: {what}", err=True)
    if found.late:
        click.echo("see `slo stack status`, and the logs beside the data", err=True)
        return
    width = max(len(part.name) for part in found.parts)
    for part in found.parts:
        if part.addresses:
            click.echo(f"  {part.name:<{width}}  {'  '.join(part.addresses)}", err=True)
    done = "the stack is up" if found.changed else "the stack is up already; nothing changed"
    click.echo(done, err=True)
    settings = "" if settings_file.name == str(settings_file) else f" --settings {settings_file}"
    click.echo(f"next:  slo stack doctor{settings}", err=True)
