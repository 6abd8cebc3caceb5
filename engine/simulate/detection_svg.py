"""Draw detection time against error rate, one chart for each simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from slo.alerts.error_rates import Simulation
from slo.duration import Duration
from slo.engine.reporters.figures import days_text, objective_text, percent_text, time_text
from slo.engine.simulate import svg
from slo.engine.simulate.axes import percent_marks, time_marks
from slo.engine.simulate.curves import Curve, DetectionCurves, detection_curves

__all__ = ["detection_svg"]

_WIDTH, _CHART = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 100, 64, 56
_POINTS = 400
_MOST_NAMES = 4


def detection_svg(simulations: Sequence[Simulation]) -> str:
    """Return an SVG file with the time until the first page and ticket of each simulation."""
    shapes: list[str] = []
    offset = 0
    for simulation in simulations:
        found = detection_curves(simulation, _POINTS)
        if found is not None:
            shapes += _chart(simulation, found, offset)
            offset += _CHART
    if not shapes:
        shapes = [svg.text(_LEFT, 40, "No alerts to show", "title")]
    title = "Time until the first page and ticket, by share of bad events"
    return svg.document(_WIDTH, max(offset, 80), title, shapes)


def _chart(simulation: Simulation, found: DetectionCurves, offset: int) -> Iterator[str]:
    plan = simulation.plan
    names = [f"{each.service} {each.name}" for each in simulation.plans]
    shown = ", ".join(names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        shown += f" and {len(names) - _MOST_NAMES} more"
    period = days_text(plan.time_window) if plan.calendar is None else f"a {plan.calendar.unit}"
    yield svg.text(
        _LEFT, offset + 26, f"{shown}: {objective_text(plan.objective, period)}", "title"
    )
    yield svg.text(
        _LEFT, offset + 46, "Time until the first alert. Lines: theory; points: the rules.", "soft"
    )
    top, bottom = offset + _TOP, offset + _CHART - _BOTTOM
    left, right = _LEFT, _WIDTH - _RIGHT

    def x(ratio: float) -> float:
        return left + found.ratios.place(ratio) * (right - left)

    def y(seconds: float) -> float:
        return bottom - found.seconds.place(seconds) * (bottom - top)

    for mark in time_marks(found.seconds):
        yield svg.line(left, y(mark.value), right, y(mark.value), "grid")
        yield svg.text(left - 8, y(mark.value) + 4, mark.text, "soft end")
    free = float(left) - 30
    for mark in percent_marks(found.ratios):
        yield svg.line(x(mark.value), top, x(mark.value), bottom, "grid")
        if x(mark.value) >= free:
            yield svg.text(x(mark.value), bottom + 18, mark.text, "soft middle")
            free = x(mark.value) + 50
    yield svg.path([[(left, top), (left, bottom), (right, bottom)]], "frame")
    yield svg.text((left + right) / 2, bottom + 40, "share of events that are bad", "middle")
    for curve in found.curves:
        yield from _curve(curve, x, y, right)


def _curve(
    curve: Curve, x: Callable[[float], float], y: Callable[[float], float], right: float
) -> Iterator[str]:
    strokes: list[list[tuple[float, float]]] = [[]]
    for ratio, seconds in curve.theory:
        if seconds is None:
            strokes.append([])
        else:
            strokes[-1].append((x(ratio), y(seconds)))
    yield svg.path(strokes, curve.severity)
    for ratio, seconds in curve.measured:
        note = (
            f"{percent_text(ratio)} errors: {curve.severity} after "
            f"{time_text(Duration(round(seconds * 1000)))}"
        )
        yield svg.circle(x(ratio), y(seconds), f"{curve.severity} hollow", note)
    if strokes[-1]:
        yield svg.text(right + 10, strokes[-1][-1][1] + 4, curve.severity, f"{curve.severity}-text")
