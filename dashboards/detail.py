"""
Make the dashboard of any SLO, chosen at its top.

It reads what sloth records, and what profile `exact` adds only with a fallback: it works on an
installation that has never seen our compiler.
"""

from __future__ import annotations

from slo import conventions as names
from slo.dashboards import queries
from slo.dashboards import slo_panels as panels
from slo.dashboards.annotations import marks
from slo.dashboards.identity import DETAIL, OVERVIEW, address
from slo.dashboards.model import (
    Dashboard,
    Kind,
    Link,
    Panel,
    Series,
    Target,
    Variable,
    arranged,
)
from slo.dashboards.queries import Scope

__all__ = ["detail_dashboard", "detail_panels"]

_SCOPE = Scope(f'{names.LABEL_SERVICE}="$service",{names.LABEL_SLO}="$slo"')


def detail_dashboard() -> Dashboard:
    """Return the dashboard with the variables service, SLO and group."""
    scope = _SCOPE
    return Dashboard(
        uid=DETAIL,
        title="SLO detail",
        description="One objective in full; choose service and SLO at the top.",
        panels=detail_panels(scope),
        tags=("slo", "slostack"),
        variables=_variables(),
        annotations=marks(scope, "$service", "$slo"),
        links=(Link("All SLOs", address(OVERVIEW), "The overview"),),
    )


def detail_panels(scope: Scope) -> tuple[Panel, ...]:
    """Return the panels of one SLO of which nothing but its series is known."""
    rows = [
        [
            _sli_stat(scope),
            panels.budget_stat(scope, "left"),
            panels.burn_stat(scope, "now"),
            panels.exhaustion_stat(scope, "gone in"),
            panels.firing_stat(scope),
        ],
        [panels.burn_down(scope, ""), panels.sli_plot(scope, "")],
        [_burn_plot(scope), _events_plot(scope)],
        [_windows(scope)],
        [panels.alert_timeline(scope)],
    ]
    return arranged(rows)


def _variables() -> tuple[Variable, ...]:
    services = f"label_values({names.OBJECTIVE}, {names.LABEL_SERVICE})"
    chosen = f'{names.OBJECTIVE}{{{names.LABEL_SERVICE}="$service"}}'
    slos = f"label_values({chosen}, {names.LABEL_SLO})"
    return (
        Variable("service", "Service", "Services that have objectives.", services),
        Variable("slo", "SLO", "Objectives of the service.", slos),
        Variable("group", "Group", "Narrow to one group, by any label of its series."),
    )


def _sli_stat(scope: Scope) -> Panel:
    return Panel(
        Kind.STAT,
        "SLI over the period",
        "Share of good events over the period, and what the objective asks for.",
        (
            Target(queries.period_sli(scope), "SLI", instant=True),
            Target(queries.target(scope), "target", instant=True),
        ),
        unit="percentunit",
        decimals=3,
        steps=(panels.BUDGET_STEPS[2]._replace(value=None, color="text"),),
        width=5,
        height=6,
    )


def _burn_plot(scope: Scope) -> Panel:
    return Panel(
        Kind.TIME_SERIES,
        "Burn rate by window",
        "How many times faster than allowed the budget is spent, over each recorded window. "
        "The lines are the thresholds of a 30-day period: 14.4x and 6x page, 3x and 1x open a "
        "ticket. An objective of 100 % has no budget: its error ratios are shown instead.",
        (Target(queries.burn_rates(scope), f"{{{{{names.LABEL_WINDOW}}}}}"),),
        unit="suffix:x",
        decimals=2,
        minimum=0,
        steps=(
            panels.BURN_STEPS[0],
            panels.BURN_STEPS[1],
            panels.BURN_STEPS[2]._replace(value=3),
            panels.BURN_STEPS[3]._replace(value=6),
            panels.BURN_STEPS[3],
        ),
        lines=True,
    )


def _events_plot(scope: Scope) -> Panel:
    return Panel(
        Kind.TIME_SERIES,
        "Good and bad events",
        "Events per second, good and bad, on top of one another. Where only sloth's series "
        "exist, nobody records how many events there were: then these are their shares.",
        (
            Target(queries.good_events(scope), "good"),
            Target(queries.bad_events(scope), "bad"),
        ),
        unit="short",
        minimum=0,
        stacked=True,
        series=(Series("good", panels.GREEN), Series("bad", panels.RED)),
    )


def _windows(scope: Scope) -> Panel:
    more = scope.series(names.WINDOW_BUDGET_REMAINING)
    return Panel(
        Kind.BAR_GAUGE,
        "Budget left by window",
        "What is left of the budget, in the period that alerts and in every other window that "
        "the objective is measured over.",
        (
            Target(queries.budget_left(scope), "period", instant=True),
            Target(
                f"clamp_min({more}, {queries.LEAST_BUDGET})",
                f"{{{{{names.LABEL_WINDOW}}}}}",
                instant=True,
            ),
        ),
        unit="percentunit",
        decimals=1,
        minimum=0,
        maximum=1,
        steps=panels.BUDGET_STEPS,
        width=24,
        height=6,
    )
