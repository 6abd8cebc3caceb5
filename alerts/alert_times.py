"""Say for people how long after an outage each alert fires and resets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil

from slo.alerts.alert_schedule import (
    Expected,
    Shape,
    alert_name,
    moments,
    shape_of,
)
from slo.alerts.burn_rate_alerts import MISSING_DATA_FOR
from slo.alerts.event_model import Feed, Phase, Server
from slo.alerts.rule_model import first_missing
from slo.duration import Duration, hours
from slo.plan import SloPlan

__all__ = ["OUTAGE", "AlertTime", "alert_times"]

OUTAGE = hours(1)
# A server as it usually is: the service has run for longer than any window.
_SERVER = Server()
_FEED = Feed("counter", float("inf"))


@dataclass(frozen=True, slots=True)
class AlertTime:
    """
    Hold what a full outage does to one alert.

    Args:
        windows: Long and short window of a burn-rate alert, such as `1h/5m`.
        fires: Time from the start of the outage, or from the last sample for missing data;
            `None` if it does not fire.
        resets: Time from the end of the outage; `None` if not within the longest short window.
        min_bad_events: It also waits for so many bad events.
    """

    name: str
    severity: str
    kind: str
    windows: str
    burn_rate: str
    fires: Duration | None
    resets: Duration | None
    min_bad_events: int


def alert_times(plan: SloPlan, exact: bool, interval: Duration) -> tuple[AlertTime, ...]:
    """
    Return the times of the alerts of *plan* in a full outage of `OUTAGE` or longer.

    Longer only where an alert takes longer to fire.
    """
    shape = shape_of(plan, exact, interval)
    times = _times(shape)
    return tuple(
        replace(time, name=alert_name(plan, alert))
        for time, alert in zip(times, shape.alerts, strict=True)
    )


@lru_cache(maxsize=1024)
def _times(shape: Shape) -> tuple[AlertTime, ...]:
    return tuple(_time(shape, alert) for alert in shape.alerts)


def _time(shape: Shape, alert: Expected) -> AlertTime:
    setup, step = shape.setup, shape.setup.timing.fast.milliseconds
    fires: int | None = None
    resets: int | None = None
    guard = 0
    if alert.condition is None:
        gone = first_missing(setup, _FEED, _SERVER, 0)
        fires = gone + ceil(MISSING_DATA_FOR.milliseconds / step)
    elif alert.can_fire:
        guard = alert.condition.min_bad_events
        # A group that has just been evaluated sees the outage last.
        interval = setup.timing.interval(alert.condition.group)
        healthy = max(1, interval.milliseconds // step)
        outage = ceil(OUTAGE.milliseconds / step)
        longest = max(long.milliseconds for long, _, _ in alert.condition.pairs)
        after = max(short.milliseconds for _, short, _ in alert.condition.pairs)
        recovery = ceil(after / step) + 4 * healthy + 20 if alert.burns else 0
        while True:
            phases = (Phase(healthy, 0.0), Phase(outage, 1.0), Phase(recovery, 0.0))
            began, ended = moments(setup, _FEED, (_SERVER,), phases, alert.condition)
            if began is not None and began.latest <= healthy + outage:
                fires = began.latest - healthy
                resets = None if ended is None else ended.latest - healthy - outage
                break
            if outage * step > longest + OUTAGE.milliseconds:
                break
            outage *= 4
    return AlertTime(
        "",
        alert.severity,
        alert.kind,
        alert.windows,
        alert.burn_rate,
        None if fires is None else Duration(fires * step),
        None if resets is None else Duration(resets * step),
        guard,
    )
