"""Put SLOs in the order in which they need attention, as the board does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from slo.engine.status.model import SloStatus, State

__all__ = ["by_attention", "left_of"]

_LOW = 0.25
_FIRST = (State.BREACHED, State.STALE, State.NO_DATA)


def by_attention(statuses: Iterable[SloStatus]) -> Sequence[SloStatus]:
    """
    Return *statuses*, those first that need attention.

    Breached, stale, no data, a page, a ticket, little budget left, frozen, and then the rest;
    the least budget first among equals.
    """
    return sorted(statuses, key=lambda status: (_rank(status), _left(status), status.key))


def left_of(status: SloStatus) -> float | None:
    """Return the share of the budget that is left; of a calendar period, projected."""
    budget = status.budget
    return budget.projected if budget.projected is not None else budget.remaining


def _left(status: SloStatus) -> float:
    left = left_of(status)
    return math.inf if left is None else left


def _rank(status: SloStatus) -> int:
    if status.state in _FIRST:
        return _FIRST.index(status.state)
    firing = [alert for alert in status.alerts if alert.state == "firing"]
    if any(alert.severity == "page" for alert in firing):
        return 3
    if firing:
        return 4
    if _left(status) < _LOW:
        return 5
    return {State.WARNING: 6, State.FROZEN: 7}.get(status.state, 8)
