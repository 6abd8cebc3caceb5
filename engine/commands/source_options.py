"""Hold the options that name a server and how to log in to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from slo.engine.commands.shared import PROMETHEUS_DURATION
from slo.engine.sources.connection import Connection

__all__ = [
    "CONNECTION_NAMES",
    "URL",
    "UrlType",
    "chosen_server",
    "connection_of",
    "connection_options",
]

F = TypeVar("F", bound=Callable[..., Any])

CONNECTION_NAMES = (
    *("headers", "token_file", "basic_auth_file", "tenant", "ca_file"),
    *("client_cert_file", "client_key_file", "timeout"),
)
_TENANT = "X-Scope-OrgID"


class _HeaderType(click.ParamType[tuple[str, str]]):
    name = "name: value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        name, separator, text = str(value).partition(":")
        if not separator or not name.strip() or not text.strip() or "\n" in value:
            self.fail(f"{value!r} is not of the form `Name: value`", param, ctx)
        return name.strip(), text.strip()


class UrlType(click.ParamType[str]):
    """
    Take the address of a server, without anything secret.

    Args:
        login: Option that names the file with the password or token.
    """

    name = "url"

    def __init__(self, login: str) -> None:
        self._login = login

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Return the address without a slash at its end."""
        wrong = f"{value!r} is not a URL such as http://localhost:9090"
        try:
            parts = urlsplit(str(value))
            usable = parts.port != 0
        except ValueError:
            self.fail(wrong, param, ctx)
        if parts.scheme not in ("http", "https") or not parts.hostname or not usable:
            self.fail(wrong, param, ctx)
        if parts.username or parts.password:
            self.fail(f"put what is secret into a file and name it with {self._login}", param, ctx)
        return str(value).rstrip("/")


_FILE = click.Path(path_type=Path, dir_okay=False)
URL = UrlType("--basic-auth-file")


def _options(required: bool) -> tuple[Callable[[F], F], ...]:
    return (
        click.option(
            "--prometheus",
            type=URL,
            required=required,
            envvar="SLO_PROMETHEUS",
            help="Server to read from: Prometheus, VictoriaMetrics, Thanos or Mimir. "
            "Also set by SLO_PROMETHEUS.",
        ),
        click.option(
            "--header",
            "headers",
            type=_HeaderType(),
            multiple=True,
            help="Header to send with every request. Repeatable.",
        ),
        click.option("--token-file", type=_FILE, help="File with a bearer token."),
        click.option("--basic-auth-file", type=_FILE, help="File with user:password."),
        click.option("--tenant", metavar="ID", help=f"Tenant of Mimir or Cortex ({_TENANT})."),
        click.option("--ca-file", type=_FILE, help="Certificates to trust."),
        click.option(
            "--client-cert-file", type=_FILE, help="Certificate to show to the server, in PEM form."
        ),
        click.option(
            "--client-key-file", type=_FILE, help="Its key, where that is not in the same file."
        ),
        click.option(
            "--timeout",
            type=PROMETHEUS_DURATION,
            default="60s",
            show_default=True,
            help="Limit of one query, retries included.",
        ),
    )


def connection_options(required: bool = True) -> Callable[[F], F]:
    """Add the options that name a server, and how to log in to it."""

    def add(command: F) -> F:
        options: tuple[Callable[[F], F], ...] = _options(required)
        for option in reversed(options):
            command = option(command)
        return command

    return add


def connection_of(given: dict[str, Any]) -> Connection | None:
    """Take the options of `connection_options` out of *given*; `None` without a server."""
    url = given.pop("prometheus")
    taken = {name: given.pop(name) for name in CONNECTION_NAMES}
    tenant = taken.pop("tenant")
    headers = dict(taken.pop("headers"))
    if tenant:
        headers[_TENANT] = tenant
    if taken["token_file"] and taken["basic_auth_file"]:
        raise click.UsageError("give --token-file or --basic-auth-file, not both")
    if taken["client_key_file"] and not taken["client_cert_file"]:
        raise click.UsageError("--client-key-file needs --client-cert-file")
    return Connection(url, headers, **taken) if url else None


def chosen_server(engine: str | None, server: str | None) -> tuple[str | None, str | None]:
    """
    Return the engine and the metrics server that are meant.

    A variable of the environment gives way to the command line.
    """
    source = click.get_current_context().get_parameter_source
    if engine and server and source("engine") is not source("prometheus"):
        if source("engine") is click.core.ParameterSource.COMMANDLINE:
            return engine, None
        return None, server
    return engine, server
