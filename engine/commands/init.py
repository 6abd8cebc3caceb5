"""Write a first spec that compiles."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from slo.engine.scaffold import NAME, scaffold

__all__ = ["command"]


def _name(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not NAME.match(value):
        raise click.BadParameter("use letters, digits, `-`, `_` and `.`, at least two")
    return value


@click.command("init", help="Write a first spec, its owners and settings of a stack into FOLDER.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--service", default="checkout", show_default=True, callback=_name)
@click.option("--owner", default="payments", show_default=True, callback=_name)
def command(folder: Path, service: str, owner: str) -> None:
    """Write the scaffold; a file that exists is an error, and then nothing is written."""
    files = scaffold(service, owner)
    taken = [folder / f.path for f in files if (folder / f.path).exists()]
    if taken:
        for path in taken:
            click.echo(f"error: {path} exists", err=True)
        click.echo("nothing was written; choose another folder or --service", err=True)
        sys.exit(1)
    try:
        for file in files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.text, "utf-8")
            click.echo(f"wrote {target}")
    except OSError as error:
        click.echo(f"error: {error.filename}: {error.strerror}", err=True)
        sys.exit(1)
    specs = folder / "specs"
    click.echo(f"\nnext:  slo validate {specs}")
    click.echo(f"       slo test {specs}")
    click.echo(f"       slo compile {specs} --out {folder / 'build'}")
