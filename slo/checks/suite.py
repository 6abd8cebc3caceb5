"""Run all checks, in the order in which their pages are numbered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from slo.checks import (
    burn_rates,
    guard,
    labels,
    objective,
    profile,
    queries,
    retention,
    traffic,
)
from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic
from slo.plan import SloPlan

__all__ = ["run_checks"]

Check = Callable[[SloPlan, CheckOptions], Iterable[Diagnostic]]

_CHECKS: tuple[Check, ...] = (
    objective.check,
    burn_rates.check,
    traffic.check,
    retention.check,
    queries.check,
    labels.check,
    profile.check,
    guard.check,
)


def run_checks(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """Yield what the checks find in *plan*."""
    for check in _CHECKS:
        yield from check(plan, options)
