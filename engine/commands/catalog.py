"""Show the typed indicators."""

from __future__ import annotations

import json
import os
import sys

import click

from slo.engine.reporters import catalog
from slo.indicators import handbook
from slo.indicators.catalog import TYPED
from slo.schema import closest

__all__ = ["command"]


@click.command("catalog", help="Show the typed indicators, or all about the one called NAME.")
@click.argument("name", required=False)
@click.option("--example", is_flag=True, help="Print only a complete spec that uses NAME.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it is printed.",
)
def command(name: str | None, example: bool, style: str) -> None:
    """Print the list of indicators, or the page or the example of one of them."""
    if name is None:
        if example:
            raise click.UsageError("--example needs the NAME of an indicator")
        if style == "json":
            click.echo(json.dumps(catalog.listing_json(), indent=2))
        else:
            click.echo("\n".join(catalog.listing(_heading)))
        return
    if name not in TYPED:
        guess = closest(name, TYPED)
        hint = f"did you mean `{guess}`?" if guess else "`slo catalog` lists all"
        click.echo(f"error: no indicator `{name}`; {hint}", err=True)
        sys.exit(2)
    if example:
        click.echo(handbook.example(name), nl=False)
    elif style == "json":
        click.echo(json.dumps(catalog.page_json(name), indent=2))
    else:
        click.echo("\n".join(catalog.page(name, _heading)))


def _heading(text: str) -> str:
    plain = os.environ.get("NO_COLOR") or not sys.stdout.isatty()
    return text if plain else click.style(text, bold=True)
