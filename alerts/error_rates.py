"""
Say what each alert makes of a constant share of bad events, beside what theory says.

The service has been healthy for a whole period and has constant traffic. Then so many percent
of its events are bad until every alert that can fire has fired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import NamedTuple

from slo.alerts.alert_schedule import Expected, moments, shape_of
from slo.alerts.event_model import Feed, Phase, Server
from slo.alerts.rule_model import Setup, episodes, play
from slo.burnrate import AlertPolicy, BurnWindow, detection_time, reset_time
from slo.duration import Duration
from slo.plan import SloPlan

__all__ = ["AlertAtRate", "RateOutcome", "Simulation", "expected_detection", "simulate"]

_SERVER = Server()
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class AlertAtRate:
    """
    Say when one alert fires and resets at one error rate, and what that costs.

    Args:
        kind: `burn_rate` or `budget_exhausted`.
        windows: Long and short window of a burn-rate alert, such as `1h/5m`.
        burn_rate: Threshold for people, such as `14.4x`.
        fires: Time from the first bad event, by the arithmetic of the rules; `None` for never.
        resets: Time from the last bad event.
        expected_fires: What theory says of *fires*; `expected_resets` likewise.
        spent: Share of the period's error budget that is gone when it fires.
        outage: How long a full outage costs as much.
    """

    severity: str
    kind: str
    windows: str
    burn_rate: str
    fires: Duration | None
    resets: Duration | None
    expected_fires: Duration | None
    expected_resets: Duration | None
    spent: Decimal | None
    outage: Duration | None


@dataclass(frozen=True, slots=True)
class RateOutcome:
    """
    Hold what one error rate does to all alerts.

    Args:
        error_ratio: Share of events that are bad.
        burn_rate: How many times too fast that spends the budget; `None` without a budget.
    """

    error_ratio: Decimal
    burn_rate: Decimal | None
    alerts: tuple[AlertAtRate, ...]

    def first(self, severity: str | None = None) -> AlertAtRate | None:
        """Return the burn-rate alert of *severity*, or of any, that fires first."""
        fired = [
            (alert.fires, alert)
            for alert in self.alerts
            if alert.fires is not None
            and alert.kind == "burn_rate"
            and severity in (None, alert.severity)
        ]
        return min(fired, key=lambda pair: pair[0])[1] if fired else None


@dataclass(frozen=True, slots=True)
class Simulation:
    """
    Hold the outcome for SLOs that have policy and objective in common.

    Args:
        min_bad_events: The guard of their burn-rate alerts, as compiled.
    """

    plans: tuple[SloPlan, ...]
    rates: tuple[RateOutcome, ...]
    min_bad_events: int

    @property
    def plan(self) -> SloPlan:
        """Return one of the SLOs, for what they have in common."""
        return self.plans[0]


def simulate(
    plans: Sequence[SloPlan], exact: bool, interval: Duration, error_ratios: Sequence[Decimal]
) -> tuple[Simulation, ...]:
    """
    Return what *error_ratios* do to the alerts of *plans*, alike SLOs together.

    Args:
        exact: Profile `exact`; otherwise `sloth`.
        interval: Evaluation interval of the fast group.
        error_ratios: Shares of bad events, in (0, 1].
    """
    groups: dict[object, list[SloPlan]] = {}
    for plan in plans:
        groups.setdefault(_likeness(plan, exact, interval), []).append(plan)
    return tuple(
        _simulation(tuple(alike), exact, interval, error_ratios) for alike in groups.values()
    )


def expected_detection(
    simulation: Simulation, severity: str, error_ratio: Decimal
) -> Duration | None:
    """Return when theory has the first alert of *severity* fire; `None` for never."""
    plan = simulation.plan
    meta = plan.page if severity == "page" else plan.ticket
    if meta is None:
        return None
    effective = _effective(plan, error_ratio)
    chosen = _pairs(plan.policy, severity)
    found = [_expected_fires(plan, pair, effective, simulation.min_bad_events) for pair in chosen]
    first = min((each for each in found if each is not None), default=None)
    return first if first is None or meta.for_ is None else first + meta.for_


def _likeness(plan: SloPlan, exact: bool, interval: Duration) -> object:
    """Return what SLOs must have in common for the same outcome."""
    shape = shape_of(plan, exact, interval)
    alerts = tuple(
        (each.severity, each.kind, each.windows, each.burn_rate, each.condition)
        for each in shape.alerts
    )
    guarded = any(each.condition and each.condition.min_bad_events for each in shape.alerts)
    traffic = plan.events_per_hour if guarded else None
    return shape.setup, plan.objective, plan.window, alerts, traffic


def _simulation(
    plans: tuple[SloPlan, ...], exact: bool, interval: Duration, error_ratios: Sequence[Decimal]
) -> Simulation:
    plan = plans[0]
    shape = shape_of(plan, exact, interval)
    watched = [alert for alert in shape.alerts if alert.condition is not None]
    budget = plan.error_budget
    found = []
    for ratio in error_ratios:
        effective = _effective(plan, ratio)
        alerts = tuple(_alert(plan, shape.setup, alert, ratio) for alert in watched)
        found.append(RateOutcome(ratio, effective / budget if budget else None, alerts))
    # Nothing of one policy serves another, and timelines of days are large.
    moments.cache_clear()
    episodes.cache_clear()
    play.cache_clear()
    guards = [alert.condition.min_bad_events for alert in watched if alert.condition]
    return Simulation(plans, tuple(found), max(guards, default=0))


def _effective(plan: SloPlan, ratio: Decimal) -> Decimal:
    """Return the share of the budget's units that are bad: of events, or of slices."""
    slices = plan.timeslices
    if slices is None or slices.target is None:
        return ratio
    return Decimal(ratio > (100 - slices.target) / 100)


def _alert(plan: SloPlan, setup: Setup, alert: Expected, ratio: Decimal) -> AlertAtRate:
    effective = _effective(plan, ratio)
    theory = _theory(plan, setup, alert, effective)
    fires, resets = _measured(plan, setup, alert, ratio, theory)
    spent = outage = None
    if fires is not None:
        outage = Duration(round(effective * fires.milliseconds))
        budget = plan.error_budget * plan.time_window.milliseconds
        spent = effective * fires.milliseconds / budget if budget else None
    return AlertAtRate(
        alert.severity,
        alert.kind,
        alert.windows,
        alert.burn_rate,
        fires,
        resets,
        theory.fires,
        theory.resets,
        spent,
        outage,
    )


class _Theory(NamedTuple):
    """
    Hold what the formulas say of one alert.

    Args:
        all_true: Time until every pair of windows that can be true is.
    """

    fires: Duration | None = None
    resets: Duration | None = None
    all_true: Duration | None = None


def _theory(plan: SloPlan, setup: Setup, alert: Expected, effective: Decimal) -> _Theory:
    budget = plan.error_budget
    if not alert.burns:
        if effective <= budget:
            return _Theory()
        gone = Duration(round(plan.time_window.milliseconds * budget / effective))
        return _Theory(gone, None, gone)
    assert alert.condition is not None
    lasting = Duration(alert.condition.for_steps * setup.timing.fast.milliseconds)
    guard = alert.condition.min_bad_events
    begins: list[Duration] = []
    ends: list[Duration] = []
    shown = alert.windows.split(" or ")
    for pair in _pairs(plan.policy, alert.severity):
        fires = _expected_fires(plan, pair, effective, guard)
        if fires is None or f"{pair.long_window}/{pair.short_window}" not in shown:
            continue
        begins.append(fires + lasting)
        reset = reset_time(pair, plan.time_window, budget, effective)
        if guard and plan.events_per_hour:
            # The bad events that the guard counts leave the long window, too.
            kept = pair.long_window.seconds - _collected(plan, guard, effective)
            reset = min(reset, Decimal(kept))
        ends.append(Duration(round(reset * 1000)))
    if not begins:
        return _Theory()
    # Any of the pairs is enough, so the first fires it and the last one resets it.
    return _Theory(min(begins), max(ends), max(begins))


def _pairs(policy: AlertPolicy, severity: str) -> tuple[BurnWindow, BurnWindow]:
    return policy.pages if severity == "page" else policy.tickets


def _collected(plan: SloPlan, guard: int, effective: Decimal) -> float:
    """Return the seconds until *guard* bad events have happened."""
    assert plan.events_per_hour
    return float(guard * 3600 / (plan.events_per_hour * effective))


def _expected_fires(
    plan: SloPlan, pair: BurnWindow, effective: Decimal, guard: int
) -> Duration | None:
    if not effective:
        return None
    found = detection_time(pair, plan.time_window, plan.error_budget, effective)
    if found is None:
        return None
    seconds_ = float(found)
    if guard and plan.events_per_hour:
        seconds_ = max(seconds_, _collected(plan, guard, effective))
        if seconds_ > pair.long_window.seconds:
            return None
    return Duration(round(seconds_ * 1000))


def _measured(
    plan: SloPlan, setup: Setup, alert: Expected, ratio: Decimal, theory: _Theory
) -> tuple[Duration | None, Duration | None]:
    """
    Return when *alert* fires and resets in the arithmetic of the rules.

    Theory says how far to look; a thing that it calls impossible is looked for all the same,
    for as long as the long window remembers.
    """
    assert alert.condition is not None
    step = setup.timing.fast.milliseconds
    # The group has just been evaluated, so it sees the errors last.
    stride = max(1, setup.timing.interval(alert.condition.group).milliseconds // step)
    longest = max(long.milliseconds for long, _, _ in alert.condition.pairs)
    margin = ceil(2 * setup.timing.base.milliseconds / step) + 4 * stride
    ahead = longest if theory.all_true is None else theory.all_true.milliseconds
    if theory.all_true is None and not alert.burns:
        return None, None
    outage = ceil(ahead / step) + margin + alert.condition.for_steps
    short = max(short.milliseconds for _, short, _ in alert.condition.pairs)
    recovery = ceil(short / step) + margin if alert.burns else 0
    phases = (Phase(stride, 0.0), Phase(outage, float(ratio)), Phase(recovery, 0.0))
    began, ended = moments(setup, _feed(plan, setup), (_SERVER,), phases, alert.condition)
    if began is None or began.latest > stride + outage:
        return None, None
    fires = Duration((began.latest - stride) * step)
    if ended is None:
        return fires, None
    return fires, Duration((ended.latest - stride - outage) * step)


def _feed(plan: SloPlan, setup: Setup) -> Feed:
    hourly = plan.events_per_hour
    if hourly is None:
        return Feed("counter", float("inf"))
    return Feed("counter", float(hourly) * setup.timing.fast.milliseconds / _HOUR_MS)
