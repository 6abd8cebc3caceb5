"""Make the panels that dashboards of one SLO share, known or chosen by a variable."""

from __future__ import annotations

from slo import conventions as names
from slo.dashboards import queries
from slo.dashboards.model import Kind, Panel, Range, Series, Step, Target
from slo.dashboards.queries import Scope

__all__ = [
    "BUDGET_STEPS",
    "BURN_RANGES",
    "BURN_STEPS",
    "EXHAUSTION_RANGES",
    "EXHAUSTION_STEPS",
    "FIRING_STEPS",
    "GREEN",
    "ORANGE",
    "RED",
    "YELLOW",
    "alert_timeline",
    "budget_stat",
    "burn_down",
    "burn_stat",
    "exhaustion_stat",
    "firing_stat",
    "sli_plot",
]

GREEN = "green"
YELLOW = "yellow"
ORANGE = "orange"
RED = "red"

# The budget counts as gone at zero, so orange begins just above.
BUDGET_STEPS = (Step(None, RED), Step(0.0001, ORANGE), Step(0.25, GREEN))
BURN_STEPS = (Step(None, GREEN), Step(1, YELLOW), Step(6, ORANGE), Step(14.4, RED))
BURN_RANGES = (Range(queries.MOST_BURN, None, "no budget", RED),)
FIRING_STEPS = (Step(None, GREEN), Step(1, RED))
EXHAUSTION_STEPS = (Step(None, RED), Step(86_400, ORANGE), Step(7 * 86_400, GREEN))
EXHAUSTION_RANGES = (
    Range(None, 0, "gone", RED),
    Range(queries.LONGEST_SECONDS, None, "not in sight", GREEN),
)


def budget_stat(scope: Scope, legend: str, period: str = "the period", **size: int) -> Panel:
    """Return the budget that is left, large."""
    return Panel(
        Kind.STAT,
        "Error budget left",
        f"Share of the error budget of {period} that is left. Below zero, more failed than the "
        "objective allows. A calendar period counts as a whole, as if traffic went on as so far.",
        (Target(queries.budget_left(scope), legend, instant=True),),
        unit="percentunit",
        decimals=1,
        steps=BUDGET_STEPS,
        wall=True,
        width=size.get("width", 5),
        height=size.get("height", 6),
    )


def burn_stat(scope: Scope, legend: str, steps: tuple[Step, ...] = BURN_STEPS) -> Panel:
    """Return the burn rate of the shortest window, large."""
    return Panel(
        Kind.STAT,
        "Burn rate now",
        "How many times faster than allowed the budget is spent, over the shortest recorded "
        "window (five minutes as a rule). 1x spends it in exactly one period.",
        (Target(queries.burn_rate(scope), legend, instant=True),),
        unit="suffix:x",
        decimals=2,
        steps=steps,
        ranges=BURN_RANGES,
        wall=True,
        width=5,
        height=6,
        empty="no traffic",
    )


def exhaustion_stat(scope: Scope, legend: str) -> Panel:
    """Return when the budget will be gone."""
    return Panel(
        Kind.STAT,
        "Budget gone in",
        "What is left of the budget, divided by the burn rate of the last hour.",
        (Target(queries.exhaustion(scope), legend, instant=True),),
        unit="dtdurations",
        decimals=0,
        steps=EXHAUSTION_STEPS,
        ranges=EXHAUSTION_RANGES,
        wall=True,
        width=5,
        height=6,
        empty="no traffic",
    )


def firing_stat(scope: Scope, *, width: int = 4) -> Panel:
    """Return the number of alerts that fire."""
    return Panel(
        Kind.STAT,
        "Alerts firing",
        "Alerts of this objective that fire now, pages and tickets.",
        (Target(queries.firing(scope), "alerts", instant=True),),
        unit="none",
        decimals=0,
        steps=FIRING_STEPS,
        wall=True,
        width=width,
        height=6,
    )


def alert_timeline(scope: Scope) -> Panel:
    """Return when which alert fired."""
    by = ("alertname", names.LABEL_SEVERITY, names.LABEL_LONG_WINDOW)
    fires = f'ALERTS{{alertstate="firing",{scope.matchers}}}'
    return Panel(
        Kind.STATE_TIMELINE,
        "Alerts over time",
        "When each alert of this objective fired. The first line is always there, so that a "
        "quiet week can be told from missing data.",
        (
            Target(f"0 * max({scope.once(names.OBJECTIVE)})", "watching"),
            Target(
                f"max by ({', '.join(by)}) ({fires})",
                "{{alertname}} {{sloth_severity}} {{long_window}}",
            ),
        ),
        unit="none",
        steps=FIRING_STEPS,
        ranges=(Range(None, 0, "quiet", GREEN), Range(1, None, "firing", RED)),
        width=24,
        height=6,
    )


def sli_plot(scope: Scope, legend: str, targets: tuple[Target, ...] = ()) -> Panel:
    """Return the SLI against its target over time."""
    return Panel(
        Kind.TIME_SERIES,
        "SLI against target",
        "Share of good events. The dashed line is the objective: what lies below it spends "
        "more than the budget allows.",
        targets
        or (
            Target(queries.current_sli(scope), f"now {legend}".strip()),
            Target(queries.period_sli(scope), f"period {legend}".strip()),
            Target(queries.target(scope), "target"),
        ),
        unit="percentunit",
        maximum=1,
        series=(Series("target", RED, dashed=True),),
    )


def burn_down(scope: Scope, legend: str) -> Panel:
    """Return the budget left over time."""
    return Panel(
        Kind.TIME_SERIES,
        "Budget burn-down",
        "What was left of the error budget. At the line it is used up; a rolling period gives "
        "budget back when old errors leave it, a calendar period on its first day.",
        (Target(queries.budget_left(scope), f"left {legend}".strip()),),
        unit="percentunit",
        maximum=1,
        steps=BUDGET_STEPS,
        lines=True,
    )
