"""Check specs without writing anything."""

from __future__ import annotations

import sys
from typing import Any

import click

from slo.engine.commands.shared import compile_options, present, spec_arguments
from slo.engine.pipeline import compile_specs

__all__ = ["command"]


@click.command(
    "validate", help="Check specs without writing anything. SPEC is a file, a folder or -."
)
@spec_arguments
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How problems are printed.",
)
def command(specs: tuple[str, ...], strict: bool, style: str, **given: Any) -> None:
    """Check specs and exit with 1 when something is wrong."""
    result = compile_specs(
        specs, compile_options(given, kinds=("rules", "alertmanager", "collector"))
    )
    code = present(result.diagnostics, result.sources, style, strict)
    if style == "text" and code == 0:
        slos, services = len(result.specs.slos), len(result.specs.services)
        words = f"{slos} SLO{'s' * (slos != 1)} of {services} service{'s' * (services != 1)}"
        if result.policies:
            policies = f"{result.policies} gate polic{'y' if result.policies == 1 else 'ies'}"
            words = f"{words} and {policies}" if slos else policies
        alone = slos + result.policies == 1
        if result.packs:
            words, alone = f"{words} and packs" if slos + result.policies else "packs", False
        if result.settings and not (slos + result.policies or result.packs):
            words, alone = "the settings of the stack", False
        click.echo(f"{words} {'is' if alone else 'are'} valid", err=True)
    sys.exit(code)
