"""Check that an objective means what its author probably wanted."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic, Severity
from slo.numbers import decimal_text
from slo.plan import SloPlan

__all__ = ["check"]

# A thousandth of the burn rate of a full outage still is a float without rounding.
_LEAST_BUDGET = Decimal("1e-12")


def check(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """Refuse a budget too small to count; warn of 100 %, and of what looks like a ratio."""
    shown = decimal_text(plan.objective)
    if plan.objective == 100:
        yield Diagnostic(
            "SLO208",
            Severity.WARNING,
            "an objective of 100 % leaves no error budget: every bad event alerts",
            plan.objective_span,
            "users cannot tell 100 % from 99.99 %; choose what they would notice",
        )
    elif plan.error_budget < _LEAST_BUDGET:
        yield Diagnostic(
            "SLO201",
            Severity.ERROR,
            "an objective this close to 100 % leaves less error budget than rules can count",
            plan.objective_span,
            "write at most ten digits after the point, or 100",
        )
    elif plan.objective <= 1:
        yield Diagnostic(
            "SLO215",
            Severity.WARNING,
            f"an objective of {shown} % lets nearly every event fail",
            plan.objective_span,
            f"objectives are percentages: write {decimal_text(plan.objective * 100)} "
            f"if you mean the ratio {shown}",
        )
