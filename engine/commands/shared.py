"""Hold the options and the presentation that several commands share."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from slo.diagnostics import Diagnostic
from slo.duration import Duration
from slo.engine.options import PROFILES, CompileOptions
from slo.source import Source

__all__ = ["LABEL", "PROMETHEUS_DURATION", "compile_options", "present", "spec_arguments"]

F = TypeVar("F", bound=Callable[..., Any])

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class _DurationType(click.ParamType[Duration]):
    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> Duration:
        if isinstance(value, Duration):
            return value
        try:
            parsed = Duration.parse(value)
        except ValueError:
            self.fail(f"{value!r} is not a duration such as 30s, 5m or 30d", param, ctx)
        if not parsed.milliseconds:
            self.fail("must be longer than zero", param, ctx)
        return parsed


class _LabelType(click.ParamType[tuple[str, str]]):
    name = "key=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        key, separator, text = str(value).partition("=")
        if not separator or not key or not text:
            self.fail(f"{value!r} is not of the form key=value", param, ctx)
        if not _LABEL_NAME.fullmatch(key) or key == "__name__":
            self.fail(f"{key!r} is no name of a label (letters, digits and `_`)", param, ctx)
        return key, text


PROMETHEUS_DURATION = _DurationType()
LABEL = _LabelType()

_PATHS = click.Path(path_type=Path)
_OPTIONS: tuple[Callable[[F], F], ...] = (
    click.argument("specs", nargs=-1, required=True, metavar="SPEC..."),
    click.option(
        "--profile",
        type=click.Choice(PROFILES),
        default="exact",
        show_default=True,
        help="exact: event-weighted and cheap. sloth: rule for rule what sloth 0.16 writes.",
    ),
    click.option(
        "-l",
        "--label",
        "labels",
        type=LABEL,
        multiple=True,
        help="Extra label on every recorded series; wins over the specs. Repeatable.",
    ),
    click.option(
        "--windows",
        type=_PATHS,
        multiple=True,
        help="File or folder of alert-window catalogs (sloth's AlertWindows). Repeatable.",
    ),
    click.option(
        "--plugins",
        type=_PATHS,
        multiple=True,
        help="File or folder of Python plugins; their code is run. Repeatable.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="GLOB",
        help="Files to leave out when a folder is named. Repeatable.",
    ),
    click.option(
        "--period",
        type=PROMETHEUS_DURATION,
        default="30d",
        show_default=True,
        help="Compliance period of an SLO that names none.",
    ),
    click.option(
        "--interval",
        type=PROMETHEUS_DURATION,
        default="30s",
        show_default=True,
        help="Evaluation interval of the fast rule groups (profile exact).",
    ),
    click.option(
        "--retention",
        type=PROMETHEUS_DURATION,
        help="How long the server keeps samples; longer periods become errors.",
    ),
    click.option("--strict", is_flag=True, help="Fail on warnings too."),
)


def spec_arguments(command: F) -> F:
    """Add the specs and the options that decide what they mean."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def compile_options(given: Mapping[str, Any], **more: Any) -> CompileOptions:
    """Return the options of the pipeline from those of the command line."""
    return CompileOptions(
        profile=given["profile"],
        labels=dict(given["labels"]),
        windows=given["windows"],
        plugins=given["plugins"],
        exclude=given["exclude"],
        period=given["period"],
        interval=given["interval"],
        retention=given["retention"],
        **more,
    )


def use_color() -> bool:
    """Tell whether standard error is a terminal that wants colour."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def present(
    diagnostics: Iterable[Diagnostic],
    sources: Mapping[str, Source],
    style: str,
    strict: bool,
) -> int:
    """
    Print *diagnostics* and return the exit code: 0 fine, 1 problems.

    Args:
        style: `text` goes to standard error, `json` to standard output.
        strict: Count warnings as problems.
    """
    found = list(diagnostics)
    if style == "json":
        from slo.engine.reporters import json

        click.echo("\n".join(json.lines(found)))
    elif found:
        from slo.engine.reporters import text

        click.echo("\n".join(text.lines(found, sources, use_color())), err=True)
        click.echo(text.summary(found), err=True)
    failing = found if strict else [d for d in found if d.is_error]
    return 1 if failing else 0
