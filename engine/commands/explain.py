"""Explain a diagnostic code."""

from __future__ import annotations

import sys
from pathlib import Path

import click

import slo.explain

__all__ = ["command", "page"]


def page(code: str) -> str | None:
    """Return the page of *code*, or `None` when there is no such code."""
    path = Path(slo.explain.__path__[0]) / f"{code}.md"
    return path.read_text("utf-8") if path.is_file() else None


def _codes() -> list[str]:
    return sorted(path.stem for path in Path(slo.explain.__path__[0]).glob("SLO*.md"))


@click.command("explain", help="Explain a diagnostic CODE; without one, list all codes.")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Print the page of a code, or the list of codes with their titles."""
    if code is None:
        for known in _codes():
            title = (page(known) or "").split("\n", 1)[0].removeprefix(f"# {known}: ")
            click.echo(f"{known}  {title}")
        return
    wanted = code.upper()
    text = page(wanted) if wanted in _codes() else None
    if text is None:
        click.echo(f"error: no code `{code}`; `slo explain` lists all", err=True)
        sys.exit(2)
    click.echo(text, nl=False)
