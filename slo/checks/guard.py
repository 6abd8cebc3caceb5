"""Check that the guard of the alerts can count bad events."""

from __future__ import annotations

from collections.abc import Iterator

from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic, Severity
from slo.plan import CompositeIndicator, SloPlan
from slo.promql import PromqlError
from slo.promql_division import counts_events

__all__ = ["check"]


def check(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """Warn of `min_bad_events` where nothing is counted that it could be compared with."""
    if not plan.min_bad_events or plan.min_bad_events_chosen:
        return
    try:
        counted = counts_events(plan.indicator)
    except PromqlError:
        return
    if not options.exact:
        reason, hint = "the rules of profile `sloth` count no bad events", "use profile `exact`"
    elif counted:
        return
    elif isinstance(plan.indicator, CompositeIndicator):
        reason = f"a composite by `{plan.indicator.rule}` compares ratios and counts no events"
        hint = "set it on the members, or use `rule: weighted`"
    else:
        reason, hint = "this ratio counts no events", "give the indicator as `events`"
    message = f"`min_bad_events` does nothing: {reason}"
    yield Diagnostic("SLO219", Severity.WARNING, message, plan.span, hint)
