"""Make the dashboard of one SLO from its plan: everything is known when it is compiled."""

from __future__ import annotations

from decimal import Decimal

from slo import conventions as names
from slo.burnrate import BurnWindow
from slo.dashboards import slo_extras as extras
from slo.dashboards import slo_panels as panels
from slo.dashboards.annotations import marks
from slo.dashboards.identity import OVERVIEW, address, service_uid, slo_uid, team_uid
from slo.dashboards.model import (
    Dashboard,
    Kind,
    Link,
    Panel,
    Series,
    Step,
    Target,
    Variable,
    arranged,
)
from slo.dashboards.queries import Scope, any_of
from slo.dashboards.texts import about, objective_text
from slo.duration import Duration, minutes
from slo.numbers import decimal_text
from slo.plan import CompositeIndicator, EventsIndicator, SloPlan
from slo.promql import render
from slo.promql_division import counts_events

__all__ = ["burn_steps", "links_of", "scope_of", "slo_dashboard"]

_BASE_WINDOW = minutes(5)


def slo_dashboard(plan: SloPlan, *, exact: bool) -> Dashboard:
    """
    Return the dashboard of *plan*.

    Args:
        exact: Rules are made by profile `exact`, which records more than sloth does.
    """
    scope = scope_of(plan)
    groups = plan.group_by or ()
    return Dashboard(
        uid=slo_uid(plan.id),
        title=f"SLO {plan.service} / {plan.name}",
        description=f"{objective_text(plan)}. {plan.description}".strip(),
        panels=arranged(_rows(plan, scope, exact)),
        tags=("slo", "slostack", f"service:{plan.service}"),
        variables=tuple(_group_variable(plan, label) for label in groups),
        annotations=marks(scope, any_of([plan.service]), any_of([plan.name])),
        links=links_of(plan),
        since="now-7d",
    )


def scope_of(plan: SloPlan) -> Scope:
    """Return the series of *plan*, of the groups that are chosen."""
    groups = ",".join(f'{label}=~"${label}"' for label in plan.group_by or ())
    return Scope(f'{names.LABEL_ID}="{plan.id}"', groups)


def _group_variable(plan: SloPlan, label: str) -> Variable:
    series = f'{names.CURRENT_BURN_RATE}{{{names.LABEL_ID}="{plan.id}"}}'
    query = f"label_values({series}, {label})"
    return Variable(label, label, f"Groups of this objective, by {label}.", query, multi=True)


def _rows(plan: SloPlan, scope: Scope, exact: bool) -> list[list[Panel]]:
    legend = " ".join(f"{{{{{label}}}}}" for label in plan.group_by or ())
    steps = burn_steps(plan)
    no_budget = plan.error_budget == Decimal(0)
    first = [_sli_stat(plan, scope, legend)]
    if not no_budget:
        first += [
            panels.budget_stat(scope, legend or "left", objective_text(plan)),
            panels.burn_stat(scope, legend or "now", steps),
            panels.exhaustion_stat(scope, legend or "gone in"),
        ]
    first.append(panels.firing_stat(scope))
    rows = [first]
    plots = [] if no_budget else [_burn_down(plan, scope, legend, exact)]
    rows.append([*plots, _sli_plot(plan, scope, legend)])
    rows.append([_burn_plot(plan, scope, legend, steps), _events_plot(plan, scope, legend, exact)])
    if plan.timeslices is not None and exact:
        rows.append([extras.slices_panel(plan, scope, legend)])
    rows.append(extras.counts_panels(plan, scope, legend, exact))
    if plan.group_by:
        rows.append([extras.groups_panel(plan, scope, legend)])
    if isinstance(plan.indicator, CompositeIndicator):
        rows.append(extras.members_panels(plan.indicator))
    return [*rows, [panels.alert_timeline(scope), about(plan)]]


def _sli_stat(plan: SloPlan, scope: Scope, legend: str) -> Panel:
    objective = float(plan.objective / 100)
    return Panel(
        Kind.STAT,
        "SLI over the period",
        f"Share of good {_what(plan)} over the period; green from the objective on, "
        f"{objective_text(plan)}.",
        (Target(_period_sli(plan, scope), legend or "SLI", instant=True),),
        unit="percentunit",
        decimals=_decimals(plan),
        steps=(Step(None, panels.RED), Step(objective, panels.GREEN)),
        wall=True,
        width=5,
        height=6,
    )


def _period_sli(plan: SloPlan, scope: Scope) -> str:
    window = plan.window
    name = (
        names.calendar_error_ratio(window.calendar.unit)
        if window.calendar is not None
        else names.error_ratio(window.length)
    )
    return f"1 - {scope.series(name)}"


def _decimals(plan: SloPlan) -> int:
    """Return enough decimals to tell the SLI from the objective, in percent."""
    exponent = plan.objective.normalize().as_tuple().exponent
    return max(2, 1 - exponent) if isinstance(exponent, int) else 2


def _what(plan: SloPlan) -> str:
    return "events" if plan.timeslices is None else "slices of time"


def _burn_down(plan: SloPlan, scope: Scope, legend: str, exact: bool) -> Panel:
    panel = panels.burn_down(scope, legend)
    if plan.calendar is None or not exact:
        return panel
    calendar = f'{names.LABEL_ID}="{plan.id}",{names.LABEL_WINDOW}="{plan.calendar.unit}"'
    pace = f"1 - {names.PERIOD_ELAPSED}{{{calendar}}}"
    return Panel(
        panel.kind,
        panel.title,
        "What is left of the budget of the whole calendar period, if traffic goes on as so far. "
        "On the dashed line the budget would last exactly until the end of the period.",
        (*panel.targets, Target(pace, "even pace")),
        unit=panel.unit,
        maximum=1,
        steps=panel.steps,
        lines=True,
        series=(Series("even pace", "text", dashed=True),),
    )


def _sli_plot(plan: SloPlan, scope: Scope, legend: str) -> Panel:
    shortest = names.error_ratio(plan.policy.windows[0])
    objective = decimal_text(plan.objective / 100)
    targets = (
        Target(f"1 - {scope.series(shortest)}", f"{plan.policy.windows[0]} {legend}".strip()),
        Target(_period_sli(plan, scope), f"{plan.window.name} {legend}".strip()),
        Target(f"vector({objective})", "target"),
    )
    return panels.sli_plot(scope, legend, targets)


def burn_steps(plan: SloPlan) -> tuple[Step, ...]:
    """Return the burn rates from which on tickets and pages are due, as colours."""
    if plan.error_budget == Decimal(0):
        return (Step(None, panels.GREEN), Step(1e-9, panels.RED))
    limits: dict[float, str] = {1.0: panels.YELLOW}
    for meta, pairs, color in (
        (plan.ticket, plan.policy.tickets, panels.ORANGE),
        (plan.page, plan.policy.pages, panels.RED),
    ):
        if meta is not None:
            limits.update({float(pair.threshold(plan.time_window)): color for pair in pairs})
    return (Step(None, panels.GREEN), *(Step(v, limits[v]) for v in sorted(limits)))


def _burn_plot(plan: SloPlan, scope: Scope, legend: str, steps: tuple[Step, ...]) -> Panel:
    """Return the burn rate over each window of the policy, its thresholds drawn."""
    budget = decimal_text(plan.error_budget)
    no_budget = plan.error_budget == Decimal(0)
    targets = tuple(
        Target(
            scope.series(names.error_ratio(window)) + ("" if no_budget else f" / {budget}"),
            f"{window} {legend}".strip(),
        )
        for window in plan.policy.windows
    )
    if no_budget:
        return Panel(
            Kind.TIME_SERIES,
            "Error ratio by window",
            "Share of bad events over each window of the alerts. The objective is 100 %: "
            "anything above zero breaks it.",
            targets,
            unit="percentunit",
            minimum=0,
            steps=steps,
            lines=True,
        )
    return Panel(
        Kind.TIME_SERIES,
        "Burn rate by window",
        "How many times faster than allowed the budget is spent, over each window of the "
        f"alerts. {_policy_text(plan)}",
        targets,
        unit="suffix:x",
        decimals=2,
        minimum=0,
        steps=steps,
        lines=True,
    )


def _policy_text(plan: SloPlan) -> str:
    """Say which pair of windows alerts from which burn rate on."""

    def said(pair: BurnWindow) -> str:
        limit = decimal_text(pair.threshold(plan.time_window))
        return f"{limit}x over {pair.long_window} and {pair.short_window}"

    parts = []
    for word, meta, pairs in (
        ("Pages", plan.page, plan.policy.pages),
        ("Tickets", plan.ticket, plan.policy.tickets),
    ):
        if meta is not None:
            parts.append(f"{word} above {' or '.join(map(said, pairs))}.")
    return " ".join(parts) or "It has no burn-rate alerts."


def _base(plan: SloPlan) -> Duration:
    if plan.timeslices is not None:
        return plan.timeslices.length
    return min(_BASE_WINDOW, plan.policy.windows[0])


def _events_plot(plan: SloPlan, scope: Scope, legend: str, exact: bool) -> Panel:
    colors = () if legend else (Series("good", panels.GREEN), Series("bad", panels.RED))
    good, bad = (f"{word} {legend}".strip() for word in ("good", "bad"))
    rates = _rates(plan, scope, exact)
    if rates is None:
        ratio = scope.series(names.error_ratio(plan.policy.windows[0]))
        return Panel(
            Kind.TIME_SERIES,
            "Good and bad shares",
            "Share of good and of bad; this indicator is a ratio, which has no number of events.",
            (Target(f"1 - {ratio}", good), Target(ratio, bad)),
            unit="percentunit",
            minimum=0,
            maximum=1,
            stacked=True,
            series=colors,
        )
    error, total = rates
    return Panel(
        Kind.TIME_SERIES,
        "Good and bad events",
        "Events per second, good and bad, on top of one another: together they are all events.",
        (Target(f"clamp_min({total} - {error}, 0)", good), Target(error, bad)),
        unit="reqps",
        minimum=0,
        stacked=True,
        series=colors,
    )


def _rates(plan: SloPlan, scope: Scope, exact: bool) -> tuple[str, str] | None:
    """Return bad and all events per second, or `None` where nothing counts them."""
    if exact and counts_events(plan.indicator):
        base = _base(plan)
        return scope.series(names.error_events_rate(base)), scope.series(
            names.total_events_rate(base)
        )
    if not exact and isinstance(plan.indicator, EventsIndicator):
        error, total = (
            f"({render(query, _BASE_WINDOW).strip()})"
            for query in (plan.indicator.error, plan.indicator.total)
        )
        # An error counter is often born with the first error.
        return f"({error} or 0 * {total})", total
    return None


def links_of(plan: SloPlan) -> tuple[Link, ...]:
    """Return where to go from the dashboard of *plan*: runbook, traces, logs, its neighbours."""
    found = [Link("Runbook", plan.runbook, "What to do")] if plan.runbook else []
    found += [Link(link.name.capitalize(), link.url) for link in plan.links]
    found.append(Link("Service", address(service_uid(plan.service)), f"All of {plan.service}"))
    if plan.owner:
        found.append(Link("Team", address(team_uid(plan.owner)), f"All of {plan.owner}"))
    return (*found, Link("All SLOs", address(OVERVIEW), "The overview"))
