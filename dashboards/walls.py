"""Make the dashboards of many SLOs: the wall, a service, a team."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slo import conventions as names
from slo.dashboards import queries
from slo.dashboards import slo_panels as panels
from slo.dashboards.annotations import marks
from slo.dashboards.identity import (
    DETAIL,
    OVERVIEW,
    address,
    service_uid,
    slo_uid,
    team_uid,
)
from slo.dashboards.model import (
    Column,
    Dashboard,
    Kind,
    Link,
    Panel,
    Range,
    Step,
    Target,
    arranged,
)
from slo.dashboards.queries import Scope, any_of
from slo.plan import SloPlan
from slo.promql import quote

__all__ = ["overview_dashboard", "service_dashboard", "team_dashboard"]

_EVERY = Scope(f'{names.LABEL_ID}!=""')
_ROWS_OF_WALL = 15
_ROWS_OF_PAGE = 100
_LINES = 10
_LEGEND = f"{{{{{names.LABEL_SERVICE}}}}} / {{{{{names.LABEL_SLO}}}}}"


def overview_dashboard() -> Dashboard:
    """Return the wall: what needs somebody, of everything."""
    scope = _EVERY
    rows = [
        _stats(scope),
        [_table(scope, _ROWS_OF_WALL, height=14)],
        [_bars(scope), _fastest(scope)],
    ]
    return Dashboard(
        uid=OVERVIEW,
        title="SLO overview",
        description="All objectives, those that need somebody first. Made for a wall.",
        panels=arranged(rows),
        tags=("slo", "slostack"),
        annotations=marks(scope, ".+"),
        links=(Link("SLO detail", address(DETAIL), "One objective in full"),),
        since="now-24h",
        refresh="30s",
    )


def service_dashboard(service: str, plans: Sequence[SloPlan]) -> Dashboard:
    """Return the dashboard of one service with the SLOs *plans*."""
    scope = Scope(f'{names.LABEL_SERVICE}="{service}"')
    owners = sorted({plan.owner for plan in plans if plan.owner})
    links = [Link(f"SLO {plan.name}", address(slo_uid(plan.id))) for plan in plans]
    links += _shared_links(plans)
    links += [Link(f"Team {owner}", address(team_uid(owner))) for owner in owners]
    links.append(Link("All SLOs", address(OVERVIEW), "The overview"))
    return Dashboard(
        uid=service_uid(service),
        title=f"Service {service}",
        description=f"All objectives of {service}.",
        panels=arranged(_page(scope, f"{{{{{names.LABEL_SLO}}}}}")),
        tags=("slo", "slostack", f"service:{service}"),
        annotations=marks(scope, any_of([service])),
        links=tuple(links),
    )


def _shared_links(plans: Iterable[SloPlan]) -> list[Link]:
    """Return runbooks, traces, logs and the like, each address once."""
    found: dict[str, Link] = {}
    for plan in plans:
        if plan.runbook:
            found.setdefault(plan.runbook, Link("Runbook", plan.runbook))
        for link in plan.links:
            found.setdefault(link.url, Link(link.name.capitalize(), link.url))
    return list(found.values())


def team_dashboard(owner: str, plans: Sequence[SloPlan]) -> Dashboard:
    """Return the dashboard of the team *owner* with its SLOs *plans*."""
    services = sorted({plan.service for plan in plans})
    scope = _team_scope(owner, plans, services)
    links = [Link(f"Service {name}", address(service_uid(name))) for name in services]
    links.append(Link("All SLOs", address(OVERVIEW), "The overview"))
    return Dashboard(
        uid=team_uid(owner),
        title=f"Team {owner}",
        description=f"All objectives of {owner}.",
        panels=arranged(_page(scope, _LEGEND)),
        tags=("slo", "slostack", f"team:{owner}"),
        annotations=marks(scope, f"({any_of(services)})"),
        links=tuple(links),
    )


def _team_scope(owner: str, plans: Sequence[SloPlan], services: Sequence[str]) -> Scope:
    """Return the series of a team: by their label, where all of them have it."""
    if all(plan.labels.get(names.OWNER_LABEL) == owner for plan in plans):
        matcher = f"{names.OWNER_LABEL}={quote(owner)}"
        return Scope(matcher, records=f'{names.LABEL_SERVICE}=~"{any_of(services)}"')
    return Scope(f'{names.LABEL_ID}=~"{any_of(sorted(plan.id for plan in plans))}"')


def _page(scope: Scope, legend: str) -> list[list[Panel]]:
    return [
        _stats(scope),
        [_table(scope, _ROWS_OF_PAGE, height=9)],
        [
            Panel(
                Kind.TIME_SERIES,
                "Budget burn-down",
                "What was left of each error budget, the worst group of an objective standing "
                "for it. At the line it is used up.",
                (Target(queries.least_left(scope), legend),),
                unit="percentunit",
                maximum=1,
                steps=panels.BUDGET_STEPS,
                lines=True,
            ),
            _burns(scope, legend),
        ],
        [
            Panel(
                Kind.TIME_SERIES,
                "SLI",
                "Share of good events over the shortest recorded window, the worst group of an "
                "objective standing for it.",
                (Target(f"min by ({queries.WHO}) ({queries.current_sli(scope)})", legend),),
                unit="percentunit",
                maximum=1,
            ),
            _bad(scope, legend),
        ],
        [panels.alert_timeline(scope)],
    ]


def _burns(scope: Scope, legend: str) -> Panel:
    return Panel(
        Kind.TIME_SERIES,
        "Burn rate now",
        "How many times faster than allowed each budget is spent, over the shortest recorded "
        "window. The lines are where 30-day policies page.",
        (Target(f"max by ({queries.WHO}) ({queries.burn_rate(scope)})", legend),),
        unit="suffix:x",
        decimals=2,
        minimum=0,
        steps=panels.BURN_STEPS,
        lines=True,
    )


def _bad(scope: Scope, legend: str) -> Panel:
    return Panel(
        Kind.TIME_SERIES,
        "Bad events",
        "Bad events per second; where only sloth's series exist, their share.",
        (Target(f"sum by ({queries.WHO}) ({queries.bad_events(scope)})", legend),),
        unit="short",
        minimum=0,
    )


def _stats(scope: Scope) -> list[Panel]:
    left = queries.least_left(scope)
    zero = " or vector(0)"
    gone = f"count({left} <= 0){zero}"
    low = f"count(({left} > 0) < 0.25){zero}"
    bad = (Step(None, panels.GREEN), Step(1, panels.RED))
    warning = (Step(None, panels.GREEN), Step(1, panels.ORANGE))
    neutral = (Step(None, "blue"),)
    return [
        _stat("Pages firing", "Alerts that woke somebody.", queries.firing(scope, "page"), bad),
        _stat(
            "Tickets open",
            "Alerts for the next working day.",
            queries.firing(scope, "ticket"),
            warning,
        ),
        _stat("Budgets used up", "Objectives that nothing of their budget is left of.", gone, bad),
        _stat(
            "Budgets under a quarter",
            "Objectives with less than a quarter of their budget, but not at its end.",
            low,
            warning,
        ),
        _stat(
            "Without data",
            "Objectives that have rules, but nothing was measured: nobody knows how they are.",
            f"count({queries.without_data(scope)}){zero}",
            warning,
        ),
        _stat(
            "Objectives",
            "All objectives that have rules.",
            f"count({queries.known(scope)})",
            neutral,
        ),
    ]


def _stat(title: str, description: str, expr: str, steps: tuple[Step, ...]) -> Panel:
    return Panel(
        Kind.STAT,
        title,
        description,
        (Target(expr, title, instant=True),),
        unit="none",
        decimals=0,
        steps=steps,
        wall=True,
        width=4,
        height=5,
    )


def _table(scope: Scope, rows: int, *, height: int) -> Panel:
    worst = {
        "A": queries.attention(scope),
        "B": queries.least_left(scope),
        "C": f"max by ({queries.WHO}) ({queries.burn_rate(scope)})",
        "D": f"min by ({queries.WHO}) ({queries.exhaustion(scope)})",
        "E": f"min by ({queries.WHO}) ({queries.period_sli(scope)})",
        "F": queries.known(scope),
    }
    detail = address(
        DETAIL,
        "var-service=${__data.fields.Service:percentencode}"
        "&var-slo=${__data.fields.SLO:percentencode}&${__url_time_range}",
    )
    return Panel(
        Kind.TABLE,
        "What needs attention first",
        "Firing pages come first, then what has no data, then tickets; between them the "
        "objective that has spent more of its budget. A click opens it.",
        tuple(
            Target(queries.of_worst(expr, scope, rows), letter, instant=True)
            for letter, expr in worst.items()
        ),
        unit="short",
        columns=(
            Column(names.LABEL_SERVICE, "Service", link=detail),
            Column(names.LABEL_SLO, "SLO", link=detail),
            Column("Value #B", "Budget left", "percentunit", panels.BUDGET_STEPS),
            Column("Value #C", "Burn rate", "suffix:x", panels.BURN_STEPS, panels.BURN_RANGES),
            Column(
                "Value #D",
                "Gone in",
                "dtdurations",
                panels.EXHAUSTION_STEPS,
                panels.EXHAUSTION_RANGES,
            ),
            Column("Value #E", "SLI", "percentunit"),
            Column("Value #F", "Target", "percentunit"),
            Column(
                "Value #A",
                "State",
                "none",
                (
                    Step(None, panels.GREEN),
                    Step(100, panels.ORANGE),
                    Step(200, panels.YELLOW),
                    Step(400, panels.RED),
                ),
                (
                    Range(400, None, "page", panels.RED),
                    Range(200, 400, "no data", panels.YELLOW),
                    Range(100, 200, "ticket", panels.ORANGE),
                    Range(1, 100, "used up", panels.RED),
                    Range(None, 1, "fine", panels.GREEN),
                ),
            ),
        ),
        sort="Value #A",
        descending=True,
        wall=True,
        width=24,
        height=height,
    )


def _bars(scope: Scope) -> Panel:
    return Panel(
        Kind.BAR_GAUGE,
        "Least budget left",
        "The objectives with the least error budget left.",
        (Target(f"bottomk({_LINES}, {queries.least_left(scope)})", _LEGEND, instant=True),),
        unit="percentunit",
        decimals=1,
        minimum=0,
        maximum=1,
        steps=panels.BUDGET_STEPS,
        wall=True,
        height=12,
    )


def _fastest(scope: Scope) -> Panel:
    burn = f"max by ({queries.WHO}) ({queries.burn_rate(scope)})"
    return Panel(
        Kind.BAR_GAUGE,
        "Fastest burn",
        "The objectives that spend their budget fastest now; from 1x on, faster than allowed.",
        (Target(f"topk({_LINES}, {burn})", _LEGEND, instant=True),),
        unit="suffix:x",
        decimals=2,
        minimum=0,
        maximum=15,
        steps=panels.BURN_STEPS,
        ranges=panels.BURN_RANGES,
        wall=True,
        height=12,
        empty="no traffic",
    )
