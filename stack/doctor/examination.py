"""Run the checks of the doctor in order, and count what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from slo.stack.doctor import (
    alert_checks,
    machine_checks,
    metrics_checks,
    serving_checks,
    telemetry_checks,
)
from slo.stack.doctor.finding import Finding, Unreachable, Verdict, fail
from slo.stack.doctor.patient import Patient

__all__ = ["CHECKS", "Line", "examine", "worst"]

Check = Callable[[Patient], Iterable[Finding]]

# From the ground up: what comes later relies on what comes before.
CHECKS: Mapping[str, Check] = {
    "programs": machine_checks.programs,
    "parts": machine_checks.parts,
    "answers": machine_checks.answers,
    "clocks": machine_checks.clocks,
    "disk": machine_checks.disk,
    "retention": metrics_checks.retained,
    "targets": metrics_checks.targets,
    "rules": metrics_checks.rules,
    "evaluation": metrics_checks.evaluation,
    "freshness": metrics_checks.freshness,
    "watchdog": alert_checks.watchdog,
    "delivery": alert_checks.delivery,
    "samples": telemetry_checks.samples,
    "spans": telemetry_checks.spans,
    "logs": telemetry_checks.logs,
    "engine": serving_checks.engine,
    "gates": serving_checks.gates,
    "dashboards": serving_checks.dashboards,
}


class Line(NamedTuple):
    """Pair a finding with the name of its check."""

    check: str
    finding: Finding


def examine(
    patient: Patient, only: Iterable[str] = (), begin: Callable[[str], None] = lambda check: None
) -> Iterator[Line]:
    """
    Yield what the checks find, one after the other.

    Args:
        only: Names of checks; all of them if left out.
        begin: Told the name of each check before it runs.
    """
    chosen = frozenset(only) or frozenset(CHECKS)
    for name, check in CHECKS.items():
        if name not in chosen:
            continue
        begin(name)
        try:
            for finding in check(patient):
                yield Line(name, finding)
        except Unreachable as error:
            remedy = f"see {patient.look}"
            yield Line(name, fail(str(error), remedy, subject=error.part))


def worst(lines: Iterable[Line]) -> Verdict:
    """Return the worst verdict of *lines*."""
    order = list(Verdict)
    return max((line.finding.verdict for line in lines), key=order.index, default=Verdict.OK)
