"""Judge each slice of time by itself, for objectives that count slices instead of events."""

from __future__ import annotations

from decimal import Decimal

from slo import conventions as names
from slo.alerts.event_rates import block
from slo.alerts.model import RecordingRule, Rule
from slo.alerts.timing import Timing
from slo.numbers import decimal_text
from slo.plan import SloPlan, Timeslices

__all__ = ["slice_rule"]

# A slice exactly on its target is good, whatever the last digits of two divided rates.
_ROUNDING = Decimal("0.000000001")


def slice_rule(plan: SloPlan, slices: Timeslices, timing: Timing) -> Rule:
    """
    Return the rule that records one value a slice: 1 for a bad one, 0 for a good one.

    Without a target it is the slice's own error ratio (OpenSLO's RatioTimeslices). The group
    runs once a slice, so every window is a plain mean. An excluded slice records nothing.
    """
    total = f"{names.total_events_rate(timing.base)}{plan.selector}"
    value = f"{names.error_events_rate(timing.base)}{plan.selector}\n/ ({total} > 0)"
    if slices.target is not None:
        limit = (100 - slices.target) / 100 + _ROUNDING
        value = f"(\n{block(value)}\n)\n> bool {decimal_text(limit)}"
    if slices.empty == "good":
        value = f"(\n{block(value)}\n)\nor\n0 * {total}"
    elif slices.empty == "bad":
        value = f"(\n{block(value)}\n)\nor\n0 * {total} + 1"
    return RecordingRule(names.SLICE_ERROR, value, plan.identity_labels)
