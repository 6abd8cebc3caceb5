"""Know the incidents of SLOs from what has been read anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from slo.engine.api.view import View
from slo.engine.gates.incidents import Incident, incidents_of
from slo.engine.gates.policy import GatePolicy
from slo.engine.ledger.records import BudgetPoint
from slo.engine.status.model import SloStatus
from slo.engine.status.past import BurnDown

__all__ = ["IncidentBook"]


class IncidentBook:
    """
    Hold the incidents of the present period, worked out once a snapshot for who asks.

    The burn-down says what each hour spent. An incident is made of hours that spent more than
    the period allows an hour of average traffic.

    Args:
        burn_down: Knows how the budget of the present period was spent.
    """

    def __init__(self, burn_down: Callable[[SloStatus], BurnDown | None]) -> None:
        self._burn_down = burn_down
        self._tag = ""
        self._known: dict[str, Sequence[Incident] | None] = {}

    def of(
        self, policy: GatePolicy, view: View, service: str
    ) -> Mapping[str, Sequence[Incident]] | None:
        """Return incidents by key of the SLO; `None` where *policy* does not look at any."""
        if all(rule.incident is None for rule in policy.rules):
            return None
        if view.tag != self._tag:
            self._tag, self._known = view.tag, {}
        found = {}
        for status in view.of_service(service):
            if status.key not in self._known:
                self._known[status.key] = _incidents(status, self._burn_down(status))
            incidents = self._known[status.key]
            if incidents is not None:
                found[status.key] = incidents
        return found


def _incidents(status: SloStatus, burn_down: BurnDown | None) -> Sequence[Incident] | None:
    if burn_down is None or len(burn_down.points) < 2:
        return None
    points = burn_down.points
    seconds = points[-1][0] - points[0][0]
    if seconds <= 0:
        return None
    # In units of the budget: the events of the whole period are 1 / ratio of it.
    spent = [
        BudgetPoint(
            slo=status.key,
            at=start,
            seconds=end - start,
            bad=max(0.0, before - after),
            total=(end - start) / seconds / status.budget.ratio,
            remaining=after,
        )
        for (start, before), (end, after) in pairwise(points)
    ]
    return incidents_of(status.key, spent, status.budget.ratio)
