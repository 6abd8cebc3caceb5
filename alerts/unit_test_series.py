"""Write the input series of promtool tests in its notation `start+increment x times`."""

from __future__ import annotations

from functools import lru_cache

from slo.alerts.alert_schedule import Timeline
from slo.alerts.rules_yaml import scalar
from slo.alerts.sample_series import Sample

__all__ = ["constant_lines", "sample_lines"]


def sample_lines(series: str, sample: Sample, timeline: Timeline, events: int) -> str:
    """Return a raw series; a counter grows by *events* per step while its events come in."""
    values = _values(sample.gauge, sample.good, sample.bad, timeline, events)
    return _entry(series, values)


def constant_lines(series: str, value: float, timeline: Timeline) -> str:
    """Return a recorded series: *value* during the outage if positive, always if negative."""
    if value < 0:
        return _entry(series, f"{-value:g}x{timeline.last} stale")
    parts = (
        f"0x{timeline.healthy}",
        f"{value:g}x{timeline.outage - 1}",
        f"0x{timeline.recovery - 1}",
        "stale",
    )
    return _entry(series, " ".join(parts))


def _entry(series: str, values: str) -> str:
    return f"      - series: {scalar(series)}\n        values: {values}\n"


@lru_cache(maxsize=4096)
def _values(gauge: bool, good: bool, bad: bool, timeline: Timeline, events: int) -> str:
    phases = (timeline.healthy, timeline.outage - 1, timeline.recovery - 1)
    grows = (good, bad, good)
    if good and bad:
        return f"1x{timeline.last}" if gauge else f"0+{events}x{timeline.last}"
    if gauge:
        return " ".join(f"{int(on)}x{n}" for on, n in zip(grows, phases, strict=True))
    parts = []
    value = 0
    for number, (on, count) in enumerate(zip(grows, phases, strict=True)):
        if on and number:
            value += events
        parts.append(f"{value}+{events}x{count}" if on else f"{value}x{count}")
        value += events * count if on else 0
    return " ".join(parts)
