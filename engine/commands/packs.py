"""Show the packs of rules for red flags."""

from __future__ import annotations

import json
import os
import sys

import click

from slo.alerts.packs.catalog import PACKS
from slo.engine.reporters import packs
from slo.schema import closest

__all__ = ["command"]


@click.command(
    "packs",
    help="Show the packs of rules for red flags, or all about the one called NAME. "
    "A document of kind Packs among the specs asks for them.",
)
@click.argument("name", required=False)
@click.option("--example", is_flag=True, help="Print a document that asks for all packs.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it is printed.",
)
def command(name: str | None, example: bool, style: str) -> None:
    """Print the list of packs, the page of one of them, or a document to start from."""
    if example:
        if name is not None:
            raise click.UsageError("--example has all packs: leave NAME out")
        click.echo(packs.example(), nl=False)
    elif name is None:
        if style == "json":
            click.echo(json.dumps(packs.listing_json(), indent=2))
        else:
            click.echo("\n".join(packs.listing(_heading)))
    elif name not in PACKS:
        guess = closest(name, PACKS)
        hint = f"did you mean `{guess}`?" if guess else "`slo packs` lists all"
        click.echo(f"error: no pack `{name}`; {hint}", err=True)
        sys.exit(2)
    elif style == "json":
        click.echo(json.dumps(packs.page_json(name), indent=2))
    else:
        click.echo("\n".join(packs.page(name, _heading)))


def _heading(text: str) -> str:
    plain = os.environ.get("NO_COLOR") or not sys.stdout.isatty()
    return text if plain else click.style(text, bold=True)
