"""Hold the options and the presentation that the commands of a running stack share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from slo.stack.settings_file import SETTINGS_FILE

__all__ = [
    "TARGETS",
    "context_option",
    "out_option",
    "paint",
    "refuse_other_targets",
    "settings_option",
    "target_option",
]

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


def out_option(command: F) -> F:
    """Add the option that names the folder that was rendered to, as `slo stack render` has it."""
    return click.option(
        "-o",
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the rendered files; not for local.  [default: stack/TARGET beside the "
        "settings]",
    )(command)


def context_option(command: F) -> F:
    """Add the option that chooses a cluster."""
    return click.option(
        "--context",
        metavar="NAME",
        help="Context of kubectl, for target kubernetes.  [default: the current one]",
    )(command)


def refuse_other_targets(target: str, wanted: dict[str, tuple[str, ...]]) -> None:
    """
    Refuse options that mean nothing for *target*.

    Args:
        wanted: Targets of each option that was not left out.

    Raises:
        UsageError: One is for other targets.
    """
    for option, targets in wanted.items():
        if target not in targets:
            raise click.UsageError(f"{option} is for target {' and '.join(targets)}, not {target}")


def paint(word: str, text: str, *, stream: Any = sys.stdout) -> str:
    """Return *text* in the colour that *word* has, where colours are wanted."""
    if not stream.isatty() or os.environ.get("NO_COLOR"):
        return text
    return click.style(text, fg=_COLORS.get(word, "yellow"))
