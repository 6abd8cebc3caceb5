"""Show what error rates do to alerts, and what alerts would have made of real history."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from slo.engine.commands.shared import compile_options, present, spec_arguments
from slo.engine.commands.source_options import connection_of, connection_options
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.engine.sources.connection import Connection, connect
from slo.errors import ToolError
from slo.plan import SloPlan

__all__ = ["command"]

_MOST_RATES = 50
# All of it is held in memory: a year of one SLO is a million steps.
_MOST_DAYS = 400


class _ErrorRates(click.ParamType[tuple[Decimal, ...]]):
    name = "percent,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Decimal, ...]:
        if isinstance(value, tuple):
            return value
        found = []
        for text in str(value).split(","):
            try:
                percent = Decimal(text.strip().removesuffix("%").strip())
            except InvalidOperation:
                self.fail(f"{text!r} is not a percentage such as 100 or 0.5", param, ctx)
            if not percent.is_finite() or not Decimal("0.0001") <= percent <= 100:
                self.fail(f"{text.strip()} is not between 0.0001 and 100 percent", param, ctx)
            found.append(percent / 100)
        if len(found) > _MOST_RATES:
            self.fail(f"at most {_MOST_RATES} error rates", param, ctx)
        return tuple(found)


class _ZoneType(click.ParamType[tzinfo]):
    name = "zone"

    def convert(self, value: Any, param: Any, ctx: Any) -> tzinfo:
        from zoneinfo import ZoneInfo

        from slo.time_zones import is_time_zone

        if not is_time_zone(str(value)):
            self.fail(f"{value!r} is not a time zone such as Europe/Berlin", param, ctx)
        return ZoneInfo(str(value))


@click.command(
    "simulate",
    help="Show when every alert fires and resets at constant error rates, and the budget it "
    "costs. With --since, show instead when they would have fired on the history that a server "
    "holds. SPEC is a file, a folder or - for standard input.",
)
@spec_arguments
@click.option("--slo", "chosen", metavar="NAME", multiple=True, help="Only this SLO. Repeatable.")
@click.option(
    "--error-rates",
    "error_ratios",
    type=_ErrorRates(),
    default="100,10,2,1,0.5,0.2",
    show_default=True,
    help="Percentages of bad events to simulate.",
)
@click.option("--since", help="Replay history from here: 30d for so long ago, or a date.")
@click.option("--until", default="now", show_default=True, help="Replay history up to here.")
@click.option(
    "--against",
    multiple=True,
    metavar="SPEC",
    help="Compare with this earlier version of the specs: a file or folder. Repeatable.",
)
@click.option(
    "--time-zone",
    "zone",
    type=_ZoneType(),
    default="UTC",
    show_default=True,
    help="Zone of all times, such as Europe/Berlin.",
)
@connection_options(required=False)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.svg",
    help="Draw the result into this file as well.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the result is printed.",
)
@click.pass_context
def command(
    context: click.Context,
    /,
    specs: tuple[str, ...],
    strict: bool,
    chosen: tuple[str, ...],
    error_ratios: tuple[Decimal, ...],
    since: str | None,
    until: str,
    against: tuple[str, ...],
    zone: tzinfo,
    plot: Path | None,
    style: str,
    **given: Any,
) -> None:
    """Compile, simulate and print."""
    named = context.get_parameter_source("prometheus") is ParameterSource.COMMANDLINE
    connection = connection_of(given)
    options = compile_options(given, kinds=())
    if since is None and (against or named or until != "now"):
        raise click.UsageError("say with --since from when on to replay, such as --since 30d")
    if since is not None:
        _check_replay(connection, options)
    every = _plans(specs, options, strict)
    plans = [plan for plan in every if not chosen or _is_chosen(plan, chosen)]
    if not plans:
        raise click.UsageError(f"no SLO is called {' or '.join(chosen)}")
    if since is None:
        _simulate(plans, options, error_ratios, plot, style)
        return
    assert connection is not None
    span = _span(since, until, zone)
    versions = [_Version(plans, every)]
    if against:
        before = _plans(against, options, strict)
        ids = {plan.id for plan in plans} if chosen else {plan.id for plan in before}
        versions.append(_Version([plan for plan in before if plan.id in ids], before))
    try:
        _replay(connection, versions, options, span, zone, plot, style)
    except ToolError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


def _check_replay(connection: Connection | None, options: CompileOptions) -> None:
    if connection is None:
        raise click.UsageError("name the server that holds the history with --prometheus")
    if not options.exact:
        raise click.UsageError("history is replayed through profile exact only")


class _Version(NamedTuple):
    """Hold the SLOs that are asked for, and all of the same specs."""

    plans: Sequence[SloPlan]
    every: Sequence[SloPlan]


def _plans(specs: Iterable[str], options: CompileOptions, strict: bool) -> tuple[SloPlan, ...]:
    """Return the SLOs of *specs*, or leave with what is wrong with them."""
    result = compile_specs(specs, options)
    code = present(result.diagnostics, result.sources, "text", strict)
    if code:
        sys.exit(code)
    return result.specs.slos


def _is_chosen(plan: SloPlan, chosen: tuple[str, ...]) -> bool:
    return bool({plan.name, plan.id, f"{plan.service}/{plan.name}"} & set(chosen))


def _span(since: str, until: str, zone: tzinfo) -> tuple[float, float]:
    from slo.engine.moments import read_span

    try:
        span = read_span(since, until, float(int(time.time())), zone)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if span[1] - span[0] > _MOST_DAYS * 86_400:
        raise click.UsageError(
            f"history is replayed {_MOST_DAYS} days at a time: say --since later, or --until"
        )
    return span


def _simulate(
    plans: Sequence[SloPlan],
    options: CompileOptions,
    error_ratios: Sequence[Decimal],
    plot: Path | None,
    style: str,
) -> None:
    from slo.alerts.error_rates import simulate
    from slo.engine.reporters import simulation

    found = simulate(plans, options.exact, options.interval, error_ratios)
    if plot is not None:
        from slo.engine.simulate.detection_svg import detection_svg

        _write(plot, detection_svg(found))
    if style == "json":
        _print_json(simulation.as_dict(found))
    else:
        click.echo("\n".join(simulation.lines(found, _use_color())))


def _replay(
    connection: Connection,
    versions: Sequence[_Version],
    options: CompileOptions,
    span: tuple[float, float],
    zone: tzinfo,
    plot: Path | None,
    style: str,
) -> None:
    from slo.engine.reporters import backtest as reporter
    from slo.engine.simulate.comparison import Comparison, compare
    from slo.engine.simulate.replay import Replay

    show = _show_progress if sys.stderr.isatty() else None
    sharing = [plan for version in versions for plan in version.plans]
    with connect(connection) as source:
        replay = Replay(source, options.interval, *span, zone, sharing, show)
        tests = []
        for version in versions:
            by_id = {plan.id: plan for plan in version.every}
            tests.append([replay.run(plan, by_id) for plan in version.plans])
    if show is not None:
        click.echo("\r\033[K", nl=False, err=True)
    for warning in replay.warnings:
        click.echo(f"warning of the server: {warning}", err=True)
    after, compared = tests[0], len(tests) > 1
    found = compare(tests[1], after) if compared else [Comparison(None, test) for test in after]
    if plot is not None:
        from slo.engine.simulate.backtest_svg import backtest_svg

        _write(plot, backtest_svg(found, zone))
    if style == "json":
        document = reporter.comparison_as_dict(found) if compared else reporter.as_dict(after)
        _print_json(document)
    elif compared:
        click.echo("\n".join(reporter.comparison_lines(found, zone, _use_color())))
    else:
        click.echo("\n".join(reporter.lines(after, zone, _use_color())))


def _show_progress(name: str, share: float) -> None:
    click.echo(f"\r\033[Kreading {name}: {share:.0%}", nl=False, err=True)


def _use_color() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _print_json(document: dict[str, Any]) -> None:
    import json

    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _write(path: Path, text: str) -> None:
    """Write a plot; there is never half of one."""
    staged = path.with_name(f".{path.name}.part")
    try:
        staged.write_text(text, "utf-8")
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        click.echo(f"error: cannot write {path}: {error.strerror}", err=True)
        sys.exit(1)
