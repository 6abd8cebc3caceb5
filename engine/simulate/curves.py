"""Hold what a plot of detection times shows: theory as curves, the rules' arithmetic as points."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from slo.alerts.error_rates import Simulation, expected_detection
from slo.engine.simulate.axes import LogAxis

__all__ = ["Curve", "DetectionCurves", "detection_curves"]

# In seconds: with hardly any budget theory comes to nothing, which has no logarithm.
_SHORTEST = 0.001


@dataclass(frozen=True, slots=True)
class Curve:
    """
    Hold one severity.

    Args:
        theory: Error ratio and seconds until the first alert fires, or `None` for never.
        measured: The same for the error rates of the simulation, where it fires.
    """

    severity: str
    theory: tuple[tuple[float, float | None], ...]
    measured: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class DetectionCurves:
    """Hold the curves of one simulation with their axes: error ratio, and seconds."""

    curves: tuple[Curve, ...]
    ratios: LogAxis
    seconds: LogAxis


def detection_curves(simulation: Simulation, points: int) -> DetectionCurves | None:
    """
    Return the curves of *simulation*; `None` where no error rate fires anything.

    Args:
        points: How many error ratios each curve has, evenly spaced on a logarithmic axis.
    """
    plan = simulation.plan
    severities = [
        severity
        for severity, meta in (("page", plan.page), ("ticket", plan.ticket))
        if meta is not None
    ]
    budget = float(plan.error_budget)
    if not severities or not budget:
        return None
    lowest = min([budget * 0.5, *(float(rate.error_ratio) for rate in simulation.rates)])
    # A curve over no distance is no curve.
    ratios = LogAxis(min(lowest, 0.5), 1.0)
    curves = []
    for severity in severities:
        theory = []
        for index in range(points):
            ratio = min(ratios.value(index / (points - 1)), 1.0)
            found = expected_detection(simulation, severity, Decimal(repr(ratio)))
            theory.append((ratio, None if found is None else max(found.seconds, _SHORTEST)))
        measured = tuple(
            (float(rate.error_ratio), first.fires.seconds)
            for rate in simulation.rates
            if (first := rate.first(severity)) is not None and first.fires is not None
        )
        curves.append(Curve(severity, tuple(theory), measured))
    times = [t for curve in curves for _, t in curve.theory if t is not None]
    times += [t for curve in curves for _, t in curve.measured]
    if not times:
        return None
    return DetectionCurves(tuple(curves), ratios, LogAxis(min(times) / 1.3, max(times) * 1.3))
