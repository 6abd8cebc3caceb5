"""Prove the paths of a running stack end to end."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slo.engine.commands.source_options import URL
from slo.engine.commands.stack_options import paint, settings_option, target_option
from slo.engine.stack_inputs import StackInputs, read_stack

if TYPE_CHECKING:
    from slo.stack.doctor.examination import Line
    from slo.stack.doctor.patient import Patient

__all__ = ["command"]

_MARKS = {"ok": "ok", "skipped": "skipped", "warning": "warning", "fail": "FAIL"}


class _Address(click.ParamType[tuple[str, str]]):
    name = "part=url"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        part, separator, url = str(value).partition("=")
        if not separator or not part:
            self.fail(f"{value!r} is not of the form PART=URL", param, ctx)
        return part, URL.convert(url, param, ctx)


class _Check(click.ParamType[str]):
    name = "check"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        from slo.stack.doctor.examination import CHECKS

        if value not in CHECKS:
            self.fail(f"no check is called {value}; there are {', '.join(CHECKS)}", param, ctx)
        return str(value)


@click.command(
    "doctor",
    help="Prove the paths of a running stack end to end: what is scraped, computed, sent and "
    "served. Each failure comes with what to do about it.",
    epilog="Exit codes: 0 no failure, 1 something failed, 2 wrong usage.",
)
@target_option
@settings_option
@click.option(
    "--only", type=_Check(), multiple=True, metavar="CHECK", help="Only this check. Repeatable."
)
@click.option(
    "--address",
    "addresses",
    type=_Address(),
    multiple=True,
    metavar="PART=URL",
    help="Where a part is reached, if not as the settings say: through a tunnel, say. Repeatable.",
)
@click.option(
    "--min-free",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="GB",
    help="Free space on the disk below which the check `disk` fails.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=1),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for an alert; three times as long for spans and log lines.",
)
@click.option("--strict", is_flag=True, help="Fail on warnings and on checks left out, too.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How it is printed.",
)
def command(
    target: str,
    settings_file: Path,
    only: tuple[str, ...],
    addresses: tuple[tuple[str, str], ...],
    min_free: float,
    patience: float,
    strict: bool,
    style: str,
) -> None:
    """Run the checks and print a line for each finding."""
    from slo.stack.doctor.examination import examine
    from slo.stack.doctor.patient import Limits

    inputs = read_stack(settings_file)
    limits = Limits(
        free_bytes=min_free * 1e9, delivery_seconds=patience, telemetry_seconds=3 * patience
    )
    lines: list[Line] = []
    with _patient(target, inputs, dict(addresses), limits) as patient:
        last = ""
        for line in examine(patient, only, _begin):
            lines.append(line)
            if style == "text":
                _clear()
                click.echo("\n".join(_text(line, last)))
            last = line.check
        _clear()
    counts = {
        verdict: sum(line.finding.verdict.value == verdict for line in lines) for verdict in _MARKS
    }
    if style == "json":
        click.echo(_json(lines, counts))
    else:
        click.echo(_summary(counts))
    failing = counts["fail"] + (counts["warning"] + counts["skipped"] if strict else 0)
    sys.exit(1 if failing else 0)


def _patient(target: str, inputs: StackInputs, addresses: dict[str, str], limits: Any) -> Patient:
    from slo.stack.components.plan import stack_plan
    from slo.stack.doctor.patient import Patient
    from slo.stack.targets.local import local_stack
    from slo.stack.targets.local_places import LocalPlaces, local_folder

    settings, compiled = inputs.settings, inputs.compiled
    if target == "local":
        stack = local_stack(settings, compiled)
        folder = local_folder(settings).root
        return Patient(
            stack.settings,
            compiled,
            stack.plan,
            urls=addresses,
            folder=folder if folder.is_dir() else settings.folder,
            left_out=stack.left_out,
            limits=limits,
        )
    # Published ports have the numbers that the parts have inside.
    plan = stack_plan(settings, compiled, LocalPlaces(settings))
    return Patient(settings, compiled, plan, target=target, urls=addresses, limits=limits)


def _begin(check: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[Kexamining {check} ...", err=True, nl=False)


def _clear() -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)


def _text(line: Line, last: str) -> Iterator[str]:
    verdict = line.finding.verdict.value
    name = line.check if line.check != last else ""
    width = max(60, shutil.get_terminal_size((100, 24)).columns)
    mark = paint(verdict, f"{_MARKS[verdict]:<8}")
    indent = " " * 21
    shown = _wrapped(line.finding.figure, width - len(indent)) or [""]
    yield f"{mark} {name:<11} {shown[0]}"
    for rest in shown[1:]:
        yield indent + rest
    if line.finding.remedy:
        for number, rest in enumerate(_wrapped(line.finding.remedy, width - len(indent) - 3)):
            yield f"{indent}{'-> ' if number == 0 else '   '}{rest}"


def _wrapped(text: str, width: int) -> list[str]:
    # Names and addresses stay whole, to be copied.
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)


def _summary(counts: dict[str, int]) -> str:
    warnings = "warning" if counts["warning"] == 1 else "warnings"
    words = {"ok": "ok", "warning": warnings, "skipped": "left out", "fail": "failed"}
    found = [f"{counts[name]} {word}" for name, word in words.items() if counts[name]]
    return ", ".join(found) or "nothing was examined"


def _json(lines: list[Line], counts: dict[str, int]) -> str:
    findings = [
        {
            "check": line.check,
            "verdict": line.finding.verdict.value,
            "subject": line.finding.subject or None,
            "figure": line.finding.figure,
            "remedy": line.finding.remedy or None,
        }
        for line in lines
    ]
    return json.dumps({"counts": counts, "findings": findings}, indent=2)
