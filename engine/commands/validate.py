"""Check specs without writing anything."""

from __future__ import annotations

import sys
from typing import Any

import click

from slo.artifact import Artifact
from slo.engine.commands.shared import compile_options, present, spec_arguments
from slo.engine.pipeline import CompileResult, compile_specs

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
        click.echo(_valid(result), err=True)
    sys.exit(code)


def _valid(result: CompileResult[Artifact]) -> str:
    """Say what was valid: SLOs are counted, what there is one of is named."""
    slos, services = len(result.specs.slos), len(result.specs.services)
    found = []
    if slos or services:
        found.append(f"{_counted(slos, 'SLO', 'SLOs')} of {_counted(services, 'service')}")
    if result.policies:
        found.append(_counted(result.policies, "gate policy", "gate policies"))
    if result.packs:
        found.append("packs")
    if result.specs.telemetry:
        found.append("telemetry")
    if not found and result.specs.owners:
        found.append(_counted(len(result.specs.owners), "owner"))
    if not found:
        found.append("the settings of the stack")
    one = slos + result.policies == 1 or found == ["telemetry"] or found == ["1 owner"]
    words = f"{', '.join(found[:-1])} and {found[-1]}" if found[1:] else found[0]
    return f"{words} {'is' if one and len(found) == 1 else 'are'} valid"


def _counted(number: int, one: str, several: str | None = None) -> str:
    return f"{number} {one if number == 1 else several or f'{one}s'}"
