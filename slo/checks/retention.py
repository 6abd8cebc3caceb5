"""Check that the server keeps what the windows look back on."""

from __future__ import annotations

from collections.abc import Iterator

from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic, Severity
from slo.plan import SloPlan

__all__ = ["check"]


def check(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """Report a period longer than the retention, which would silently shorten it."""
    if options.retention is None:
        return
    longest = max(window.longest for window in plan.windows)
    if longest > options.retention:
        yield Diagnostic(
            "SLO207",
            Severity.ERROR,
            f"the period of {longest} is longer than the retention of "
            f"{options.retention}: the budget would forget the rest",
            plan.span,
            "raise the server's retention, or shorten the period",
        )
