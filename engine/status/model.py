"""
Hold how SLOs stand: what the poller fills in, and what API, gates, board and reports read.

Everything here is immutable. Times are Unix seconds, lengths are seconds, budgets and shares
are ratios, and a budget's remaining share is never clamped: -0.6 says that 160 % are spent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = [
    "Alert",
    "AppliedCorrection",
    "Budget",
    "BurnRate",
    "Events",
    "Exhaustion",
    "Period",
    "Provenance",
    "SloStatus",
    "Snapshot",
    "SourceHealth",
    "State",
    "Threshold",
]


class State(StrEnum):
    """
    Say in one word how an SLO stands; the worst that applies, in this order.

    `stale`: the numbers are too old to be relied on. `no_data`: the indicator records nothing.
    `breached`: the budget is gone. `frozen`: a freeze is in force. `warning`: a burn-rate alert
    fires, or little budget is left. `ok`: none of these.
    """

    OK = "ok"
    WARNING = "warning"
    FROZEN = "frozen"
    BREACHED = "breached"
    NO_DATA = "no_data"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Period:
    """
    Hold the compliance window.

    Args:
        name: `30d`, or `month`.
        kind: `rolling` or `calendar`.
        seconds: Its whole length.
        start: When it began; of a rolling one, the far end of its look-back.
        end: When the budget starts anew; `None` for a rolling one.
        elapsed: Share of it that is over; 1 for a rolling one.
    """

    name: str
    kind: str
    seconds: float
    start: float | None = None
    end: float | None = None
    elapsed: float = 1.0


@dataclass(frozen=True, slots=True)
class Events:
    """
    Count what happened in the period, corrections applied.

    Args:
        unit: `events`, `slices` of time, or `none` where only a ratio is known.
    """

    unit: str
    good: float | None = None
    bad: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """
    Hold the error budget.

    Args:
        ratio: Share of events that may be bad.
        consumed: Share of the budget that is spent, against the events so far.
        remaining: `1 - consumed`.
        projected: What remains of a calendar period's whole budget if traffic goes on as so
            far; equals *remaining* for a rolling period.
        remaining_events: Bad events that may still happen: `B * total - bad`.
        remaining_minutes: The same as minutes of full outage at average traffic.
    """

    ratio: float
    consumed: float | None = None
    remaining: float | None = None
    projected: float | None = None
    remaining_events: float | None = None
    remaining_minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """
    Hold the burn rate above which somebody is told, if the other window of the pair is as well.

    Args:
        severity: `page` or `ticket`.
    """

    severity: str
    rate: float


@dataclass(frozen=True, slots=True)
class BurnRate:
    """
    Hold how many times faster than allowed the budget burns over one window.

    Args:
        thresholds: Those of the alerts that look at this window, pages first; none where the
            engine does not have the spec.
    """

    window: str
    rate: float | None
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """
    Hold one alert that fires or is pending.

    Args:
        kind: `burn_rate`, `budget_exhausted` or `missing_data`; empty for rules of others.
        windows: Long and short window, such as `1h/5m`; empty where there are none.
    """

    name: str
    severity: str
    state: str
    kind: str = ""
    windows: str = ""
    since: float | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """
    Say when the budget will be gone, in seconds from the evaluation; `None` for never.

    Args:
        method: `linear`, or `expiry_aware` where errors that leave a rolling window are taken
            into account.
        likely: At the burn rate of the last six hours; *earliest* and *latest* at the highest
            and lowest of those of one hour, six hours and three days.
        capped_by_reset: The period ends first.
    """

    method: str
    likely: float | None
    earliest: float | None
    latest: float | None
    capped_by_reset: bool = False


@dataclass(frozen=True, slots=True)
class AppliedCorrection:
    """Name a correction of the ledger and what it took out of the count."""

    id: str
    effect: str
    bad: float
    total: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """
    Say where numbers come from and how far they can be trusted.

    Args:
        evaluated_at: When the server last evaluated the rules of this SLO.
        age: Seconds since then, as of the snapshot.
        coverage: Share of the period that was measured; `None` where it is not recorded.
        source: Name of the server that answered.
        warnings: What the server said about its answer, such as partial results.
    """

    evaluated_at: float | None
    age: float | None
    coverage: float | None
    source: str
    warnings: tuple[str, ...] = ()


_NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class SloStatus:
    """
    Hold how one SLO, or one group of a grouped SLO, stands.

    Args:
        id: As in the label `sloth_id`.
        group: Labels of the group; empty where the SLO has none.
        method: `occurrences`, `timeslices` or `ratio_timeslices`.
        objective: Target in percent.
        sli: Share of good events in the period.
        revision: Digest of the spec, where the engine has compiled it.
        reasons: Why the state is what it is, for people.
    """

    id: str
    service: str
    name: str
    state: State
    objective: float
    method: str
    period: Period
    events: Events
    budget: Budget
    provenance: Provenance
    group: Mapping[str, str] = field(default_factory=lambda: _NO_LABELS)
    sli: float | None = None
    burn_rates: tuple[BurnRate, ...] = ()
    alerts: tuple[Alert, ...] = ()
    exhaustion: Exhaustion | None = None
    corrections: tuple[AppliedCorrection, ...] = ()
    reasons: tuple[str, ...] = ()
    description: str = ""
    owner: str | None = None
    tier: str | None = None
    runbook: str | None = None
    revision: str | None = None

    @property
    def key(self) -> str:
        """Return `service/name`, with the group in braces where there is one."""
        groups = ",".join(f"{label}={value}" for label, value in sorted(self.group.items()))
        return f"{self.service}/{self.name}" + (f"{{{groups}}}" if groups else "")

    def burn_rate(self, window: str) -> float | None:
        """Return the burn rate over *window*, such as `1h`."""
        return next((b.rate for b in self.burn_rates if b.window == window), None)


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """
    Say how a metrics server is doing.

    Args:
        state: `up`, `degraded` (answers with warnings), `down`, or `refusing` (the query is
            wrong, not the server).
        circuit: `closed`, `open` or `half_open`.
    """

    name: str
    state: str
    circuit: str
    last_success: float | None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    Hold all SLOs at one moment; readers keep one and never wait for the next.

    Args:
        number: Counts up with each refresh.
        taken_at: When it was taken.
        statuses: Sorted by key.
        complete: Every query of the refresh was answered.
        stale_from: When the first of its SLOs becomes stale, unless a newer one comes.
    """

    number: int
    taken_at: float
    statuses: tuple[SloStatus, ...]
    sources: tuple[SourceHealth, ...]
    complete: bool = True
    stale_from: float = math.inf

    def of_service(self, service: str) -> tuple[SloStatus, ...]:
        """Return the SLOs of *service*."""
        return tuple(status for status in self.statuses if status.service == service)

    def age(self, now: float) -> float:
        """Return seconds since the snapshot was taken."""
        return max(0.0, now - self.taken_at)
