"""Check that every alert can fire."""

from __future__ import annotations

from collections.abc import Iterator

from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic, Severity
from slo.numbers import decimal_text
from slo.plan import SloPlan

__all__ = ["check"]


def check(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """
    Warn of thresholds that no error ratio exceeds.

    A burn rate of `b` is an error ratio of `b * (1 - objective)`, and no ratio is above 1.
    """
    if plan.objective <= 1:
        return  # most likely a ratio that was meant as a percentage: SLO215 says so
    for severity, meta, pairs in (
        ("page", plan.page, plan.policy.pages),
        ("ticket", plan.ticket, plan.policy.tickets),
    ):
        if meta is None:
            continue
        dead = [p for p in pairs if p.threshold(plan.time_window) * plan.error_budget >= 1]
        if not dead:
            continue
        windows = " and ".join(f"{p.long_window}/{p.short_window}" for p in dead)
        factor = decimal_text(dead[0].threshold(plan.time_window))
        lost = f"no {severity} at all is left" if len(dead) == len(pairs) else "others remain"
        yield Diagnostic(
            "SLO202",
            Severity.WARNING,
            f"the {severity} over {windows} can never fire: {factor} times a budget of "
            f"{decimal_text(plan.error_budget * 100)} % is more than all events ({lost})",
            plan.objective_span,
            "raise the objective, or give windows with a lower burn rate by --windows",
        )
