"""
Keep the snapshot fresh: one refresh every so often, whoever reads.

Each replica of the engine polls by itself, so that reading never depends on the database. The
one that holds the lease polls at full pace and writes down how the budgets stood; the others
poll at half of it, and one of them takes over when the lease runs out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from slo.engine.ledger.records import Correction, Freeze, Ledger
from slo.engine.ledger.recurrence import occurrences
from slo.engine.sources.failover import Failover
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import Unavailable
from slo.engine.status.best_effort import BestEffort
from slo.engine.status.budget_points import budget_points
from slo.engine.status.declared import Declared
from slo.engine.status.holder import Holder
from slo.engine.status.memory import RareWalks, let_go
from slo.engine.status.model import Snapshot
from slo.engine.status.past import LONGEST_PERIOD, Past
from slo.engine.status.reading import Answers, Key, Reading, carry_over, sort_by_slo
from slo.engine.status.refresh import PartialAnswers, read_all
from slo.engine.status.snapshots import Inputs, build_snapshot
from slo.errors import ToolError

__all__ = ["LEASE", "Pace", "Poller"]

LEASE = "poller"

_SHARE_OF_READING = 0.8
_SHARE_OF_LEDGER = 0.1
_NO_LEDGER = "The ledger does not answer: corrections and freezes may be missing."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """
    Say how often to refresh, in seconds.

    Args:
        interval: Between two refreshes of the leader; a follower takes twice as long.
        jitter: At most so much is added, so that engines do not ask in step.
        deadline: Limit of one refresh, all sources and attempts together.
        point_every: Between two budget points of an SLO. The recorded rates look back five
            minutes, so that points five minutes apart count each event once.
    """

    interval: float = 30.0
    jitter: float = 3.0
    deadline: float = 24.0
    point_every: float = 300.0

    def __post_init__(self) -> None:
        if not 0 < self.deadline < self.interval:
            raise ValueError("the deadline of a refresh must be shorter than the interval")

    @property
    def lease(self) -> float:
        """Return how long the lease lasts: one refresh may be missed, not two."""
        return 1.5 * self.interval


class Poller:
    """
    Read all SLOs again and again, and publish how they stand.

    Args:
        failover: The servers to read from.
        holder: Takes the snapshots.
        declared: SLOs of the specs, by id.
        ledger: Keeps corrections, freezes and budget points; may be missing, or fail.
        name: Of this replica, in the lease.
        clock: Returns Unix seconds.
    """

    def __init__(
        self,
        failover: Failover,
        holder: Holder,
        *,
        declared: Mapping[str, Declared] | None = None,
        ledger: Ledger | None = None,
        pace: Pace | None = None,
        name: str = "engine",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.pace = pace or Pace()
        self.declared: Mapping[str, Declared] = declared or {}
        self._failover, self._holder = failover, holder
        self._ledger, self._name, self._clock = ledger, name, clock
        self._keeping = BestEffort()
        self._walks = RareWalks()
        self._readings: Mapping[Key, Reading] = {}
        self._about: Answers | None = None
        # The specs that the published snapshot was made with.
        self._shown: Mapping[str, Declared] = self.declared
        self._freezes: Sequence[Freeze] = ()
        self._corrections: Sequence[Correction] = ()
        self.past = Past()
        self._number = 0
        # Until the database says otherwise: where it is gone, nobody reads less often.
        self._leads = True
        self._refreshed_at = float("-inf")
        self._failing_since: float | None = None
        self._point_at = float("-inf")
        self._running: asyncio.Task[None] | None = None
        self._ledger_answers = ledger is None
        self._looking: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._scheduler: Any = None

    @property
    def leads(self) -> bool:
        """Tell whether this replica writes down how the budgets stood."""
        return self._leads

    def start(self) -> None:
        """Refresh now and from now on, in the running event loop."""
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.add_job(
            self._scheduled,
            "interval",
            seconds=self.pace.interval,
            jitter=self.pace.jitter or None,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=max(1, int(self.pace.interval)),
            next_run_time=datetime.now(UTC),
        )
        self._scheduler.start()

    async def stop(self) -> None:
        """Stop refreshing, and give the lease back."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None
        tasks = [t for t in (self._running, self._looking, self._writing) if t is not None]
        for task in (self._running, self._looking):
            if task is not None:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._ledger is not None and self._leads and not self._keeping.closed:
            await self._keeping.run(self._ledger.release_lease, LEASE, self._name)
        self._keeping.close()
        self._walks.end()

    async def refresh(self) -> None:
        """Refresh once; who comes while a refresh runs waits for that one."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._refresh())
        await asyncio.shield(self._running)

    async def idle(self) -> None:
        """Return when nothing is being written any more."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _scheduled(self) -> None:
        try:
            await self.tick()
        except asyncio.CancelledError:
            # `stop` cancels a refresh that runs; to the scheduler that would be a failed job.
            if self._scheduler is not None:
                raise

    async def tick(self) -> None:
        """Do what is due: find out who leads, and refresh if it is time."""
        await self._elect()
        pause = self.pace.interval * (1 if self._leads else 2)
        since = self._clock() - self._refreshed_at
        # Jitter makes ticks come early now and then; a clock that was set back says nothing.
        if since < 0 or since >= pause - self.pace.interval / 2:
            await self.refresh()

    async def _elect(self) -> None:
        if self._ledger is None:
            return
        won = await self._keeping.run(
            self._ledger.acquire_lease, LEASE, self._name, self.pace.lease
        )
        if won is not None:
            self._leads = won

    async def _refresh(self) -> None:
        now = self._refreshed_at = self._clock()
        try:
            async with asyncio.timeout(self.pace.deadline):
                snapshot = await self._make(now)
            self._note_success(now)
            old = self._holder.publish(snapshot)
            self._write_points(snapshot)
            garbage: list[object] = [] if old is None else [*old.statuses]
            del old
            await asyncio.to_thread(let_go, garbage)
            self._walks.after_refresh(len(snapshot.statuses), now)
        except (ToolError, TimeoutError) as error:
            self._note_failure(str(error) or "it took too long", now)
            self._keep_old(now)

    def _note_failure(self, reason: str, now: float) -> None:
        """Log once that nothing can be read; every attempt would bury all else."""
        if self._failing_since is None:
            self._failing_since = now
            _log.warning("no refresh: %s", reason)

    def _note_success(self, now: float) -> None:
        if self._failing_since is not None:
            _log.warning("refreshed again after %.0f s", now - self._failing_since)
            self._failing_since = None

    async def _make(self, now: float) -> Snapshot:
        looking = self._look_into_ledger(now)
        source, answers = await self._read()
        garbage: list[object] = [*self._readings.values()]
        await asyncio.to_thread(self._sort, answers, self._clock())
        for answer in answers.given:
            garbage += answer.series
        about = answers.without_series()
        del answers
        await asyncio.to_thread(let_go, garbage)
        if looking is not None:
            await asyncio.wait([looking], timeout=_SHARE_OF_LEDGER * self.pace.deadline)
        await self._read_past(source, now)
        self._number += 1
        self._about, self._shown = about, self.declared
        return await asyncio.to_thread(self._build, about, self._number, self._clock())

    async def _read(self) -> tuple[HttpSource, Answers]:
        partial: list[tuple[HttpSource, Answers]] = []
        # What is left over is for the past, and for making the snapshot.
        within = _SHARE_OF_READING * self.pace.deadline / len(self._failover.sources)

        async def work(source: HttpSource) -> tuple[HttpSource, Answers]:
            try:
                return source, await read_all(source, within)
            except PartialAnswers as error:
                partial.append((source, error.answers))
                raise

        try:
            source, answers = await self._failover.first(work)
        except Unavailable:
            # Half of the truth, marked as such, is better than an old one.
            if not partial:
                raise
            return partial[0]
        self._failover.answered(source.name, answers.warnings)
        return source, answers

    def _sort(self, answers: Answers, now: float) -> None:
        thresholds = self._holder.thresholds
        current = sort_by_slo(answers, now, self._readings)
        oldest = now - thresholds.stale_after - thresholds.forget_after
        self._readings = carry_over(self._readings, current, oldest)

    async def _read_past(self, source: HttpSource, now: float) -> None:
        left = self.pace.deadline - (self._clock() - now)
        await self.past.read(
            source,
            self._readings,
            self.declared,
            self._corrections,
            now,
            max(0.1, _SHARE_OF_READING * left),
        )

    def _build(self, answers: Answers, number: int, now: float) -> Snapshot:
        warnings = answers.warnings
        if not self._ledger_answers:
            warnings += (_NO_LEDGER,)
        inputs = Inputs(
            self._readings,
            answers.source,
            declared=self.declared,
            corrected=self.past.corrected,
            expiring=self.past.expiring,
            freezes=self._freezes,
            sources=self._failover.health(),
            warnings=warnings,
            complete=answers.complete,
            thresholds=self._holder.thresholds,
        )
        return build_snapshot(inputs, number, now)

    def _keep_old(self, now: float) -> None:
        """Publish the old numbers with what is known about the servers now."""
        old = self._holder.current(now)
        health = self._failover.health()
        about, new_specs = self._about, self._shown is not self.declared
        if old is None or about is None:
            self._shown = self.declared
            inputs = Inputs(
                {},
                health[0].name,
                declared=self.declared,
                sources=health,
                complete=False,
                never_read=True,
                thresholds=self._holder.thresholds,
            )
            # Who asks again does not make it any younger.
            begun = now if old is None else old.taken_at
            self._holder.publish(build_snapshot(inputs, 0, begun))
        elif new_specs:
            self._shown = self.declared
            self._holder.publish(self._build(about, old.number, old.taken_at))
        else:
            self._holder.publish(replace(old, sources=health))

    def _look_into_ledger(self, now: float) -> asyncio.Task[None] | None:
        """Read corrections and freezes beside the metrics: a database may hang."""
        if self._ledger is not None and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._read_ledger(self._ledger, now))
        return self._looking

    async def _read_ledger(self, ledger: Ledger, now: float) -> None:
        freezes = await self._keeping.run(ledger.freezes, now, now)
        corrections = await self._keeping.run(ledger.corrections, now - LONGEST_PERIOD, now)
        self._ledger_answers = freezes is not None and corrections is not None
        if freezes is not None:
            self._freezes = [f for f in freezes if occurrences(f, now, now)]
        if corrections is not None:
            self._corrections = [c for c in corrections if c.cancelled_at is None]

    def _write_points(self, snapshot: Snapshot) -> None:
        since = snapshot.taken_at - self._point_at
        due = since < 0 or since >= self.pace.point_every - self.pace.jitter
        busy = self._writing is not None and not self._writing.done()
        if self._ledger is None or not self._leads or not due or busy:
            return
        self._point_at = snapshot.taken_at
        points = budget_points(snapshot, self._readings, self.pace.point_every)
        self._writing = asyncio.create_task(
            self._keeping.run(self._ledger.add_budget_points, points, within=self.pace.point_every)
        )
