"""Make a snapshot of what was read, declared, corrected and frozen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import lru_cache

from slo import conventions as names
from slo.duration import Duration
from slo.engine.ledger.records import Freeze
from slo.engine.sources.turns import in_turns
from slo.engine.status.corrections import Corrected
from slo.engine.status.declared import Declared, method_of
from slo.engine.status.exhaustion import Expiring, Outlook, exhaustion
from slo.engine.status.model import (
    Alert,
    Budget,
    BurnRate,
    Events,
    Exhaustion,
    Period,
    Provenance,
    SloStatus,
    Snapshot,
    SourceHealth,
    State,
    Threshold,
)
from slo.engine.status.periods import period_of
from slo.engine.status.reading import Key, Reading
from slo.engine.status.states import Thresholds, by_urgency, judge, stale_reason
from slo.engine.status.targets import targets

__all__ = ["Inputs", "aged", "build_snapshot", "window_seconds"]

# Statuses that are made before others get a turn: a millisecond of work.
_AT_ONCE = 30
# The likely one first; then those that move with the last hour and with the last days.
_FORECAST_WINDOWS = (6 * 3_600.0, 3_600.0, 3 * 86_400.0)

_NOT_RECORDED = "Nothing is recorded for this SLO: are its rules loaded, and do they work?"
_NEVER_READ = "No metrics server has answered yet."
_NO_BUDGET = "No budget is recorded: the indicator finds no events, or its rules have not run yet."
_NOT_CORRECTED = "A correction does not count: the rules of this SLO record no events."
_NOT_CORRECTED_YET = "Some of the corrected time has not been read yet, and counts."
_AGE_NOT_KNOWN = f"Nobody knows how old the numbers are: {names.OBJECTIVE} is not recorded."
_SILENT = "The indicator records nothing now: the metrics that it reads are gone."


def _nothing(key: Key, one: float, other: float) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Inputs:
    """
    Hold what a snapshot is made of.

    Args:
        declared: SLOs of the specs, by id.
        corrected: Says what corrections take out of an SLO's count between two moments.
        expiring: Says what a rolling window will lose, by its budget and its length.
        freezes: Those in force.
        source: Name of the server that answered.
        warnings: What it said about its answers.
        never_read: No server has answered so far.
    """

    readings: Mapping[Key, Reading]
    source: str
    declared: Mapping[str, Declared] = field(default_factory=dict)
    corrected: Callable[[Key, float, float], Corrected | None] = _nothing
    expiring: Callable[[Key, float, float], Expiring | None] = _nothing
    freezes: Sequence[Freeze] = ()
    sources: tuple[SourceHealth, ...] = ()
    warnings: tuple[str, ...] = ()
    complete: bool = True
    never_read: bool = False
    thresholds: Thresholds = field(default_factory=Thresholds)


def build_snapshot(inputs: Inputs, number: int, now: float) -> Snapshot:
    """
    Return how all SLOs stand, sorted by their keys.

    Args:
        number: Of the snapshot.
        now: Unix time.
    """
    statuses = [
        status
        for reading in in_turns(inputs.readings.values(), _AT_ONCE)
        if (status := _status(reading, inputs, now)) is not None
    ]
    recorded = {slo_id for slo_id, _ in inputs.readings}
    statuses += [
        _silent(declared, inputs, now)
        for slo_id, declared in inputs.declared.items()
        if slo_id not in recorded
    ]
    statuses.sort(key=lambda status: status.key)
    return Snapshot(
        number,
        now,
        tuple(statuses),
        inputs.sources,
        inputs.complete,
        _stale_from(statuses, inputs.thresholds.stale_after),
    )


def _silent(declared: Declared, inputs: Inputs, now: float) -> SloStatus:
    plan = declared.plan
    reading = Reading(plan.id, plan.service, plan.name)
    status = _status(reading, inputs, now)
    assert status is not None
    return status


def _status(reading: Reading, inputs: Inputs, now: float) -> SloStatus | None:
    declared = inputs.declared.get(reading.id)
    plan = declared.plan if declared else None
    objective = float(plan.objective) if plan else reading.objective
    if objective is None:
        # Series that only look like those of an SLO.
        return None
    days = reading.days
    if plan and (days is None or plan.calendar):
        days = plan.time_window.seconds / 86_400
    as_of = now if plan or reading.evaluated_at is None else reading.evaluated_at
    period = period_of(days, reading.elapsed, plan.calendar if plan else None, as_of)
    if period is None:
        period = Period("", "rolling", 0.0)
    share = float(plan.error_budget) if plan else _budget_share(reading, objective)
    start = period.start if period.start is not None else now - period.seconds
    corrected = inputs.corrected(reading.key, start, now)
    events = _events(reading, period, corrected)
    coverage = reading.coverage.get(period.name)
    budget = _budget(reading, period, events, share, coverage, corrected is not None)
    age = None if reading.evaluated_at is None else max(0.0, now - reading.evaluated_at)
    alerts = _with_values(reading, share)
    judgement = judge(
        thresholds=inputs.thresholds,
        age=age,
        missing=_NEVER_READ if inputs.never_read else _missing(reading, budget),
        budget=budget,
        alerts=alerts,
        freezes=[freeze for freeze in inputs.freezes if targets(freeze.target, reading)],
    )
    burn_rates = _burn_rates(reading, period, share, declared.thresholds if declared else {})
    warnings = inputs.warnings
    if corrected is not None and (corrected.missing or events.total is None):
        warnings += (_NOT_CORRECTED if events.total is None else _NOT_CORRECTED_YET,)
    return SloStatus(
        id=reading.id,
        service=reading.service,
        name=reading.name,
        state=judgement.state,
        objective=objective,
        method=method_of(plan) if plan else _method(reading),
        period=period,
        events=events,
        budget=budget,
        provenance=Provenance(reading.evaluated_at, age, coverage, inputs.source, warnings),
        group=dict(reading.group),
        sli=_sli(reading, period, events, budget),
        burn_rates=burn_rates,
        alerts=alerts,
        exhaustion=_exhaustion(reading, period, events, budget, burn_rates, coverage, inputs, now),
        corrections=corrected.applied if corrected else (),
        reasons=judgement.reasons,
        description=plan.description if plan else "",
        owner=plan.owner if plan else reading.labels.get(names.OWNER_LABEL),
        tier=plan.tier if plan else reading.labels.get(names.TIER_LABEL),
        runbook=plan.runbook if plan else None,
        revision=declared.revision if declared else None,
    )


def _budget_share(reading: Reading, objective: float) -> float:
    # In decimals: 100 - 99.9 is 0.09999999999999432.
    text = reading.labels.get(names.LABEL_OBJECTIVE, str(objective))
    return float((100 - Decimal(text)) / 100)


def _method(reading: Reading) -> str:
    return "timeslices" if reading.unit == "slices" else "occurrences"


def _events(reading: Reading, period: Period, corrected: Corrected | None) -> Events:
    bad, total = reading.bad.get(period.name), reading.total.get(period.name)
    if bad is None or total is None:
        return Events("none")
    if corrected is not None:
        # Sums of rates and their parts differ in the last digits, and by an evaluation.
        total = max(0.0, total - corrected.total)
        bad = min(total, max(0.0, bad - corrected.bad))
    return Events(reading.unit, total - bad, bad, total)


def _budget(
    reading: Reading,
    period: Period,
    events: Events,
    share: float,
    coverage: float | None,
    corrected: bool,
) -> Budget:
    remaining, projected = _finite(reading.remaining), _finite(reading.projected)
    if corrected and events.total is not None and events.bad is not None:
        allowed = share * events.total
        # Where all is corrected nothing is spent.
        remaining = 1 - events.bad / allowed if allowed else 1.0 if share else None
        projected = None
    if projected is None and remaining is not None:
        elapsed = min(1.0, period.elapsed) if period.kind == "calendar" else 1.0
        projected = 1 - (1 - remaining) * elapsed
    left = None
    if events.total is not None and events.bad is not None:
        left = share * events.total - events.bad
    minutes = None
    if remaining is not None:
        seconds = period.seconds * (period.elapsed if period.kind == "calendar" else 1.0)
        measured = seconds * (1.0 if coverage is None else coverage)
        minutes = remaining * share * measured / 60
    consumed = None if remaining is None else 1 - remaining
    return Budget(share, consumed, remaining, projected, left, minutes)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _sli(reading: Reading, period: Period, events: Events, budget: Budget) -> float | None:
    if events.total and events.good is not None:
        return events.good / events.total
    ratio = reading.ratios.get(period.name)
    if ratio is not None:
        return 1 - ratio
    return None if budget.consumed is None else 1 - budget.consumed * budget.ratio


def _missing(reading: Reading, budget: Budget) -> str | None:
    if reading.evaluated_at is None and reading.remaining is None and not reading.ratios:
        return _NOT_RECORDED
    if reading.evaluated_at is None:
        return _AGE_NOT_KNOWN
    counted = bool(reading.total) or reading.unit != "none"
    if counted and reading.traffic is None:
        return _SILENT
    if budget.remaining is None and budget.ratio:
        return _NO_BUDGET
    return None


def _burn_rates(
    reading: Reading,
    period: Period,
    share: float,
    thresholds: Mapping[str, tuple[Threshold, ...]],
) -> tuple[BurnRate, ...]:
    if not share:
        return ()
    found = []
    for window, ratio in reading.ratios.items():
        seconds = window_seconds(window)
        if seconds is not None and seconds < period.seconds:
            limits = thresholds.get(window, ())
            found.append((seconds, BurnRate(window, ratio / share, limits)))
    return tuple(burn_rate for _, burn_rate in sorted(found, key=lambda pair: pair[0]))


@lru_cache(maxsize=256)
def window_seconds(window: str) -> float | None:
    """Return the length of the window *window*, such as `1h`; `None` for `month`."""
    try:
        return Duration.parse(window).seconds
    except ValueError:
        return None


def _with_values(reading: Reading, share: float) -> tuple[Alert, ...]:
    """Return the alerts by urgency, those of burn rates with that of their long window."""
    alerts = sorted(reading.alerts, key=by_urgency) if reading.alerts else ()
    if not share or not alerts:
        return tuple(alerts)
    return tuple(
        replace(alert, value=None if ratio is None else ratio / share)
        for alert in alerts
        for ratio in (reading.ratios.get(alert.windows.partition("/")[0]),)
    )


def _exhaustion(
    reading: Reading,
    period: Period,
    events: Events,
    budget: Budget,
    burn_rates: Sequence[BurnRate],
    coverage: float | None,
    inputs: Inputs,
    now: float,
) -> Exhaustion | None:
    if budget.projected is None or not burn_rates or not period.seconds:
        return None
    calendar = period.kind == "calendar"
    measured = period.seconds * (1.0 if coverage is None else coverage)
    outlook = Outlook(
        remaining=budget.projected,
        window=period.seconds,
        ends_in=period.end - now if calendar and period.end is not None else None,
        budget=budget.ratio,
        slack=budget.remaining_events,
        events_per_second=(events.total or 0.0) / measured if measured else 0.0,
    )
    expiring = (
        None
        if calendar or not events.total
        else inputs.expiring(reading.key, budget.ratio, period.seconds)
    )
    return exhaustion(outlook, _forecasts(burn_rates), now, expiring)


def _forecasts(burn_rates: Sequence[BurnRate]) -> list[float]:
    """Return the burn rates of the windows nearest to 6 hours, 1 hour and 3 days."""
    known = [
        (seconds, b.rate)
        for b in burn_rates
        if b.rate is not None and (seconds := window_seconds(b.window))
    ]
    return [
        min(known, key=lambda pair: abs(math.log(pair[0] / wanted)))[1]
        for wanted in _FORECAST_WINDOWS
        if known
    ]


def aged(snapshot: Snapshot, now: float, thresholds: Thresholds | None = None) -> Snapshot:
    """
    Return *snapshot* as it is to be read at *now*: what has become too old is stale.

    It is the same object until then. Ages in it are of its own time; the age of a status at
    any other is `now - status.provenance.evaluated_at`.
    """
    if now < snapshot.stale_from:
        return snapshot
    limits = thresholds or Thresholds()
    statuses = tuple(_aged(status, now, limits) for status in snapshot.statuses)
    return replace(
        snapshot, statuses=statuses, stale_from=_stale_from(statuses, limits.stale_after)
    )


def _aged(status: SloStatus, now: float, thresholds: Thresholds) -> SloStatus:
    evaluated_at = status.provenance.evaluated_at
    if evaluated_at is None or status.state is State.STALE:
        return status
    age = now - evaluated_at
    if age <= thresholds.stale_after:
        return status
    return replace(
        status,
        state=State.STALE,
        reasons=(stale_reason(age), *status.reasons),
        provenance=replace(status.provenance, age=age),
    )


def _stale_from(statuses: Sequence[SloStatus], stale_after: float) -> float:
    """Return the first moment at which one of *statuses* that is not stale becomes so."""
    moments = (
        status.provenance.evaluated_at
        for status in statuses
        if status.provenance.evaluated_at is not None and status.state is not State.STALE
    )
    # A moment later than the age that is still accepted.
    return min(moments, default=math.inf) + stale_after + 0.001
