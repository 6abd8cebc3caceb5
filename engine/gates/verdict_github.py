"""Tell GitHub Actions a gate's answer: annotations, outputs of the step, and its summary."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from slo.engine.gates.decision import Effect, GateDecision, Verdict
from slo.engine.gates.words import length, percent
from slo.errors import OutputError

__all__ = ["commands", "outputs", "summary", "write_files"]

_LEVELS = {Effect.DENY: "error", Effect.UNKNOWN: "warning", Effect.WARN: "warning"}
_ICONS = {Verdict.ALLOW: "✅", Verdict.DENY: "⛔", Verdict.UNKNOWN: "❔"}


def commands(decision: GateDecision) -> Iterator[str]:
    """Yield one workflow command for each reason that matters, the deciding one first."""
    service, environment = decision.request.service, decision.request.environment
    for number, reason in enumerate(decision.told):
        level = _LEVELS.get(reason.effect, "notice")
        if decision.verdict is Verdict.ALLOW and level == "error":
            level = "warning"
        if level == "notice" and number:
            continue
        text = reason.message
        if number == 0:
            text = " ".join((text, *decision.changes))
        title = f"{decision.verdict.value}: {service} to {environment} ({reason.code})"
        yield f"::{level} title={_property(title)}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def outputs(verdict: Verdict, decisions: Sequence[GateDecision]) -> dict[str, str]:
    """Return the outputs of the step."""
    deciding = next(d for d in decisions if d.verdict is verdict)
    return {
        "verdict": verdict.value,
        "would-be": (deciding.would_be or verdict).value,
        "reason": deciding.reasons[0].code,
        "message": deciding.reasons[0].message,
        "decision": " ".join(decision.id for decision in decisions),
    }


def summary(decisions: Sequence[GateDecision]) -> Iterator[str]:
    """Yield the lines of a Markdown summary."""
    for decision in decisions:
        request = decision.request
        yield (
            f"### {_ICONS[decision.verdict]} {decision.verdict.value}: "
            f"`{request.service}` to `{request.environment}`"
        )
        yield ""
        if decision.slos:
            yield "| SLO | verdict | budget left | needed | burn 1h | age |"
            yield "|---|---|---:|---:|---:|---:|"
        for numbers in decision.slos:
            left = "unknown" if numbers.remaining is None else percent(numbers.remaining)
            needed = "" if numbers.needed is None else percent(numbers.needed)
            burn = numbers.burn_rates.get("1h")
            age = "" if numbers.age is None else length(numbers.age)
            rate = "" if burn is None else f"{burn:.3g}x"
            cells = (f"`{numbers.slo}`", numbers.verdict.value, left, needed, rate, age)
            yield f"| {' | '.join(cells)} |"
        yield ""
        for reason in decision.told:
            yield f"- **{reason.effect.value}** ({reason.code}): {reason.message}"
        for change in decision.changes:
            yield f"- to pass: {change}"
        yield ""


def write_files(verdict: Verdict, decisions: Sequence[GateDecision]) -> None:
    """
    Append outputs and summary to the files that the runner names in the environment.

    Raises:
        OutputError: A file cannot be written.
    """
    named = os.environ.get("GITHUB_OUTPUT")
    if named:
        # A text of several lines cannot end the block: nobody knows the end marker before.
        end = f"end-{secrets.token_hex(8)}"
        found = outputs(verdict, decisions).items()
        _append(named, "".join(f"{key}<<{end}\n{value}\n{end}\n" for key, value in found))
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    if named:
        _append(named, "\n".join(summary(decisions)) + "\n")


def _append(name: str, text: str) -> None:
    try:
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(f"{name}: {error.strerror or error}") from error
