"""Make the alerts of profile `exact`: one for every window pair, and one for each dead end."""

from __future__ import annotations

from decimal import Decimal

from slo import conventions as names
from slo.alerts import alert_texts as texts
from slo.alerts.event_rates import is_weighted
from slo.alerts.model import AlertingRule, Rule
from slo.alerts.timing import Timing
from slo.burnrate import BurnWindow
from slo.duration import minutes
from slo.numbers import decimal_text
from slo.plan import AlertMeta, SloPlan

__all__ = [
    "HOLD",
    "MISSING_DATA_FOR",
    "exhausted_alerts",
    "missing_data_alerts",
    "page_alerts",
    "ticket_alerts",
]

# Long enough for a deployment to replace every instance, short enough to matter.
MISSING_DATA_FOR = minutes(10)
# A service that dies takes its series along, and no data is not recovery: a burn-rate alert
# outlives its data until the alert on missing data has taken over.
HOLD = minutes(15)


def page_alerts(plan: SloPlan) -> list[Rule]:
    """Return the alerts that wake somebody."""
    return _burn_rate_alerts(plan, "page", plan.page, plan.policy.pages)


def ticket_alerts(plan: SloPlan) -> list[Rule]:
    """Return the alerts for the next working day."""
    return _burn_rate_alerts(plan, "ticket", plan.ticket, plan.policy.tickets)


def _burn_rate_alerts(
    plan: SloPlan, severity: str, meta: AlertMeta | None, pairs: tuple[BurnWindow, BurnWindow]
) -> list[Rule]:
    if meta is None:
        return []
    return [
        AlertingRule(
            alert=meta.name,
            expr=_burn_rate_expression(plan, pair),
            labels={
                names.LABEL_SEVERITY: severity,
                names.LABEL_ALERT_KIND: "burn_rate",
                names.LABEL_LONG_WINDOW: str(pair.long_window),
                names.LABEL_SHORT_WINDOW: str(pair.short_window),
                **meta.labels,
            },
            annotations={**texts.burn_rate(plan, severity, pair), **meta.annotations},
            for_=meta.for_,
        )
        for pair in pairs
    ]


def _burn_rate_expression(plan: SloPlan, pair: BurnWindow) -> str:
    """Return the condition; its value is the burn rate over the long window."""
    budget = decimal_text(plan.error_budget)
    threshold = f"({decimal_text(pair.threshold(plan.time_window))} * {budget})"
    long, short = (
        f"  {_held(names.error_ratio(window) + plan.selector)} > {threshold}\n"
        for window in (pair.long_window, pair.short_window)
    )
    condition = f"(\n{long}  and ignoring ({names.LABEL_WINDOW})\n{short}"
    if plan.min_bad_events and is_weighted(plan):
        # A count from rates is not whole: five events can read as 4.6.
        least = decimal_text(plan.min_bad_events - Decimal("0.5"))
        counted = _held(names.error_events_increase(pair.long_window) + plan.selector)
        condition += f"  and ignoring ({names.LABEL_WINDOW})\n  {counted} > {least}\n"
    # Without a budget there is no burn rate; the value is then the error ratio itself.
    return condition + (")" if plan.error_budget == Decimal(0) else f")\n/ {budget}")


def _held(series: str) -> str:
    return f"last_over_time({series}[{HOLD}])"


def exhausted_alerts(plan: SloPlan) -> list[Rule]:
    """Return the ticket that says that the budget is gone."""
    meta = plan.ticket or plan.page
    if meta is None or not plan.alert_on_exhaustion:
        return []
    # Periods are summed every four minutes: one evaluation missed leaves nothing to read.
    remaining = f"{names.budget_remaining(plan.calendar is not None)}{plan.selector}"
    return [
        AlertingRule(
            alert=names.EXHAUSTED_ALERT,
            expr=f"{_held(remaining)} <= 0",
            labels=_ticket_labels(plan, "budget_exhausted", meta),
            annotations=texts.budget_exhausted(plan),
        )
    ]


def missing_data_alerts(plan: SloPlan, timing: Timing) -> list[Rule]:
    """
    Return the ticket that says that the indicator has no data.

    An idle service has a total of zero and is not missing; only vanished series are.
    """
    meta = plan.ticket or plan.page
    if meta is None or not plan.alert_on_missing_data:
        return []
    total = f"{names.total_events_rate(timing.base)}{plan.selector}"
    return [
        AlertingRule(
            alert=names.MISSING_DATA_ALERT,
            expr=f"absent({total})",
            # `absent` knows only the labels of its matchers; the rest must be said.
            labels={**plan.labels, **_ticket_labels(plan, "missing_data", meta)},
            annotations=texts.missing_data(plan, timing.base),
            for_=MISSING_DATA_FOR,
        )
    ]


def _ticket_labels(plan: SloPlan, kind: str, meta: AlertMeta) -> dict[str, str]:
    # The alert's name is the same for all SLOs; its labels tell the rules apart.
    own = {names.LABEL_SEVERITY: "ticket", names.LABEL_ALERT_KIND: kind}
    return {**plan.identity_labels, **own, **meta.labels}
