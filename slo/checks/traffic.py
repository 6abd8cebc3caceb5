"""Check that there is enough traffic to alert on."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic, Severity
from slo.plan import SloPlan

__all__ = ["check"]

# Below five expected bad events, chance alone pages a service that is within its budget:
# 7 to 42 false pages in 30 days at 10 to 100 events an hour and 99.9 % (simulated).
_FEWEST_BAD_EVENTS = 5


def check(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """Warn when a page's threshold is a handful of events, unless a guard counts them."""
    if plan.events_per_hour is None or plan.page is None:
        return
    if plan.min_bad_events >= _FEWEST_BAD_EVENTS:
        return
    pair = plan.policy.page_quick
    hours = Decimal(pair.long_window.milliseconds) / 3_600_000
    limit = pair.threshold(plan.time_window) * plan.error_budget * plan.events_per_hour * hours
    if limit < _FEWEST_BAD_EVENTS:
        yield Diagnostic(
            "SLO206",
            Severity.WARNING,
            f"too little traffic: {limit:.2g} bad events in {pair.long_window} are enough to page",
            plan.span,
            f"set `min_bad_events: {_FEWEST_BAD_EVENTS}`, lower the objective, "
            "or probe the service",
        )
