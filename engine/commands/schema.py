"""Print the JSON Schema of a dialect."""

from __future__ import annotations

import json

import click

from slo.schema import load_schema

__all__ = ["command"]

_DIALECTS = {
    "slo/v1": "slo-v1",
    "prometheus/v1": "sloth-prometheus-v1",
    "sloth.slok.dev/v1": "sloth-k8s-v1",
    "openslo/v1alpha": "openslo-v1alpha",
    "alert-windows": "alert-windows-v1",
    "gate-policy": "gate-policy-v1",
    "stack": "stack-v1",
    "packs": "packs-v1",
}


@click.command("schema", help="Print the JSON Schema (draft 2020-12) of DIALECT, for editors.")
@click.argument("dialect", type=click.Choice(list(_DIALECTS)), default="slo/v1")
def command(dialect: str) -> None:
    """Print the schema that the compiler itself checks specs with."""
    click.echo(json.dumps(load_schema(_DIALECTS[dialect]), indent=2))
