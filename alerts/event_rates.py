"""
Record the two event rates of an SLO: bad events and all events, over a short base window.

They alone read raw series. They carry the SLO's identity and its groups, no label of the user:
those may change within a period.
"""

from __future__ import annotations

from dataclasses import dataclass

from slo import conventions as names
from slo.alerts.composite_rates import composite_rates
from slo.alerts.model import RecordingRule, Rule
from slo.duration import Duration
from slo.plan import CompositeIndicator, EventsIndicator, SloPlan
from slo.promql import counts_per_window, render
from slo.promql_division import split_division

__all__ = ["Counted", "block", "counted", "event_rates", "is_weighted", "rates_count_per_window"]

# The raw result has no identity labels yet; everything else must agree.
_IGNORING = f"ignoring ({', '.join(names.IDENTITY_LABELS)})"


@dataclass(frozen=True, slots=True)
class Counted:
    """
    Hold the templates that are read from raw series: all events, and bad or good ones.

    Args:
        total: `None` for a bare ratio, which *error* then is.
    """

    total: str | None
    error: str | None = None
    good: str | None = None


def counted(plan: SloPlan) -> Counted | None:
    """Return what is counted in raw series; `None` for a composite, which reads no raw series."""
    indicator = plan.indicator
    if isinstance(indicator, CompositeIndicator):
        return None
    if isinstance(indicator, EventsIndicator):
        if indicator.good is not None:
            return Counted(indicator.total, good=indicator.good)
        return Counted(indicator.total, error=indicator.error)
    division = split_division(indicator.error_ratio)
    if division is None:
        return Counted(None, error=indicator.error_ratio)
    if division.complement:
        return Counted(division.denominator, good=division.numerator)
    return Counted(division.denominator, error=division.numerator)


def is_weighted(plan: SloPlan) -> bool:
    """Tell whether the indicator counts events, so that windows can weigh by them."""
    if isinstance(plan.indicator, CompositeIndicator):
        return plan.indicator.rule == "weighted"
    found = counted(plan)
    return found is not None and found.total is not None


def rates_count_per_window(plan: SloPlan) -> bool:
    """Tell whether the recorded rates are events of the base window, not events per second."""
    found = counted(plan)
    return found is not None and found.total is not None and counts_per_window(found.total)


def block(text: str, indent: str = "  ") -> str:
    """Return *text* indented, for use inside parentheses of their own lines."""
    return indent + text.strip("\n").replace("\n", "\n" + indent)


def event_rates(plan: SloPlan, base: Duration) -> list[Rule]:
    """
    Return the rules that record both rates over *base*.

    Series that do not exist count as zero wherever there is a total: no errors yet, or no good
    events at all. A bare ratio counts as one event per second, which makes every window its
    plain mean.
    """
    error, total = names.error_events_rate(base), names.total_events_rate(base)
    identity = plan.identity_labels
    raw = counted(plan)
    if raw is None:
        assert isinstance(plan.indicator, CompositeIndicator)
        bad, every = composite_rates(plan.indicator, base, f"{error}{plan.selector}")
        return [RecordingRule(error, bad, identity), RecordingRule(total, every, identity)]
    if raw.total is None:
        assert raw.error is not None
        # Comparing drops NaN, which would otherwise stay in every sum for a whole period.
        ratio = f"clamp_min(\n{block(render(raw.error, base))}\n, 0) >= 0"
        return [RecordingRule(error, ratio, identity), _one_per_second(plan, error, total)]
    everything = f"{total}{plan.selector}"
    if raw.good is not None:
        good = _or_zero(render(raw.good, base), everything)
        bad = f"clamp_min(\n  {everything}\n  - {_IGNORING}\n{block(good)}\n, 0)"
    else:
        assert raw.error is not None
        bad = _or_zero(render(raw.error, base), everything, outer=False)
    return [
        RecordingRule(total, render(raw.total, base).strip("\n"), identity),
        RecordingRule(error, bad, identity),
    ]


def _one_per_second(plan: SloPlan, error: str, total: str) -> Rule:
    return RecordingRule(total, f"0 * {error}{plan.selector} + 1", plan.identity_labels)


def _or_zero(query: str, everything: str, outer: bool = True) -> str:
    """Return *query*, and zero for each group of the total that it lacks."""
    text = f"(\n{block(query)}\n)\nor {_IGNORING}\n0 * {everything}"
    return f"(\n{block(text)}\n)" if outer else text
