"""Report how a week, month or quarter went."""

from __future__ import annotations

import os
import sys
import time
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slo.engine.commands.source_options import (
    URL,
    chosen_server,
    connection_of,
    connection_options,
)
from slo.errors import OutputError, ToolError

if TYPE_CHECKING:
    from slo.engine.reports.report import Report
    from slo.engine.sources.connection import Connection

__all__ = ["command"]


@click.command(
    "report",
    help="Report how the last whole week, month or quarter went: which objectives were met, "
    "which incidents spent the budgets, what was corrected and what gates decided. The page "
    "needs nothing else, and prints on A4.",
)
@click.option("--engine", type=URL, envvar="SLO_ENGINE", help="Engine to ask. Also SLO_ENGINE.")
@connection_options(required=False)
@click.option(
    "--period",
    type=click.Choice(["week", "month", "quarter"]),
    default="month",
    show_default=True,
    help="By the calendar; weeks begin on Monday.",
)
@click.option(
    "--current", is_flag=True, help="The running period up to now, not the last whole one."
)
@click.option("--service", "services", multiple=True, help="Only this service. Repeatable.")
@click.option("--owner", "owners", multiple=True, help="Only SLOs of this owner. Repeatable.")
@click.option(
    "--time-zone", "zone_name", default="UTC", show_default=True, help="Such as Europe/Berlin."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File to write; standard output if left out.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["html", "json"]),
    default="html",
    show_default=True,
    help="A page for people, or figures for programs.",
)
def command(
    engine: str | None,
    period: str,
    current: bool,
    services: tuple[str, ...],
    owners: tuple[str, ...],
    zone_name: str,
    out: Path | None,
    style: str,
    **given: Any,
) -> None:
    """Read, work out and write."""
    zone = _zone(zone_name)
    engine, server = chosen_server(engine, given["prometheus"])
    given["prometheus"] = engine or server
    connection = connection_of(given)
    if connection is None or (engine and server):
        raise click.UsageError("give one of --engine and --prometheus")
    try:
        report = _report(connection, bool(engine), period, current, zone, services, owners)
        text = _text(report, style, zone)
        if out is None:
            click.echo(text, nl=False)
            return
        _write(out, text)
    except (ToolError, OutputError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    words = f"{report.met} of {len(report.slos)} objectives met in {report.span.title}"
    click.echo(f"{words}: {out}", err=True)


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    from slo.time_zones import is_time_zone

    if not is_time_zone(name):
        raise click.BadParameter(
            f"{name!r} is not a time zone such as Europe/Berlin", param_hint="--time-zone"
        )
    return ZoneInfo(name)


def _report(
    connection: Connection,
    is_engine: bool,
    period: str,
    current: bool,
    zone: tzinfo,
    services: tuple[str, ...],
    owners: tuple[str, ...],
) -> Report:
    from slo.engine.reports.gathering import from_engine, from_server
    from slo.engine.reports.spans import span_of

    span = span_of(period, time.time(), zone, current=current)

    def wanted(service: str, owner: str | None) -> bool:
        return (not services or service in services) and (not owners or owner in owners)

    if is_engine:
        report = from_engine(connection, os.environ.get("SLO_TOKEN") or None, span, wanted)
    else:
        report = from_server(connection, span, wanted)
    if not report.slos:
        raise click.UsageError("there is no such SLO to report about")
    return report


def _text(report: Report, style: str, zone: tzinfo) -> str:
    if style == "json":
        import json

        from slo.engine.reports.report import as_dict

        return json.dumps(as_dict(report), indent=2) + "\n"
    from slo.engine.reports.report_html import report_html

    return report_html(report, zone)


def _write(path: Path, text: str) -> None:
    """Write all of it or nothing."""
    stage = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        stage.write_text(text, "utf-8")
        stage.replace(path)
    except OSError as error:
        stage.unlink(missing_ok=True)
        raise OutputError(f"{path}: {error.strerror or error}") from error
