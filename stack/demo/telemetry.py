"""Show that the shop's spans and log lines tell the same as its counters do."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from slo import conventions
from slo.stack.demo.scene import SHORT_WINDOW, TELEMETRY_SLOS, JourneyError, Scene

__all__ = ["budgets", "failing", "healthy"]

_SERVICE = "shop-telemetry"
_POLL_SECONDS = 0.5
# Rates over 20 s lag behind what happens.
_WORTH_SEEING = 0.05


@dataclass(frozen=True, slots=True)
class _Reading:
    """Hold what Prometheus says of one SLO; `None` where it says nothing."""

    error_ratio: float | None
    budget: float | None


def healthy(scene: Scene) -> None:
    """See the SLOs measured, with nothing wrong."""
    if scene.reporter is None:
        return
    readings = _until(
        scene, "spans and log lines counted", 45, lambda r: r.error_ratio == 0 and r.budget
    )
    _say_ratios(scene, readings)


def failing(scene: Scene) -> None:
    """See the errors that the shop answers with."""
    if scene.reporter is None:
        return
    readings = _until(
        scene, "errors in spans and log lines", 30, lambda r: (r.error_ratio or 0) > _WORTH_SEEING
    )
    _say_ratios(scene, readings)


def budgets(scene: Scene, is_right: Callable[[float], bool]) -> None:
    """See the budgets agree with what the clients counted, as *is_right* compares them."""
    if scene.reporter is None:
        return
    readings = _until(
        scene,
        "error budgets by spans and log lines as the clients count them",
        45,
        lambda r: r.budget is not None and is_right(r.budget),
    )
    told = ", ".join(f"{found.budget:.1%} by the {name}" for name, found in readings.items())
    scene.terminal.seen(f"error budget {told}")


def _say_ratios(scene: Scene, readings: dict[str, _Reading]) -> None:
    told = ", ".join(f"{found.error_ratio:.1%} of the {name}" for name, found in readings.items())
    scene.terminal.seen(f"the collectors counted errors in {told}")


def _until(
    scene: Scene, step: str, limit_seconds: float, reached: Callable[[_Reading], object]
) -> dict[str, _Reading]:
    """
    Return readings by what they are measured with, once all are what *reached* wants.

    Raises:
        JourneyError: They never were, or the collector took not everything.
    """
    assert scene.reporter is not None
    deadline = time.monotonic() + limit_seconds
    while True:
        readings = {name: _read(scene, name, slo) for name, slo in TELEMETRY_SLOS.items()}
        if scene.reporter.problem:
            raise JourneyError(f"the collector took not everything: {scene.reporter.problem}")
        if all(reached(reading) for reading in readings.values()):
            return readings
        if time.monotonic() >= deadline:
            raise JourneyError(f"step not seen within {limit_seconds:g} s: {step}; {readings}")
        time.sleep(_POLL_SECONDS)


def _read(scene: Scene, name: str, slo_id: str) -> _Reading:
    selector = conventions.selector(slo_id, _SERVICE, name)
    return _Reading(
        scene.prometheus.value(f"{conventions.error_ratio(SHORT_WINDOW)}{selector}"),
        scene.prometheus.value(f"{conventions.ERROR_BUDGET_REMAINING}{selector}"),
    )
