"""Say which freezes are in force, of the policy and of the ledger alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from slo.engine.gates.policy import GatePolicy
from slo.engine.ledger.records import Freeze, Target

__all__ = ["ActiveFreeze", "Subject", "active_freezes", "next_freeze", "targeted"]

# Expanding a recurrence costs more than a whole decision, so it is done once for a stretch.
_STRETCH = 6 * 3_600
# Freezes that follow each other without a gap are one; we look so far for their end.
_HORIZON = 60 * 86_400.0


@dataclass(frozen=True, slots=True)
class Subject:
    """
    Name what is to be deployed where.

    Args:
        slo: `service/name`; the name is empty where the service has no known SLO.
    """

    slo: str
    tier: str | None
    environment: str


@dataclass(frozen=True, slots=True)
class ActiveFreeze:
    """
    Hold a freeze that is in force.

    Args:
        until: When it ends; infinite where that is too far away to matter.
    """

    name: str
    reason: str
    until: float
    time_zone: str


def targeted(target: Target, subject: Subject) -> bool:
    """Tell whether *target* of the ledger means *subject*."""
    return fnmatchcase(subject.slo, target.slo) and fnmatchcase(
        subject.environment, target.environment
    )


def active_freezes(
    policy: GatePolicy, freezes: Iterable[Freeze], subject: Subject, now: float
) -> list[ActiveFreeze]:
    """Return the freezes in force for *subject* at *now*."""
    found: list[ActiveFreeze] = []
    for name, reason, zone, spans in _meant(policy, freezes, subject):
        if any(_covering(span, now) is not None for span in spans):
            found.append(ActiveFreeze(name, reason, _end(spans, now), zone))
    return found


def next_freeze(
    policy: GatePolicy, freezes: Iterable[Freeze], subject: Subject, now: float, within: float
) -> float:
    """Return when the next freeze begins; infinite when none does *within* so many seconds."""
    starts = [
        start
        for _, _, _, spans in _meant(policy, freezes, subject)
        for span in spans
        for start, _ in _occurrences(span, now, now + within)
        if now < start <= now + within
    ]
    return min(starts, default=math.inf)


def _meant(
    policy: GatePolicy, freezes: Iterable[Freeze], subject: Subject
) -> Iterator[tuple[str, str, str, Sequence[Freeze]]]:
    for freeze in policy.freezes:
        if freeze.scope.covers(subject.slo, subject.tier, subject.environment):
            yield freeze.name, freeze.reason, freeze.time_zone, freeze.spans
    for record in freezes:
        if targeted(record.target, subject):
            yield record.id, record.reason, record.time_zone, (record,)


def _covering(span: Freeze, now: float) -> float | None:
    """Return when the occurrence that holds *now* ends."""
    return next((end for start, end in _occurrences(span, now, now) if start <= now < end), None)


def _end(spans: Sequence[Freeze], now: float) -> float:
    at = now
    while True:
        ends = [end for span in spans if (end := _covering(span, at)) is not None]
        if not ends:
            return at
        at = max(ends)
        if at > now + _HORIZON:
            return math.inf if any(span.recurrence for span in spans) else at


def _occurrences(span: Freeze, start: float, end: float) -> Iterator[tuple[float, float]]:
    if span.recurrence is None:
        last = span.end if span.cancelled_at is None else min(span.end, span.cancelled_at)
        if span.start < last:
            yield span.start, last
        return
    for stretch in range(int(start // _STRETCH), int(end // _STRETCH) + 1):
        yield from _expanded(span, stretch)


@lru_cache(maxsize=4096)
def _expanded(span: Freeze, stretch: int) -> tuple[tuple[float, float], ...]:
    # Of no use to most policies, and it needs dateutil.
    from slo.engine.ledger.recurrence import occurrences

    return occurrences(span, stretch * _STRETCH, (stretch + 1) * _STRETCH)
