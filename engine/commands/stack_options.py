"""Hold the options and the presentation that the commands of a running stack share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from slo.stack.settings_file import SETTINGS_FILE

__all__ = ["TARGETS", "local_only", "paint", "settings_option", "target_option"]

F = TypeVar("F", bound=Callable[..., Any])

TARGETS = ("local", "compose", "kubernetes")
_COLORS = {"up": "green", "ok": "green", "warning": "yellow", "fail": "red", "crashing": "red"}


def settings_option(command: F) -> F:
    """Add the option that names the settings of the stack."""
    return click.option(
        "--settings",
        "settings_file",
        type=click.Path(path_type=Path, dir_okay=False),
        default=SETTINGS_FILE,
        show_default=True,
        help="Settings of the stack.",
    )(command)


def target_option(command: F) -> F:
    """Add the option that says where the stack runs."""
    return click.option(
        "--target",
        type=click.Choice(TARGETS),
        default="local",
        show_default=True,
        help="Where the stack runs: on this machine, in containers, in a cluster.",
    )(command)


def local_only(target: str, instead: dict[str, str]) -> None:
    """
    Refuse a target that other programs look after, and name their command.

    Raises:
        UsageError: *target* is not `local`.
    """
    if target != "local":
        raise click.UsageError(
            f"target {target} is looked after by its own program:\n  {instead[target]}"
        )


def paint(word: str, text: str, *, stream: Any = sys.stdout) -> str:
    """Return *text* in the colour that *word* has, where colours are wanted."""
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=_COLORS.get(word, "yellow"))
