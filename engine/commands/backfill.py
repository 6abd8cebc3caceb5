"""Fill the recorded series from raw history."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slo.engine.commands.shared import compile_options, present, spec_arguments
from slo.engine.commands.source_options import URL, connection_of, connection_options
from slo.engine.options import CompileOptions
from slo.errors import SloError, ToolError

if TYPE_CHECKING:
    from slo.engine.backfill.run import Job
    from slo.engine.sources.connection import Connection
    from slo.engine.sources.protocol import MetricsSource

__all__ = ["command"]


@click.command(
    "backfill",
    help="Fill the recorded series from raw history, so that day one shows thirty days. "
    "SPEC is a file, a folder or - for standard input. Samples that the server has already are "
    "left alone; an interrupted run goes on where it stopped.",
)
@spec_arguments
@connection_options()
@click.option(
    "--since",
    default="30d",
    show_default=True,
    metavar="TIME",
    help="Where to begin: so long ago, or a date such as 2026-11-01 or 2026-11-01T06:00Z.",
)
@click.option(
    "--until",
    metavar="TIME",
    help="Where to end, in the same form.  [default: now with --write-to; where the server's "
    "head begins, 3h ago at the latest, with --out]",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write blocks to this folder: the data folder of a Prometheus, or one to copy from.",
)
@click.option(
    "--write-to",
    type=URL,
    metavar="URL",
    help="Send samples by remote write, such as http://localhost:8428/api/v1/write.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be read and written.")
def command(
    specs: tuple[str, ...],
    strict: bool,
    since: str,
    until: str | None,
    out: Path | None,
    write_to: str | None,
    dry_run: bool,
    **given: Any,
) -> None:
    """Compile, read, compute, write; exit with 1 when something is wrong."""
    from slo.engine.moments import read_span
    from slo.engine.sources.connection import connect

    connection = connection_of(given)
    assert connection is not None
    if (out is None) == (write_to is None) and not (dry_run and write_to is None):
        raise click.UsageError("give --out for blocks, or --write-to for remote write")
    if given["profile"] != "exact":
        raise click.UsageError(
            "only profile `exact` can be filled: its series follow from two event rates, "
            "while those of `sloth` each need a query over weeks of raw series"
        )
    now = time.time()
    try:
        first, last = read_span(since, until or "now", now)
        wanted = None if until is None else last
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    jobs = _jobs(specs, compile_options(given, kinds=()), strict)
    try:
        with connect(connection) as source:
            if write_to is None:
                from slo.engine.backfill.safe_end import safe_end

                last = safe_end(source, wanted, now)
            start, end = _aligned(jobs, first, last)
            if dry_run:
                _preview(source, jobs, start, end)
                return
            key = (connection.url, str(out and out.absolute()), str(write_to), since)
            _fill(source, connection, jobs, (start, end), key, out, write_to)
    except SloError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("\nstopped: the same command goes on from here", err=True)
        sys.exit(130)


def _jobs(specs: tuple[str, ...], options: CompileOptions, strict: bool) -> dict[str, Job]:
    """Return the SLOs of *specs* with their rules, or leave with the diagnostics."""
    from slo.alerts import exact_profile
    from slo.engine.backfill.run import Job
    from slo.engine.pipeline import compile_specs, prepare
    from slo.version import __version__

    result = compile_specs(specs, options)
    code = present(result.diagnostics, result.sources, "text", strict)
    if code:
        sys.exit(code)
    plugins = prepare(specs, options)[1].plugins
    jobs = {}
    for plan in result.specs.slos:
        timing, _ = exact_profile.timing_of(plan, options.interval, plugins, __version__)
        rules, _ = exact_profile.generate(plan, __version__, plugins, options.interval)
        jobs[plan.id] = Job(plan, timing, rules.groups)
    if not jobs:
        click.echo("error: there is no SLO to fill", err=True)
        sys.exit(1)
    return jobs


def _aligned(jobs: Mapping[str, Job], first: float, last: float) -> tuple[int, int]:
    """Return whole intervals of the slowest group between *first* and *last*."""
    from slo.duration import Duration
    from slo.engine.backfill.moments import minute_text
    from slo.engine.history import aligned

    longest = max(g.interval or j.timing.fast for j in jobs.values() for g in j.groups)
    whole = Duration(-(-longest.milliseconds // 60_000) * 60_000)
    start = aligned(first, whole)
    end = aligned(last - whole.seconds + 0.001, whole)
    if end <= start:
        raise ToolError(
            f"there is nothing to fill from {minute_text(first)} on: all that may be filled ends "
            f"at {minute_text(last)}. Give an earlier --since"
        )
    return start, end


def _preview(source: MetricsSource, jobs: Mapping[str, Job], start: int, end: int) -> None:
    from slo.engine.backfill.dry_run import preview
    from slo.engine.backfill.moments import minute_text

    found = preview(source, jobs.values(), start, end)
    click.echo(f"{minute_text(start)} to {minute_text(end)}")
    total = 0
    for slo, groups, queries, samples in found:
        total += samples
        shown = "1 group" if groups == 1 else f"{groups} groups"
        click.echo(f"{slo}: {shown}, {queries} queries of raw series, {samples:,} samples")
    click.echo(f"at most {total:,} samples; nothing was written")


def _fill(
    source: MetricsSource,
    connection: Connection,
    jobs: Mapping[str, Job],
    bounds: tuple[int, int],
    key: tuple[str, ...],
    out: Path | None,
    write_to: str | None,
) -> None:
    from slo.engine.backfill.blocks import BlockTarget
    from slo.engine.backfill.confirm import unseen
    from slo.engine.backfill.moments import minute_text
    from slo.engine.backfill.remote_target import RemoteTarget
    from slo.engine.backfill.report import ProgressLine, lines
    from slo.engine.backfill.run import Backfill, Target
    from slo.engine.backfill.state import State, default_folder, digest
    from slo.engine.history import HistoryReader

    name = digest([*key, *_rules(jobs)])
    folder = out / ".slo-backfill" if out is not None else default_folder(name)
    if out is not None:
        from slo.engine.promtool import find_promtool

        find_promtool()
        _make_folder(out)
    with ExitStack() as stack:
        state = stack.enter_context(State(folder, name))
        target: Target
        if out is not None:
            target = blocks = BlockTarget(out, state)
            stack.callback(blocks.close)
        else:
            assert write_to is not None
            target = remote = RemoteTarget(_writer(connection, write_to), state)
            stack.callback(remote.close)
        target.recover()
        if state.resumed:
            click.echo(f"going on with the run up to {minute_text(state.until)}", err=True)
        else:
            state.begin(*bounds)
        progress = ProgressLine(sys.stderr.isatty())
        stack.callback(progress.end)
        reader = HistoryReader(source)
        reports = Backfill(reader, jobs, state, target, progress.show).run()
        progress.end()
        warnings = [f"the server says: {text}" for text in reader.warnings]
        if isinstance(target, RemoteTarget):
            problem = unseen(source, target.sent)
            warnings += [problem] if problem else []
        unmeasured = [each.slo for each in reports if each.first is None]
        if unmeasured:
            warnings.append(
                f"the server has no samples for the queries of {', '.join(unmeasured)}: look at "
                "metric and selector, at --since, and at how long the server keeps samples"
            )
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
        state.finish(keep=out is not None)
        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        click.echo("\n".join(lines(reports, state.since, state.until, color)))
        if out is not None:
            made = sum(len(part.blocks) for part in state.parts)
            click.echo(f"\n{_advice(out, made, len(unmeasured) < len(reports))}")


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(f"cannot write to {path}: {error.strerror}") from error


def _rules(jobs: Mapping[str, Job]) -> list[str]:
    return [f"{g.interval}{rule}" for job in jobs.values() for g in job.groups for rule in g.rules]


def _writer(connection: Connection, url: str) -> Any:
    from dataclasses import replace

    try:
        from slo.engine.backfill.remote_write import RemoteWriter
    except ModuleNotFoundError as error:
        if error.name not in ("cramjam", "httpx"):
            raise
        raise ToolError(
            f"remote write needs the Python package {error.name}: pip install 'slostack[history]'"
        ) from error
    return RemoteWriter(replace(connection, url=url))


def _advice(out: Path, blocks: int, measured: bool) -> str:
    if not blocks:
        return "Nothing was missing." if measured else "Nothing was filled."
    if (out / "wal").is_dir():
        return (
            f"{blocks} blocks are in {out}, the data folder of a Prometheus. A running one takes "
            "them up within a minute or two."
        )
    return (
        f"{blocks} blocks are in {out}. Move the folders into the data folder of Prometheus and "
        "let its user own them;\na running one takes them up within a minute or two."
    )
