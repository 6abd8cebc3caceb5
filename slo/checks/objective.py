"""Check that an objective means what its author probably wanted."""

from __future__ import annotations

from collections.abc import Iterator

from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic, Severity
from slo.numbers import decimal_text
from slo.plan import SloPlan

__all__ = ["check"]


def check(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """Warn of an objective of 100 %, and of one that looks like a ratio."""
    shown = decimal_text(plan.objective)
    if plan.objective == 100:
        yield Diagnostic(
            "SLO208",
            Severity.WARNING,
            "an objective of 100 % leaves no error budget: every bad event alerts",
            plan.objective_span,
            "users cannot tell 100 % from 99.99 %; choose what they would notice",
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
