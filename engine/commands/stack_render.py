"""Write the files that a target runs the stack from."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote

import click

from slo.artifact import Artifact
from slo.engine.commands.shared import present
from slo.engine.stack_inputs import StackInputs, read_stack
from slo.stack.components.model import StackPlan
from slo.stack.rendering import TreeChanges, compare_tree, diff_tree, write_tree
from slo.stack.settings_file import SETTINGS_FILE

__all__ = ["TARGETS", "command", "write_target"]

TARGETS = ("compose", "kubernetes", "local")
_NEXT = {
    "compose": ("docker compose --file {out}/compose.yaml up --detach --wait",),
    "kubernetes": (
        "kubectl create namespace {name}",
        "kubectl kustomize --load-restrictor LoadRestrictionsNone {out}/secrets "
        "| kubectl apply --server-side -f -",
        "kubectl apply --server-side --kustomize {out}/overlays/development",
    ),
    "local": ("slo stack up",),
}
_SHOWN = 12


@click.command("render", help="Write the files of a target; secrets are never among them.")
@click.option(
    "--target", type=click.Choice(TARGETS), default="compose", show_default=True, help="What for."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to.  [default: stack/TARGET beside the settings]",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=SETTINGS_FILE,
    show_default=True,
    help="Settings of the stack.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail with a diff if not current.")
@click.option("--force", is_flag=True, help="Overwrite files that somebody has changed.")
def command(target: str, out: Path | None, settings_file: Path, check: bool, force: bool) -> None:
    """Render one target; nothing is written unless everything compiled."""
    inputs = read_stack(settings_file)
    code = present(inputs.diagnostics, inputs.texts or {}, "text", strict=False)
    if code:
        sys.exit(code)
    if check:
        folder = _folder(target, inputs, out)
        sys.exit(_compare(_artifacts(target, inputs, folder), folder))
    folder = write_target(target, inputs, out, force=force)
    steps = [
        step.format(out=quote(str(folder)), name=inputs.settings.name) for step in _NEXT[target]
    ]
    click.echo("next:  " + "\n       ".join(steps), err=True)


def write_target(
    target: str, inputs: StackInputs, out: Path | None, *, force: bool = False
) -> Path:
    """
    Write the files of *target*, make the secrets that may be random, and return the folder.

    Raises:
        OutputError: Somebody has edited a file, and not *force*.
        ToolError: The settings do not fit the specs.
    """
    folder = _folder(target, inputs, out)
    artifacts = _artifacts(target, inputs, folder)
    _report(write_tree(artifacts, folder, force=force), artifacts, folder)
    if target != "local":
        # On this machine, `slo stack up` does it.
        _report_secrets(target, inputs)
    return folder


def _folder(target: str, inputs: StackInputs, out: Path | None) -> Path:
    folder = out or inputs.settings.folder / "stack" / target
    _refuse_among_specs(folder, inputs)
    return folder


def _refuse_among_specs(folder: Path, inputs: StackInputs) -> None:
    """Refuse a folder where the engine's copies of the specs would be specs the next time."""
    for spec in inputs.settings.specs:
        specs = (inputs.settings.folder / spec).resolve()
        if folder.resolve().is_relative_to(specs):
            raise click.ClickException(
                f"{folder} is inside the folder of specs {specs}: give another one with --out, or "
                "name the specs more closely in the settings"
            )


def _artifacts(target: str, inputs: StackInputs, folder: Path) -> tuple[Artifact, ...]:
    # Each target costs only its own imports.
    module = importlib.import_module(f"slo.stack.targets.{target}")
    render: Callable[..., tuple[Artifact, ...]] = module.render
    if target == "local":
        return tuple(render(inputs.settings, inputs.compiled))
    return tuple(render(inputs.settings, inputs.compiled, folder))


def _compare(artifacts: tuple[Artifact, ...], folder: Path) -> int:
    changes = compare_tree(artifacts, folder)
    if not changes.any:
        click.echo(f"{folder}: up to date", err=True)
        return 0
    click.echo("\n".join(diff_tree(artifacts, folder, changes)))
    click.echo(f"{folder} is not current: render again", err=True)
    return 1


def _report(changes: TreeChanges, artifacts: tuple[Artifact, ...], folder: Path) -> None:
    for word, found in (
        ("added", changes.added),
        ("changed", changes.changed),
        ("removed", changes.removed),
    ):
        for path in found[:_SHOWN]:
            click.echo(f"{word:8} {folder / path}", err=True)
        if len(found) > _SHOWN:
            click.echo(f"{word:8} and {len(found) - _SHOWN} more", err=True)
    state = "written" if changes.any else "nothing changed"
    click.echo(f"{folder}: {len(artifacts)} files, {state}", err=True)


def _report_secrets(target: str, inputs: StackInputs) -> None:
    """Make what may be random, and say what is still to be provided."""
    from slo.stack.secrets import make_secrets

    module = importlib.import_module(f"slo.stack.targets.{target}")
    make_plan: Callable[..., StackPlan] = getattr(module, f"{target}_plan")
    plan = make_plan(inputs.settings, inputs.compiled)
    folder = inputs.settings.folder / inputs.settings.secrets
    found = make_secrets(plan, folder)
    if found.made:
        click.echo(f"{folder}: made {', '.join(found.made)}", err=True)
    for secret in found.missing:
        click.echo(f"to do:  {folder / secret.name}: {secret.purpose}", err=True)
