"""Show how SLOs stand."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from slo.engine.commands.shared import PROMETHEUS_DURATION
from slo.engine.commands.source_options import (
    URL,
    chosen_server,
    connection_of,
    connection_options,
)
from slo.errors import ToolError

if TYPE_CHECKING:
    from slo.duration import Duration
    from slo.engine.reports.standing_reader import Standing, StandingReader
    from slo.engine.status.model import SloStatus

__all__ = ["command"]

_STATES = ("breached", "stale", "no_data", "warning", "frozen", "ok")
_BREACHED, _UNKNOWN = 1, 3


@click.command(
    "status",
    help="Show how SLOs stand, those first that need attention: all, or those named. Ask an "
    "engine with --engine, or a metrics server with --prometheus.",
    epilog="Exit codes: 0 fine, 1 nothing can be read, 2 wrong usage; with --exit-code also 1 "
    "for a breached SLO, and 3 for one that nobody can judge.",
)
@click.argument("targets", nargs=-1, metavar="[SERVICE[/SLO]]...")
@click.option("--engine", type=URL, envvar="SLO_ENGINE", help="Engine to ask. Also SLO_ENGINE.")
@connection_options(required=False)
@click.option(
    "--state",
    "states",
    type=click.Choice(_STATES),
    multiple=True,
    help="Only SLOs in this state. Repeatable.",
)
@click.option("--watch", is_flag=True, help="Show it again and again; q ends.")
@click.option(
    "--every",
    type=PROMETHEUS_DURATION,
    default="5s",
    show_default=True,
    help="How often --watch reads.",
)
@click.option(
    "--exit-code", is_flag=True, help="Exit with 1 for a breached SLO, 3 for one without data."
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it is printed; json as the engine's API has it.",
)
def command(
    targets: tuple[str, ...],
    states: tuple[str, ...],
    watch: bool,
    every: Duration,
    exit_code: bool,
    style: str,
    **given: Any,
) -> None:
    """Read, choose and print."""
    if watch and style == "json":
        raise click.UsageError("--watch shows text; read again for JSON")
    _check(targets)
    from slo.engine.reports.standing_reader import open_reader

    engine, server = chosen_server(given.pop("engine"), given["prometheus"])
    given["prometheus"] = engine or server
    connection = connection_of(given)
    if connection is None or (engine and server):
        raise click.UsageError("give one of --engine and --prometheus")
    token = os.environ.get("SLO_TOKEN") or None
    try:
        with open_reader(connection, token, is_engine=bool(engine)) as reader:
            if watch:
                _watch(reader, targets, states, every.seconds)
                return
            standing = reader.read()
            shown = _choose(standing, targets, states)
            _show(reader, standing, shown, style)
    except ToolError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    if exit_code:
        sys.exit(_code(shown))


def _check(targets: Sequence[str]) -> None:
    for target in targets:
        service, separator, name = target.partition("/")
        if not service or (separator and not name):
            raise click.UsageError(f"{target!r} is not of the form SERVICE or SERVICE/SLO")


def _choose(
    standing: Standing, targets: Sequence[str], states: Sequence[str]
) -> Sequence[SloStatus]:
    from slo.engine.reports.attention import by_attention

    statuses = standing.snapshot.statuses
    for target in targets:
        if not any(_means(target, status) for status in statuses):
            raise click.UsageError(f"no SLO or service is called {target}")
    return by_attention(
        status
        for status in statuses
        if (not targets or any(_means(target, status) for target in targets))
        and (not states or status.state.value in states)
    )


def _means(target: str, status: SloStatus) -> bool:
    return target in (status.service, f"{status.service}/{status.name}", status.key)


def _show(
    reader: StandingReader, standing: Standing, shown: Sequence[SloStatus], style: str
) -> None:
    if style == "json":
        from slo.engine.reports.standing_reader import as_json

        click.echo(as_json(standing, shown))
        return
    width = shutil.get_terminal_size((100, 24)).columns
    click.echo("\n".join(_lines(reader, standing, shown, width)))


def _lines(
    reader: StandingReader, standing: Standing, shown: Sequence[SloStatus], width: int
) -> list[str]:
    from slo.engine.reporters.figures import painter
    from slo.engine.reports.status_table import table

    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    trends = reader.trends(shown, standing.now) if width >= 104 else None
    return list(
        table(
            standing.snapshot,
            shown,
            now=standing.now,
            width=width,
            paint=painter(color),
            trends=trends,
        )
    )


def _watch(
    reader: StandingReader, targets: Sequence[str], states: Sequence[str], seconds: float
) -> None:
    from slo.engine.reports.screen import Screen

    last: Standing | None = None
    with Screen() as screen:
        while True:
            problem = ""
            try:
                last = reader.read()
            except ToolError as error:
                if last is None:
                    raise
                problem = str(error)
            standing = last.at(reader.now()) if problem else last
            shown = _choose(standing, targets, states)
            size = shutil.get_terminal_size((100, 24))
            lines = _lines(reader, standing, shown, size.columns)
            stamp = time.strftime("%H:%M:%S")
            foot = f"not read: {problem}" if problem else f"{stamp}  every {seconds:g} s, q ends"
            screen.draw(lines, foot, size.columns, size.lines)
            if screen.wait(seconds):
                return


def _code(shown: Sequence[SloStatus]) -> int:
    states = {status.state.value for status in shown}
    if "breached" in states:
        return _BREACHED
    return _UNKNOWN if states & {"stale", "no_data"} else 0
