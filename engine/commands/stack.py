"""Bring up the whole stack that the specs need, and look after it."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from slo.diagnostics import Diagnostic
from slo.errors import CompileFailed, OutputError, SloError
from slo.source import Source

__all__ = ["command"]

_COMMANDS = {
    "render": "Write the files of a target: Compose, Kubernetes, or for this machine.",
    "up": "Start the stack, or bring it in line with the settings.",
    "down": "Stop it; the data stays.",
    "status": "Show its parts: state, since when, restarts, addresses.",
    "doctor": "Prove the paths end to end, and say what to do about each failure.",
}
# These live on after their work is done.
_LONG_LIVED = frozenset(("up", "doctor"))


class _StackGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name in _LONG_LIVED:
            gc.enable()
        try:
            module = importlib.import_module(f"slo.engine.commands.stack_{cmd_name}")
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"`slo stack {cmd_name}` needs the Python package {error.name}: "
                "pip install 'slostack[stack]'"
            ) from error
        found: click.Command = module.command
        return found

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CompileFailed as error:
            from slo.engine.commands.shared import present

            texts = _texts(error.diagnostics)
            raise SystemExit(present(error.diagnostics, texts, "text", strict=False)) from error
        except OutputError as error:
            raise click.ClickException(str(error)) from error
        except SloError as error:
            raise click.ClickException(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The one-line helps stand here so that `slo stack --help` imports no command.
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _texts(diagnostics: Iterable[Diagnostic]) -> dict[str, Source]:
    """Return the files of *diagnostics*, for excerpts; one that is gone has none."""
    texts: dict[str, Source] = {}
    for file in {diagnostic.span.file for diagnostic in diagnostics}:
        with suppress(OSError, UnicodeDecodeError):
            texts[file] = Source(file, Path(file).read_text("utf-8"))
    return texts


@click.group(
    "stack",
    cls=_StackGroup,
    help="Bring up the whole stack that the specs need: Prometheus, Alertmanager, Grafana, Loki, "
    "Jaeger, collectors and the engine. Its settings are in slostack.yaml.",
)
def command() -> None:
    """Bring up the whole stack that the specs need, and look after it."""
