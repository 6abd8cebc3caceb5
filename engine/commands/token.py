"""Make, list and revoke tokens of the API."""

from __future__ import annotations

import getpass
import json
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from slo.engine.commands.shared import PROMETHEUS_DURATION
from slo.errors import SloError

if TYPE_CHECKING:
    from slo.duration import Duration
    from slo.engine.ledger.records import Token
    from slo.engine.ledger.sql import SqlLedger

__all__ = ["command"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_SCOPES = ("read", "gate", "write", "admin")


def _ledger_option(command: F) -> F:
    return click.option(
        "--ledger",
        envvar="SLO_LEDGER",
        metavar="URL",
        help="Ledger of the engine. Also set by SLO_LEDGER.  [default: as for `slo serve`]",
    )(command)


@click.group(
    "token",
    help="Make, list and revoke tokens of the API. A running engine knows of them within seconds.",
)
def command() -> None:
    """Make, list and revoke tokens of the API."""


@command.command("create", help="Make a token, and print its secret: it is shown this once.")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(_SCOPES),
    multiple=True,
    required=True,
    help="What it may do: read status, ask gates, write records, or everything (admin). "
    "Repeatable.",
)
@click.option("--expires-in", type=PROMETHEUS_DURATION, help="Such as 90d; never if left out.")
@_ledger_option
def create(
    name: str, scopes: tuple[str, ...], expires_in: Duration | None, ledger: str | None
) -> None:
    """Make a token."""

    def work(opened: SqlLedger) -> str:
        from slo.engine.ledger.records import Token
        from slo.engine.ledger.tokens import new_token

        secret, digest = new_token()
        now = time.time()
        expires_at = None if expires_in is None else now + expires_in.seconds
        token = Token(
            f"tok-{secrets.token_hex(12)}", name, tuple(dict.fromkeys(scopes)), now, expires_at
        )
        opened.add_token(token, digest)
        click.echo(f"{token.id} for {name}: {', '.join(token.scopes)}", err=True)
        return secret

    click.echo(_with_ledger(ledger, work))


@command.command("list", help="List tokens, without their secrets.")
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@_ledger_option
def list_tokens(style: str, ledger: str | None) -> None:
    """List tokens."""
    found = _with_ledger(ledger, lambda opened: [token for token, _ in opened.tokens()])
    if style == "json":
        from dataclasses import asdict

        click.echo(json.dumps([asdict(token) for token in found], indent=2))
        return
    if not found:
        click.echo("nobody has a token", err=True)
        return
    rows = [("ID", "NAME", "SCOPES", "STATE", "LAST USED")]
    rows += [
        (token.id, token.name, ",".join(token.scopes), _state(token), _day(token.last_used_at))
        for token in found
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@command.command("revoke", help="Refuse a token from now on.")
@click.argument("token_id", metavar="ID")
@_ledger_option
def revoke(token_id: str, ledger: str | None) -> None:
    """Revoke a token."""
    who = f"{getpass.getuser()} (slo token)"
    token = _with_ledger(ledger, lambda opened: opened.revoke_token(token_id, who, time.time()))
    click.echo(f"{token.id} of {token.name} is revoked", err=True)


def _with_ledger(url: str | None, work: Callable[[SqlLedger], T]) -> T:
    try:
        from slo.engine.ledger.sql import open_ledger
        from slo.engine.server.options import default_ledger

        opened = open_ledger(url or default_ledger())
        try:
            return work(opened)
        finally:
            opened.close()
    except ModuleNotFoundError as error:
        message = f"tokens need the Python package {error.name}: pip install 'slostack[engine]'"
        raise click.ClickException(message) from error
    except SloError as error:
        raise click.ClickException(str(error)) from error


def _state(token: Token) -> str:
    now = time.time()
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is None:
        return "valid"
    return "expired" if token.expires_at <= now else f"until {_day(token.expires_at)}"


def _day(moment: float | None) -> str:
    return "-" if moment is None else time.strftime("%Y-%m-%d", time.gmtime(moment))
