"""Parse the command line and hand over to one module per command."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import Any

import click

from slo.version import __version__

__all__ = ["main", "program"]

# Each command costs only its own imports: start-up time is part of the product.
_COMMANDS = {
    "backfill": "Fill the recorded series from raw history, so that day one shows thirty days.",
    "catalog": "Show the typed indicators, with settings, examples and PromQL.",
    "compile": "Compile specs into rules, alerts, their tests, routing, dashboards and collectors.",
    "dashboards": "Bring the compiled dashboards to a Grafana.",
    "demo": "Watch a real outage go from the SLI to the page, on this machine.",
    "explain": "Explain a diagnostic code.",
    "gate": "Ask whether a deployment may go on: budget, burn rates, freezes.",
    "init": "Write a first spec that compiles.",
    "ledger": "Check, repair and move the ledger of the engine.",
    "packs": "Show the packs of rules for red flags, with settings, alerts and tests.",
    "report": "Report how a week, month or quarter went: objectives, incidents, decisions.",
    "schema": "Print the JSON Schema of a dialect, for editors.",
    "serve": "Serve error budgets and gate decisions: an API, a board and metrics.",
    "simulate": "Show when alerts fire at error rates, or would have fired on real history.",
    "stack": "Bring up the whole stack that the specs need, and look after it.",
    "status": "Show how SLOs stand: state, budget left, burn rate, age of the numbers.",
    "test": "Prove with promtool when every alert fires and resets.",
    "token": "Make, list and revoke tokens of the API.",
    "validate": "Check specs without writing anything.",
    "version": "Print the version.",
}


# Commands that live on after their work is done.
_LONG_LIVED = frozenset(("backfill", "dashboards", "demo", "report", "serve", "status"))


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name in _LONG_LIVED:
            gc.enable()
        module = importlib.import_module(f"slo.engine.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in _COMMANDS:
            from slo.schema import closest

            guess = closest(name, _COMMANDS)
            hint = f" Did you mean `{guess}`?" if guess else ""
            ctx.fail(f"No such command `{name}`.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader of a pipe has gone, as in `slo compile ... | head`: leave as if by
            # SIGPIPE. What is still buffered must not complain when Python flushes it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The one-line helps stand here so that `slo --help` imports no command.
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Compile service level objectives into everything a team runs them with.",
    epilog="Exit codes: 0 fine, 1 problems found, 2 wrong usage.",
)
@click.version_option(__version__, prog_name="slo", message="%(prog)s %(version)s")
def program() -> None:
    """Compile service level objectives into everything a team runs them with."""


def main(args: list[str] | None = None) -> Any:
    """Run the command line and leave with its exit code."""
    # A run of the compiler ends before garbage matters; collecting costs a sixth of its time.
    gc.disable()
    return program.main(args=args, prog_name="slo")


if __name__ == "__main__":
    main()
