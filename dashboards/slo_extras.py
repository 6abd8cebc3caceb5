"""Make the panels that only some SLOs have: slices, counts, groups, members."""

from __future__ import annotations

from slo import conventions as names
from slo.dashboards import queries
from slo.dashboards import slo_panels as panels
from slo.dashboards.model import Kind, Panel, Step, Target
from slo.dashboards.queries import Scope, any_of
from slo.numbers import decimal_text
from slo.plan import CompositeIndicator, SloPlan

__all__ = ["counts_panels", "groups_panel", "members_panels", "slices_panel"]

_MOST_GROUPS = 20


def slices_panel(plan: SloPlan, scope: Scope, legend: str) -> Panel:
    """Return what each slice of time counted as."""
    assert plan.timeslices is not None
    return Panel(
        Kind.TIME_SERIES,
        "Bad slices",
        f"What each slice of {plan.timeslices.length} counted as: 0 % is good, 100 % is bad. "
        "The budget is made of these.",
        (Target(scope.series(names.SLICE_ERROR), legend or "slice"),),
        unit="percentunit",
        minimum=0,
        maximum=1,
        steps=(Step(None, panels.GREEN), Step(0.0001, panels.RED)),
        width=24,
        height=5,
    )


def counts_panels(plan: SloPlan, scope: Scope, legend: str, exact: bool) -> list[Panel]:
    """Return what happened in the period, in numbers, and how its other windows stand."""
    if not exact:
        return []
    word = "events" if plan.timeslices is None else "slices"
    window = plan.window.name
    bad, every = (
        scope.series(names.counted_in(f"{kind}_{word}", window)) for kind in ("error", "total")
    )
    budget = decimal_text(plan.error_budget)
    found = [
        Panel(
            Kind.BAR_GAUGE,
            f"Bad {word} of the period",
            f"How many {word} were bad in {window}, and how many the objective allows at the "
            "traffic there was.",
            (
                Target(bad, f"bad {legend}".strip(), instant=True),
                Target(f"{every} * {budget}", f"allowed {legend}".strip(), instant=True),
            ),
            unit="short",
            decimals=1,
            minimum=0,
            steps=(Step(None, "blue"),),
            width=8,
            height=6,
        ),
        Panel(
            Kind.STAT,
            "Period measured",
            "Share of the period for which there are records. Less than all of it says that the "
            "server has forgotten the rest, was down, or has just begun.",
            (Target(queries.coverage(scope, window), legend or window, instant=True),),
            unit="percentunit",
            decimals=0,
            steps=(Step(None, panels.YELLOW), Step(0.95, panels.GREEN)),
            width=4,
            height=6,
        ),
    ]
    if plan.more_windows:
        left = scope.series(names.WINDOW_BUDGET_REMAINING)
        found.append(
            Panel(
                Kind.BAR_GAUGE,
                "Budget left by window",
                "What is left of the budget in each window that the objective is measured over; "
                "the first one alerts.",
                (
                    Target(
                        scope.series(names.ERROR_BUDGET_REMAINING),
                        f"{window} {legend}".strip(),
                        instant=True,
                    ),
                    Target(
                        f"clamp_min({left}, {queries.LEAST_BUDGET})",
                        f"{{{{{names.LABEL_WINDOW}}}}} {legend}".strip(),
                        instant=True,
                    ),
                ),
                unit="percentunit",
                decimals=1,
                minimum=0,
                maximum=1,
                steps=panels.BUDGET_STEPS,
                width=12,
                height=6,
            )
        )
    return found


def groups_panel(plan: SloPlan, scope: Scope, legend: str) -> Panel:
    """Return the groups that have the least budget left."""
    return Panel(
        Kind.BAR_GAUGE,
        "Groups with the least budget",
        f"Each value of {', '.join(plan.group_by or ())} has a budget of its own; these have "
        "the least of it left.",
        (Target(f"bottomk({_MOST_GROUPS}, {queries.budget_left(scope)})", legend, instant=True),),
        unit="percentunit",
        decimals=1,
        minimum=0,
        maximum=1,
        steps=panels.BUDGET_STEPS,
        width=24,
        height=8,
    )


def members_panels(indicator: CompositeIndicator) -> list[Panel]:
    """Return how the members of a composite stand."""
    ids = any_of(member.id for member in indicator.members)
    scope = Scope(f'{names.LABEL_ID}=~"{ids}"')
    legend = f"{{{{{names.LABEL_SERVICE}}}}} / {{{{{names.LABEL_SLO}}}}}"
    return [
        Panel(
            Kind.BAR_GAUGE,
            "Members: budget left",
            "The objectives that this one is made of, each with what is left of its own budget.",
            (Target(queries.least_left(scope), legend, instant=True),),
            unit="percentunit",
            decimals=1,
            minimum=0,
            maximum=1,
            steps=panels.BUDGET_STEPS,
        ),
        Panel(
            Kind.TIME_SERIES,
            "Members: burn rate",
            "How fast each member spends its own budget now. Where this objective burns, one of "
            "these shows why.",
            (Target(f"max by ({queries.WHO}) ({queries.burn_rate(scope)})", legend),),
            unit="suffix:x",
            decimals=2,
            minimum=0,
            steps=panels.BURN_STEPS,
            lines=True,
        ),
    ]
