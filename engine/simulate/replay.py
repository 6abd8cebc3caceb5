"""Read what SLOs have measured from a server, and replay their alerts over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo

from slo import conventions as names
from slo.alerts.backtest import backtest
from slo.alerts.backtest_result import Backtest
from slo.alerts.event_history import EventHistory
from slo.alerts.event_rates import counted
from slo.alerts.recorded_history import RecordedHistory
from slo.alerts.timing import Timing
from slo.duration import Duration
from slo.engine.history import HistoryReader
from slo.engine.sources.protocol import MetricsSource, QueryRefused
from slo.plan import CompositeIndicator, SloPlan

__all__ = ["Replay"]

# Three moments lie in a minute with both its ends.
_EDGES = "count_over_time(vector(1)[1m:30s])"


class Replay:
    """
    Replay SLOs, reading each history once however many of them ask for it.

    Args:
        interval: Evaluation interval of the fast group.
        since: Unix time in seconds; `until` likewise.
        zone: Decides when a day begins.
        sharing: The SLOs to run: the longest period decides how far back all histories go.
        progress: Told what is read, and which share of it is there.
    """

    def __init__(
        self,
        source: MetricsSource,
        interval: Duration,
        since: float,
        until: float,
        zone: tzinfo,
        sharing: Sequence[SloPlan],
        progress: Callable[[str, float], None] | None = None,
    ) -> None:
        self._reader, self._interval, self._zone = HistoryReader(source), interval, zone
        self._since, self._until = since, until
        self._progress = progress
        self._left_open: bool | None = None
        self._longest = max((_lead(plan) for plan in sharing), default=Duration(0))
        self._known: dict[object, list[EventHistory]] = {}

    def run(self, plan: SloPlan, plans: Mapping[str, SloPlan]) -> Backtest:
        """
        Return what *plan* would have seen.

        Args:
            plans: All SLOs of its version by their ids, for the members of a composite.

        Raises:
            ToolError: The server gave no usable answer.
        """
        timing = Timing.of(plan, self._interval)
        recorded = self._recorded(plan, timing, plans)
        span = (self._since, self._until)
        return backtest(plan, timing, recorded, *span, self._zone, _lead(plan))

    def _recorded(
        self, plan: SloPlan, timing: Timing, plans: Mapping[str, SloPlan]
    ) -> list[RecordedHistory]:
        """Return what the rules record for each group of *plan*."""
        left_open = self._ranges_are_left_open()
        if not isinstance(plan.indicator, CompositeIndicator):
            return [
                RecordedHistory(plan, timing, history, left_open=left_open)
                for history in self._histories(plan, timing)
            ]
        members = [
            recorded
            for member in plan.indicator.members
            for recorded in self._recorded(
                plans[member.id], Timing.of(plans[member.id], self._interval), plans
            )
        ]
        if not members:
            return []
        start, count = members[0].history.start, len(members[0].history)
        nothing = EventHistory({}, start, timing.fast, [None] * count, [None] * count)
        whole = RecordedHistory(plan, timing, nothing, members=members, left_open=left_open)
        error, total = (
            whole.values(name(timing.base))
            for name in (names.error_events_rate, names.total_events_rate)
        )
        whole.history = EventHistory({}, start, timing.fast, error, total)
        return [whole]

    def _histories(self, plan: SloPlan, timing: Timing) -> list[EventHistory]:
        # Objectives and windows may differ: what is measured stays the same.
        key = (counted(plan), plan.group_by, timing.base, timing.fast)
        found = self._known.get(key)
        if found is None:
            start = self._since - self._longest.seconds
            # The last step counts, too.
            end = self._until + 0.001
            found = self._reader.read(plan, timing, start, end, self._shown(plan))
            self._known[key] = found
        return found

    def _ranges_are_left_open(self) -> bool:
        """Ask the server whether a range leaves out its oldest end, as from Prometheus 3 on."""
        if self._left_open is None:
            try:
                answer = self._reader.source.instant(_EDGES, self._until // 60 * 60)
            except QueryRefused:
                return True
            counts = [value for series in answer.series for _, value in series.samples]
            self._left_open = counts != [3.0]
        return self._left_open

    def _shown(self, plan: SloPlan) -> Callable[[int, int], None] | None:
        progress = self._progress
        if progress is None:
            return None
        return lambda done, steps: progress(f"{plan.service} {plan.name}", done / steps)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what the server warned of, each once."""
        return tuple(self._reader.warnings)


def _lead(plan: SloPlan) -> Duration:
    """Return how much history lies before a time at which windows and budget are whole."""
    longest = max(plan.time_window, plan.policy.windows[-1])
    # The oldest record needs a base window of raw samples before it.
    return longest + plan.policy.windows[0]
