"""
Write what an alert says to the person it wakes.

The texts are Prometheus templates; numbers that are only known when the alert fires are
queried there.
"""

from __future__ import annotations

from decimal import Decimal

from slo import conventions as names
from slo.burnrate import BurnWindow
from slo.duration import Duration
from slo.numbers import decimal_text
from slo.plan import SloPlan

__all__ = ["budget_exhausted", "burn_rate", "missing_data"]


def _who(plan: SloPlan) -> str:
    """Return the SLO's name, with the group that is meant when it has several."""
    groups = ", ".join(f"{label}={{{{ $labels.{label} }}}}" for label in plan.group_by or ())
    return f"{plan.service} {plan.name}" + (f" ({groups})" if groups else "")


def _objective(plan: SloPlan) -> str:
    return f"{decimal_text(plan.objective)} % over {plan.time_window}"


def _with_query(query: str, arguments: str, present: str, missing: str) -> str:
    """Return a template that formats the first result of *query*, or says *missing*."""
    # In a template, a query is a string in double quotes.
    escaped = query.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'{{{{ with printf "{escaped}"{arguments} | query }}}}{present}'
        f"{{{{ else }}}}{missing}{{{{ end }}}}"
    )


def _remaining(plan: SloPlan) -> tuple[str, str]:
    """Return the remaining budget's series as a format, and the arguments of its labels."""
    labels = (names.LABEL_ID, *(plan.group_by or ()))
    matchers = ",".join(f"{label}=%q" for label in labels)
    arguments = "".join(f" $labels.{label}" for label in labels)
    return f"{names.ERROR_BUDGET_REMAINING}{{{matchers}}}", arguments


def _budget_left(plan: SloPlan) -> str:
    series, arguments = _remaining(plan)
    value = "{{ . | first | value | humanizePercentage }}"
    return _with_query(series, arguments, value, "unknown")


def _exhaustion(plan: SloPlan) -> str:
    """Return when the budget is gone: what is left, times the period, by the burn rate."""
    series, arguments = _remaining(plan)
    period = int(plan.time_window.seconds)
    query = f"clamp_min({series}, 0) * {period} / %f"
    value = (
        "{{ if gt (. | first | value) 0.0 }}in {{ . | first | value | humanizeDuration }}"
        "{{ else }}already{{ end }}"
    )
    return _with_query(query, f"{arguments} $value", value, "unknown")


def _help(plan: SloPlan) -> list[str]:
    lines = [f"Owner: {plan.owner}"] if plan.owner else []
    lines += [f"Runbook: {plan.runbook}"] if plan.runbook else []
    lines += [f"{link.name.capitalize()}: {link.url}" for link in plan.links]
    return lines


def _annotations(plan: SloPlan, title: str, summary: str, lines: list[str]) -> dict[str, str]:
    described = [plan.description] if plan.description else []
    result = {
        "title": title,
        "summary": summary,
        "description": "\n".join([*described, *lines, *_help(plan)]),
    }
    if plan.runbook:
        result["runbook_url"] = plan.runbook
    for link in plan.links:
        if link.name == "dashboard":
            result["dashboard_url"] = link.url
    return result


def burn_rate(plan: SloPlan, severity: str, pair: BurnWindow) -> dict[str, str]:
    """Return the texts of a burn-rate alert."""
    who = _who(plan)
    if plan.error_budget == Decimal(0):
        value = "{{ $value | humanizePercentage }}"
        return _annotations(
            plan,
            f"({severity}) {who}: events fail although the objective is 100 %",
            f"{value} of the events of the last {pair.long_window} were bad; none may be.",
            [f"Windows: {pair.long_window} and {pair.short_window}, both above zero."],
        )
    times = '{{ $value | printf "%.1f" }}x'
    threshold = decimal_text(pair.threshold(plan.time_window))
    left, gone = _budget_left(plan), _exhaustion(plan)
    return _annotations(
        plan,
        f"({severity}) {who}: error budget burns {times} too fast",
        f"{who} burns its error budget at {times} the rate that {_objective(plan)} allows. "
        f"Budget left: {left}; at this rate it is gone {gone}.",
        [
            f"Objective: {_objective(plan)}",
            f"Burn rate: {times} over {pair.long_window}, and over {pair.short_window} as well; "
            f"alerts above {threshold}x",
            f"Error budget left: {left}",
            f"Budget gone: {gone}",
        ],
    )


def budget_exhausted(plan: SloPlan) -> dict[str, str]:
    """Return the texts of the alert on an exhausted budget."""
    who = _who(plan)
    return _annotations(
        plan,
        f"(ticket) {who}: error budget is used up",
        f"{who} has spent its whole error budget of {_objective(plan)}. "
        "Budget left: {{ $value | humanizePercentage }}.",
        [
            f"Objective: {_objective(plan)}",
            "Error budget left: {{ $value | humanizePercentage }}",
            "Ship only what makes the service more reliable until the budget is back.",
        ],
    )


def missing_data(plan: SloPlan, base: Duration) -> dict[str, str]:
    """Return the texts of the alert on an indicator without data."""
    who = f"{plan.service} {plan.name}"
    return _annotations(
        plan,
        f"(ticket) {who}: no data",
        f"{who} has no data: nobody knows whether it meets {_objective(plan)}, "
        "and its burn-rate alerts cannot fire.",
        [
            f"Series: {names.total_events_rate(base)}{plan.selector}",
            "Check that the service is scraped, and that its metrics still have these names.",
        ],
    )
