"""Print what constant error rates do to the alerts of each SLO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from slo.alerts.error_rates import AlertAtRate, RateOutcome, Simulation
from slo.duration import Duration
from slo.engine.reporters.figures import (
    BOLD,
    DIM,
    GREEN,
    RED,
    YELLOW,
    Paint,
    days_text,
    objective_text,
    painter,
    percent_text,
    time_text,
)
from slo.engine.simulate.terminal_plot import detection_plot
from slo.low_traffic import COUNTED_PERIOD, expected_false_pages
from slo.numbers import decimal_text
from slo.plan import SloPlan

__all__ = ["TRAFFIC", "as_dict", "false_pages", "lines"]

# Events an hour for which chance pages are shown where a spec does not name its traffic.
TRAFFIC = tuple(Decimal(each) for each in (10, 100, 1_000, 10_000))

_STYLES = {"page": RED, "ticket": YELLOW}
_HEAD = ("errors", "alert", "fires after", "theory", "resets after", "theory", "budget spent")
_WIDTHS = (8, 29, 13, 10, 14, 10, 0)
_NEVER = "never"


def lines(simulations: Sequence[Simulation], color: bool, plot: bool = True) -> Iterator[str]:
    """Yield the tables and plots to print."""
    paint = painter(color)
    for number, simulation in enumerate(simulations):
        if number:
            yield ""
        yield from _simulation(simulation, paint, plot)
    if any(outcome.alerts for simulation in simulations for outcome in simulation.rates):
        yield ""
        yield from (paint(line, DIM) for line in _FOOTNOTE)


_FOOTNOTE = (
    "Times count from the first and from the last bad event, in a service with constant traffic",
    "that was healthy for a whole period. Theory: SRE workbook, chapter 5. >> is told first.",
)


def _simulation(simulation: Simulation, paint: Paint, plot: bool) -> Iterator[str]:
    plan = simulation.plan
    objective = objective_text(plan.objective, _period(plan))
    names = [f"{each.service} {each.name}" for each in simulation.plans]
    for name in names[:-1]:
        yield paint(name, BOLD)
    budget = Duration(round(plan.error_budget * plan.time_window.milliseconds))
    worth = f"the budget is worth {time_text(budget)} of full outage" if budget.milliseconds else ""
    yield f"{paint(names[-1], BOLD)}  {objective}{'; ' if worth else ''}{worth}"
    if not any(outcome.alerts for outcome in simulation.rates):
        yield "  no alerts"
        return
    yield ""
    yield paint(_columns(_HEAD), DIM)
    for outcome in simulation.rates:
        yield from _outcome(outcome, paint)
    yield from _chance(simulation, paint)
    if plot and plan.error_budget:
        yield ""
        yield from detection_plot(simulation, paint)


def _period(plan: SloPlan) -> str:
    return days_text(plan.time_window) if plan.calendar is None else f"a {plan.calendar.unit}"


def _columns(cells: Sequence[str]) -> str:
    row = "".join(f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    return f"  {row}".rstrip()


def _outcome(outcome: RateOutcome, paint: Paint) -> Iterator[str]:
    label = f"{decimal_text(outcome.error_ratio * 100)} %"
    first = outcome.first()
    if all(alert.fires is None for alert in outcome.alerts):
        yield paint(_columns([label, "   nothing fires", *[""] * 5]), DIM)
        return
    for alert in outcome.alerts:
        if alert.fires is None:
            continue
        yield _row(label, alert, alert is first, paint)
        label = ""
    silent = [a for a in outcome.alerts if a.fires is None and a.kind == "burn_rate"]
    for severity, found in groupby(silent, key=lambda alert: alert.severity):
        windows = ", ".join(alert.windows for alert in found)
        cells = ["", f"   {severity:6} {windows}", _NEVER, *[""] * 4]
        yield paint(_columns(cells), DIM)


def _row(label: str, alert: AlertAtRate, is_first: bool, paint: Paint) -> str:
    what = "budget used up"
    if alert.kind == "burn_rate":
        # Several pairs in one alert leave no room for their burn rates.
        shown = "" if " or " in alert.windows else alert.burn_rate
        what = f"{alert.severity:6} {alert.windows:<9} {shown}".rstrip()
    times = (alert.fires, alert.expected_fires, alert.resets, alert.expected_resets)
    cells = [label, f"{'>>' if is_first else '  '} {what}"]
    cells += ["" if each is None else time_text(each) for each in times]
    cells.append(_spent(alert))
    row = _columns(cells)
    if not is_first:
        return row
    # Paint the mark and the severity, with the widths already settled.
    return row.replace(
        f">> {alert.severity}", paint(f">> {alert.severity}", _STYLES[alert.severity]), 1
    )


def _spent(alert: AlertAtRate) -> str:
    if alert.spent is None or alert.kind != "burn_rate":
        return ""
    outage = f" ({time_text(alert.outage)})" if alert.outage is not None else ""
    return f"{percent_text(alert.spent, 2)}{outage}"


def false_pages(simulation: Simulation, traffic: Decimal) -> float:
    """Return how many pages 30 days bring by chance at *traffic* events an hour."""
    plan, guard = simulation.plan, simulation.min_bad_events
    return expected_false_pages(plan.policy, plan.error_budget, traffic, guard)


def _chance(simulation: Simulation, paint: Paint) -> Iterator[str]:
    """Say how often chance pages a service that spends exactly its budget."""
    plan = simulation.plan
    if plan.page is None or plan.timeslices is not None or not 0 < plan.error_budget < 1:
        return
    known = {p.events_per_hour for p in simulation.plans if p.events_per_hour is not None}
    traffic = sorted(known) or TRAFFIC
    shown = ", ".join(
        f"{each:,f}: {_pages(false_pages(simulation, each), paint)}" for each in traffic
    )
    yield (f"  Chance pages in {COUNTED_PERIOD}, exactly on budget, by events an hour: {shown}")


def _pages(number: float, paint: Paint) -> str:
    text = "0" if number < 0.05 else f"{number:.1f}" if number < 10 else f"{number:.0f}"
    return paint(text, RED if number >= 1 else GREEN if number < 0.25 else YELLOW)


def as_dict(simulations: Sequence[Simulation]) -> dict[str, object]:
    """Return *simulations* as plain values; times in seconds, shares between 0 and 1."""
    return {"simulations": [_simulation_dict(each) for each in simulations]}


def _simulation_dict(simulation: Simulation) -> dict[str, object]:
    plan = simulation.plan
    chance: list[dict[str, float]] = []
    if plan.page is not None and plan.timeslices is None and 0 < plan.error_budget < 1:
        known = {p.events_per_hour for p in simulation.plans if p.events_per_hour is not None}
        chance = [
            {
                "events_per_hour": float(each),
                "pages_in_30d": round(false_pages(simulation, each), 3),
            }
            for each in sorted(known) or TRAFFIC
        ]
    return {
        "slos": [each.id for each in simulation.plans],
        "objective": float(plan.objective),
        "window": plan.window.name,
        "error_rates": [_outcome_dict(each) for each in simulation.rates],
        "pages_by_chance": chance,
    }


def _outcome_dict(outcome: RateOutcome) -> dict[str, object]:
    first = outcome.first()
    return {
        "error_percent": float(outcome.error_ratio * 100),
        "burn_rate": None if outcome.burn_rate is None else float(outcome.burn_rate),
        "first": None if first is None else outcome.alerts.index(first),
        "alerts": [
            {
                "severity": alert.severity,
                "kind": alert.kind,
                "windows": alert.windows or None,
                "burn_rate": alert.burn_rate or None,
                "fires_seconds": _seconds(alert.fires),
                "theory_fires_seconds": _seconds(alert.expected_fires),
                "resets_seconds": _seconds(alert.resets),
                "theory_resets_seconds": _seconds(alert.expected_resets),
                "budget_spent": None if alert.spent is None else round(float(alert.spent), 6),
                "outage_seconds": _seconds(alert.outage),
            }
            for alert in outcome.alerts
        ],
    }


def _seconds(length: Duration | None) -> float | None:
    return None if length is None else length.seconds
