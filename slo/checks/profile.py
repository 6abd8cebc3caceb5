"""Check that the chosen profile has rules for what a spec asks for."""

from __future__ import annotations

from collections.abc import Iterator

from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic, Severity
from slo.plan import CompositeIndicator, SloPlan

__all__ = ["check"]


def check(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """Report what sloth's rules cannot express: they know rolling windows of events only."""
    if options.exact:
        return
    for asked, used in (
        ("calendar periods", any(window.calendar for window in plan.windows)),
        ("several windows", bool(plan.more_windows)),
        ("timeslices", plan.timeslices is not None),
        ("composites", isinstance(plan.indicator, CompositeIndicator)),
    ):
        if used:
            yield Diagnostic(
                "SLO507",
                Severity.ERROR,
                f"profile `sloth` has no rules for {asked}",
                plan.span,
                "compile with profile `exact`; every series that sloth has is recorded there too",
            )
