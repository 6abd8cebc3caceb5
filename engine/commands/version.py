"""Print the version."""

from __future__ import annotations

import click

from slo.version import __version__

__all__ = ["command"]


@click.command("version", help="Print the version.")
def command() -> None:
    """Print the version alone on a line."""
    click.echo(__version__)
