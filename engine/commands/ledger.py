"""Check, repair and move the ledger."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from slo.errors import SloError

if TYPE_CHECKING:
    from slo.engine.ledger.sql import SqlLedger

__all__ = ["command"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_URL = click.argument("url", envvar="SLO_LEDGER", metavar="URL")


@click.group(
    "ledger",
    help="Check, repair and move the ledger. URL is sqlite:///PATH or postgresql://...; also set "
    "by SLO_LEDGER.",
)
def command() -> None:
    """Check, repair and move the ledger."""


@command.command("verify", help="Check that no record was changed, replaced or lost.")
@_URL
@click.option(
    "--known",
    metavar="NUMBER:HASH",
    help="Last record as an earlier run printed it: prove that the ledger still holds it.",
)
def verify(url: str, known: str | None) -> None:
    """Check the ledger, and print its last record."""

    def work(opened: SqlLedger) -> str:
        from slo.engine.ledger.chain import Head

        before = None
        if known is not None:
            number, separator, digest = known.partition(":")
            if not separator or not number.isdigit():
                raise click.UsageError("--known takes NUMBER:HASH, as `slo ledger verify` prints")
            before = Head(int(number), digest)
        head = opened.head()
        wrong = opened.verify(before)
        if wrong:
            click.echo(f"{opened.name}: {wrong}", err=True)
            sys.exit(1)
        return f"{head.sequence}:{head.hash}"

    click.echo(_with_ledger(url, work))


@command.command("rebuild", help="Make the index of records anew, where `verify` asks for it.")
@_URL
def rebuild(url: str) -> None:
    """Rebuild the index."""
    number = _with_ledger(url, lambda opened: opened.rebuild())
    click.echo(f"the index of {number} records was made anew", err=True)


@command.command("copy", help="Copy the ledger at URL to a new one at TARGET, hashes and all.")
@_URL
@click.argument("target", metavar="TARGET")
def copy(url: str, target: str) -> None:
    """Copy a ledger to another database."""

    def work(opened: SqlLedger) -> str:
        other = _opened(target, create=True)
        try:
            head = opened.copy_to(other)
        finally:
            other.close()
        return f"{head.sequence}:{head.hash}"

    click.echo(_with_ledger(url, work))


def _with_ledger(url: str, work: Callable[[SqlLedger], T]) -> T:
    try:
        opened = _opened(url, create=False)
        try:
            return work(opened)
        finally:
            opened.close()
    except ModuleNotFoundError as error:
        message = (
            f"the ledger needs the Python package {error.name}: pip install 'slostack[engine]'"
        )
        raise click.ClickException(message) from error
    except SloError as error:
        raise click.ClickException(str(error)) from error


def _opened(url: str, *, create: bool) -> SqlLedger:
    from slo.engine.ledger.sql import open_ledger

    return open_ledger(url, create=create)
