"""Hold what the API is made of; the server puts it together, and so do tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import Request

from slo.engine.api.decider import Decider
from slo.engine.api.hub import EventHub
from slo.engine.api.ledger_access import LedgerAccess
from slo.engine.api.limits import RateLimiter
from slo.engine.api.metrics import EngineMetrics
from slo.engine.api.shell import Doors, Trace
from slo.engine.api.standing import Standing
from slo.engine.api.view import Views
from slo.engine.ledger.records import BudgetPoint
from slo.engine.status.holder import Holder
from slo.engine.status.model import SloStatus
from slo.engine.status.past import BurnDown

__all__ = ["HistoryReader", "Parts", "parts_of"]


class HistoryReader(Protocol):
    """Know how an SLO stood before."""

    def __call__(
        self, status: SloStatus, start: float, end: float
    ) -> Awaitable[Sequence[BudgetPoint]]:
        """
        Return how *status* stood from *start* to *end*, oldest first.

        Raises:
            LedgerError: Nobody can tell at the moment.
        """
        ...


@dataclass(slots=True)
class Parts:
    """
    Hold the parts.

    Args:
        limiter: Holds clients to a rate.
        unready: Says why the engine cannot serve, in sentences; empty when it can.
        burn_down: Knows how the budget of the present period was spent.
        clock: Returns Unix seconds.
        trace: Takes requests that have ended.
        heartbeat: Seconds between two signs of life on an event stream.
    """

    holder: Holder
    views: Views
    access: LedgerAccess
    standing: Standing
    decider: Decider
    hub: EventHub
    metrics: EngineMetrics
    history: HistoryReader
    limiter: RateLimiter
    clock: Callable[[], float]
    doors: Doors = field(default_factory=Doors)
    unready: Callable[[], Sequence[str]] = lambda: ()
    burn_down: Callable[[SloStatus], BurnDown | None] = lambda status: None
    heartbeat: float = 15.0
    trace: Trace | None = None


def parts_of(request: Request) -> Parts:
    """Return the parts that serve *request*."""
    found: Parts = request.app.state.parts
    return found
