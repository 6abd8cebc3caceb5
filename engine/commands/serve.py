"""Serve error budgets and gate decisions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slo.engine.commands.serve_sources import named_sources, reading_options
from slo.engine.commands.shared import PROMETHEUS_DURATION, present
from slo.engine.commands.source_options import URL
from slo.errors import SloError

if TYPE_CHECKING:
    from slo.duration import Duration
    from slo.engine.server.options import Listen, ServeOptions
    from slo.engine.server.wiring import Engine

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_PATHS = click.Path(path_type=Path)
_SOURCES = "slo.serve.sources"
_EXTRA = frozenset(
    (
        *("alembic", "apscheduler", "fastapi", "httpx", "prometheus_client", "sqlalchemy"),
        *("dateutil", "psycopg", "pydantic", "stamina", "starlette", "uvicorn"),
    )
)


class _ListenType(click.ParamType["Listen"]):
    name = "address"

    def convert(self, value: Any, param: Any, ctx: Any) -> Listen:
        from slo.engine.server.options import Listen, parse_listen

        if isinstance(value, Listen):
            return value
        try:
            return parse_listen(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _read_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    """Let a file give the options that the command line does not."""
    if value is None:
        return
    from slo.engine.server.config_file import read_config

    options = {
        option.opts[-1].removeprefix("--"): option
        for option in ctx.command.params
        if isinstance(option, click.Option) and option.name not in ("config", "help")
    }
    repeatable = {name: option.multiple for name, option in options.items()}
    try:
        settings = read_config(value, repeatable)
    except SloError as error:
        raise click.UsageError(str(error)) from error
    given = {str(options[name].name): setting for name, setting in settings.items()}
    # Sources with settings of their own are no values that an option could take.
    ctx.meta[_SOURCES] = given.pop("sources", [])
    ctx.default_map = {**given, **(ctx.default_map or {})}


@click.command(
    "serve",
    help="Serve error budgets and gate decisions: an API, a board and metrics, from memory, "
    "whatever the metrics servers are doing.",
)
@click.option(
    "--config",
    type=_FILE,
    callback=_read_config,
    is_eager=True,
    expose_value=False,
    help="YAML file with these options; the command line wins. Keys are the long names.",
)
@click.option(
    "--source",
    "sources",
    type=URL,
    multiple=True,
    envvar="SLO_SOURCE",
    help="Server to read from: Prometheus, VictoriaMetrics, Thanos or Mimir. Repeatable; the "
    "first one that works is read. Also set by SLO_SOURCE.",
)
@reading_options
@click.option(
    "--specs", type=str, multiple=True, metavar="SPEC", help="File or folder of specs. Repeatable."
)
@click.option(
    "--plugins", type=_PATHS, multiple=True, help="Plugins that the specs need; their code is run."
)
@click.option(
    "--ledger",
    envvar="SLO_LEDGER",
    metavar="URL",
    help="sqlite:///PATH, or postgresql://HOST/NAME for several replicas. Also set by "
    "SLO_LEDGER.  [default: ledger.db in the state folder of the user]",
)
@click.option("--policy", type=_FILE, help="Gate policy.  [default: deny without budget]")
@click.option(
    "--listen",
    type=_ListenType(),
    default="127.0.0.1:9099",
    show_default=True,
    help="Address to listen on. Addresses that others can reach need tokens.",
)
@click.option("--require-token", is_flag=True, help="Ask for tokens on the loopback address too.")
@click.option(
    "--monitor-token-file",
    type=_FILE,
    help="File with a token for what watches the engine: it may read and ask gates, and the "
    "ledger need not know it. Read at the start.",
)
@click.option("--insecure-no-auth", is_flag=True, help="Ask nobody for a token.")
@click.option(
    "--allow-host", "allow_hosts", multiple=True, help="Name by which browsers ask. Repeatable."
)
@click.option("--tls-cert", type=_FILE, help="Certificate to serve HTTPS with, in PEM form.")
@click.option("--tls-key", type=_FILE, help="Its key.")
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0),
    default=100,
    show_default=True,
    help="Requests a second of one token or address; twice as many at once; 0 for no limit.",
)
@click.option(
    "--interval",
    type=PROMETHEUS_DURATION,
    default="30s",
    show_default=True,
    help="Time between two readings.",
)
@click.option(
    "--drain",
    type=click.FloatRange(min=0),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="How long to go on serving after SIGTERM, while /readyz says no.",
)
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    show_default=True,
    help="auto: text on a terminal, JSON elsewhere.",
)
@click.option("--access-log", is_flag=True, help="Log every request.")
@click.option("--otlp", type=URL, help="Send traces of the engine itself there (OTLP over HTTP).")
@click.option("--name", help="Name of this replica.  [default: host name and process]")
def command(**given: Any) -> None:
    """Serve until a signal ends it; exit with 1 when it cannot begin."""
    try:
        options = _options(given)
        _serve(options)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        message = f"serving needs the Python package {error.name}: pip install 'slostack[engine]'"
        raise click.ClickException(message) from error
    except SloError as error:
        raise click.ClickException(str(error)) from error


def _options(given: dict[str, Any]) -> ServeOptions:
    import os
    import socket

    from slo.engine.options import CompileOptions
    from slo.engine.server.options import ServeOptions, default_ledger

    configured = click.get_current_context().meta.get(_SOURCES, [])
    sources = named_sources(given, given.pop("sources") or configured)
    if not sources:
        raise click.UsageError("name a server to read from with --source")
    if (given["tls_cert"] is None) != (given["tls_key"] is None):
        raise click.UsageError("give both --tls-cert and --tls-key, or none of them")
    if given["require_token"] and given["insecure_no_auth"]:
        raise click.UsageError("give --require-token or --insecure-no-auth, not both")
    interval: Duration = given.pop("interval")
    plugins = given.pop("plugins")
    return ServeOptions(
        sources=sources,
        ledger=given.pop("ledger") or default_ledger(),
        compile=CompileOptions(plugins=plugins),
        interval=interval.seconds,
        name=given.pop("name") or f"{socket.gethostname()}:{os.getpid()}",
        **given,
    )


def _serve(options: ServeOptions) -> None:
    import asyncio

    from slo.engine.server import logs
    from slo.engine.server.inputs import read_inputs
    from slo.engine.server.late_ledger import LateLedger
    from slo.engine.server.run import bind, check_access, run_engine

    logs.configure(options.log_format)
    inputs = read_inputs(options)
    code = present(inputs.diagnostics, inputs.sources, "text", strict=False)
    if code:
        sys.exit(code)
    ledger = LateLedger(options.ledger)
    check_access(options, ledger)
    sock = bind(options.listen)
    host, port = sock.getsockname()[:2]
    address = f"[{host}]" if ":" in host else host
    scheme = "https" if options.tls_cert else "http"

    def ready(engine: Engine) -> None:
        _greet(options, engine, f"{scheme}://{address}:{port}")

    work = run_engine(options, ledger, inputs, sock, ready)
    try:
        import uvloop
    except ModuleNotFoundError:
        asyncio.run(work)
    else:
        uvloop.run(work)


def _greet(options: ServeOptions, engine: Engine, url: str) -> None:
    import logging

    found = engine.parts.views.now()
    facts: Mapping[str, Any] = {
        "url": url,
        "sources": [name for name, _ in options.sources],
        "slos": len(found[0].snapshot.statuses) if found else 0,
        "ledger": engine.ledger.where,
        "policy": engine.parts.decider.policy.name,
        "tokens": "required" if options.tokens_required else "not required",
    }
    text = options.log_format == "text" or (options.log_format == "auto" and sys.stderr.isatty())
    if not text:
        logging.getLogger("slo.engine").info("serving", extra=dict(facts))
        return
    lines = [f"serving on {url}"]
    for name, value in facts.items():
        if name != "url":
            shown = ", ".join(value) if isinstance(value, list) else value
            lines.append(f"  {name:<8} {shown}")
    click.echo("\n".join(lines), err=True)
