"""Fill the recorded series of many SLOs, one after the other, from what a server knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from slo import conventions as names
from slo.alerts.event_history import EventHistory
from slo.alerts.grid_operators import Labels, labels_of
from slo.alerts.model import RecordingRule, RuleGroup
from slo.alerts.recorded_history import RecordedHistory, RecordedSeries
from slo.alerts.timing import Timing
from slo.duration import Duration, days
from slo.engine.backfill.cut import between, without
from slo.engine.backfill.existing import existing_samples, recorded_rates, recorded_stretches
from slo.engine.backfill.state import State
from slo.engine.history import HistoryReader, aligned
from slo.errors import ToolError
from slo.plan import CompositeIndicator, SloPlan

__all__ = ["Backfill", "Job", "Report", "Target", "days_of"]

_DAY = 86_400
# 160 megabytes of times and values.
_MOST_SAMPLES = 10_000_000

Column = list[float | None]
Progress = Callable[[str, float, float], None]
"""Told the SLO, the Unix time that it is at, and the share of the whole run that is done."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Hold one SLO with the rules that record it."""

    plan: SloPlan
    timing: Timing
    groups: Sequence[RuleGroup]


class Target(Protocol):
    """Take samples; `slice` is how many milliseconds are written at once."""

    slice: int

    def recover(self) -> None:
        """Put right what a killed run has left."""

    def write(self, slos: list[str], start: int, end: int, series: list[RecordedSeries]) -> None:
        """Write the samples of *slos* from *start* until before *end*, in Unix milliseconds."""


@dataclass(slots=True)
class Report:
    """
    Say what was done for one SLO.

    Args:
        first: Unix time of the first event rate; `None` when nothing was found.
        coverage: Share of the steps with a rate.
        samples: How many were written.
        existing: How many were there already, on the server or by an earlier run.
        budget: What is left of the error budget at the end, by group.
    """

    slo: str
    first: float | None = None
    coverage: float = 0.0
    samples: int = 0
    existing: int = 0
    budget: dict[str, float] = field(default_factory=dict)


def days_of(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the days in UTC from *start* until *end*, the first and last cut, in Unix seconds."""
    while start < end:
        stop = min(end, (start // _DAY + 1) * _DAY)
        yield start, stop
        start = stop


class Backfill:
    """
    Fill from the state's `since` until its `until`.

    Args:
        jobs: All SLOs of the run, by id; the members of a composite among them.
        progress: Told how far it is.
    """

    def __init__(
        self,
        reader: HistoryReader,
        jobs: Mapping[str, Job],
        state: State,
        target: Target,
        progress: Progress,
    ) -> None:
        self._reader, self._jobs, self._state, self._target = reader, jobs, state, target
        self._progress = progress
        self._since, self._until = state.since, state.until
        self._waiting: list[tuple[Report, list[RecordedSeries]]] = []
        # Reading is one half of the work on an SLO, writing the other.
        self._done = 0

    def run(self) -> list[Report]:
        """
        Fill everything that is not filled yet, and report on each SLO.

        Raises:
            ToolError: A server gave no usable answer, or a program failed. What is written
                stays, and the next run goes on from there.
        """
        for slo, job in self._jobs.items():
            if slo in self._state.reports:
                self._done += 2
                continue
            self._waiting.append(self._computed(job))
            self._done += 1
            if sum(_size(series) for _, series in self._waiting) > _MOST_SAMPLES:
                self._flush()
        self._flush()
        return [Report(slo, **self._state.reports[slo]) for slo in self._jobs]

    def _computed(self, job: Job) -> tuple[Report, list[RecordedSeries]]:
        """Return what is to be written for one SLO."""
        histories = self._recorded(job)
        report = _report(job, [recorded.history for recorded in histories], self._since)
        by_name: dict[tuple[str, Labels], RecordedSeries] = {}
        for recorded in histories:
            try:
                for one in recorded.series():
                    by_name.setdefault((one.name, labels_of(one.labels.items())), one)
            except ValueError as error:
                raise ToolError(f"{job.plan.id}: a rule cannot be filled: {error}") from error
            left = recorded.values(names.ERROR_BUDGET_REMAINING)
            if left and left[-1] is not None:
                group = ", ".join(f"{n}={v}" for n, v in recorded.history.labels.items())
                report.budget[group] = left[-1]
        wanted = between(by_name.values(), self._since * 1000, self._until * 1000)
        # Counted down as samples are written.
        report.existing = _size(wanted)
        return report, without(wanted, self._existing(job))

    def _existing(self, job: Job) -> dict[tuple[str, Labels], set[int]]:
        records = [rule.record for group in job.groups for rule in _recordings(group)]
        stretches = recorded_stretches(self._reader, job.plan, records, self._since, self._until)
        if not stretches:
            return {}
        return existing_samples(self._reader, job.plan, job.groups, stretches)

    def _recorded(self, job: Job, shown: bool = True) -> list[RecordedHistory]:
        """Return what the rules recorded, group by group; *shown* while it is read."""
        plan, timing = job.plan, job.timing
        if not isinstance(plan.indicator, CompositeIndicator):
            return [
                RecordedHistory(plan, timing, history, groups=job.groups)
                for history in self._histories(job, shown)
            ]
        members = [
            recorded
            for member in plan.indicator.members
            for recorded in self._recorded(self._jobs[member.id], shown=False)
        ]
        starts = [member.history.start for member in members]
        start = aligned(min(starts, default=self._since), timing.fast)
        count = (self._until - start) * 1000 // timing.fast.milliseconds
        nothing: Column = [None] * count
        steps = EventHistory({}, start, timing.fast, nothing, nothing)
        whole = RecordedHistory(plan, timing, steps, groups=job.groups, members=members)
        rates = [
            whole.values(name(timing.base))
            for name in (names.error_events_rate, names.total_events_rate)
        ]
        whole.history = EventHistory({}, start, timing.fast, *rates)
        return [whole]

    def _histories(self, job: Job, shown: bool) -> list[EventHistory]:
        """Return the event rates: as recorded where they are, else from raw series."""
        plan, timing = job.plan, job.timing
        reach = self._since - round(_longest(plan).seconds)
        total = names.total_events_rate(timing.base)
        stretches = recorded_stretches(self._reader, plan, [total], reach, self._until)
        start = min([self._since, *(first for first, _ in stretches)])
        joined = _Joined(aligned(start, timing.fast), self._until, timing)
        for stretch in stretches:
            joined.add(recorded_rates(self._reader, plan, timing, *stretch))
        stages = list(days_of(self._since, self._until))
        for number, (first, last) in enumerate(stages):
            if shown:
                self._progress(plan.id, first, self._share(number / len(stages)))
            if not joined.covers(first, last):
                joined.add(self._raw(job, first, last))
        return joined.histories()

    def _raw(self, job: Job, first: int, last: int) -> list[EventHistory]:
        found = self._state.raw(job.plan.id, first, last)
        if found is None:
            found = self._reader.read(job.plan, job.timing, first, last)
            self._state.keep_raw(job.plan.id, first, last, found)
        return found

    def _flush(self) -> None:
        """Write what is waiting, slice by slice."""
        if not self._waiting:
            return
        end = self._until * 1000
        width = self._target.slice
        starts = range(self._since * 1000 // width * width, end, width)
        for number, start in enumerate(starts):
            low, high = max(start, self._since * 1000), min(start + width, end)
            done = number / len(starts) * len(self._waiting)
            self._progress(self._waiting[0][0].slo, low / 1000, self._share(done))
            self._write(low, high)
        self._done += len(self._waiting)
        self._state.reports.update((r.slo, _as_json(r)) for r, _ in self._waiting)
        self._waiting = []
        self._state.save()

    def _write(self, start: int, end: int) -> None:
        """Write one slice of all that is waiting, from where each is written already."""
        by_start: dict[int, list[tuple[Report, list[RecordedSeries]]]] = {}
        for report, series in self._waiting:
            first = self._state.written_until(report.slo, start)
            by_start.setdefault(first, []).append((report, series))
        for first, group in sorted(by_start.items()):
            if first >= end:
                continue
            parts: list[RecordedSeries] = []
            for report, series in group:
                part = between(series, first, end)
                report.samples += _size(part)
                report.existing -= _size(part)
                parts += part
            self._target.write([report.slo for report, _ in group], first, end, parts)

    def _share(self, of_this: float) -> float:
        return (self._done + of_this) / (2 * len(self._jobs))


class _Joined:
    """Join rates of several stretches into one history per group; the first one given wins."""

    def __init__(self, start: int, end: int, timing: Timing) -> None:
        self._start, self._step = start, timing.fast
        self._count = max(0, (end - start) * 1000 // timing.fast.milliseconds)
        self._rates: dict[Labels, tuple[Column, Column]] = {}

    def add(self, histories: Sequence[EventHistory]) -> None:
        for history in histories:
            key = labels_of(history.labels.items())
            if key not in self._rates:
                self._rates[key] = ([None] * self._count, [None] * self._count)
            error, total = self._rates[key]
            shift = self._index(history.start)
            for index, (bad, every) in enumerate(zip(history.error, history.total, strict=True)):
                place = shift + index
                if 0 <= place < self._count and total[place] is None and error[place] is None:
                    error[place], total[place] = bad, every

    def covers(self, start: int, end: int) -> bool:
        """Tell whether every group has a rate at every step."""
        low, high = self._index(start), self._index(end)
        return bool(self._rates) and all(
            None not in total[low:high] for _, total in self._rates.values()
        )

    def histories(self) -> list[EventHistory]:
        return [
            EventHistory(dict(labels), self._start, self._step, error, total)
            for labels, (error, total) in sorted(self._rates.items())
        ]

    def _index(self, time: int) -> int:
        return (time - self._start) * 1000 // self._step.milliseconds


def _size(series: Iterable[RecordedSeries]) -> int:
    return sum(len(one.times) for one in series)


def _recordings(group: RuleGroup) -> list[RecordingRule]:
    return [rule for rule in group.rules if isinstance(rule, RecordingRule)]


def _longest(plan: SloPlan) -> Duration:
    """Return how far back the rules of *plan* look."""
    # The length of a calendar period is nominal: a month may have a day more.
    lengths = [w.length if w.calendar is None else w.length + days(3) for w in plan.windows]
    return max(*lengths, *plan.policy.windows)


def _report(job: Job, histories: Sequence[EventHistory], since: int) -> Report:
    """Return what the event rates from *since* on say: whether any group has one."""
    known: list[bool] = []
    for history in histories:
        skipped = max(0, (since - history.start) * 1000 // history.step.milliseconds)
        here = [value is not None for value in history.total[skipped:]]
        known = [a or b for a, b in zip(known, here, strict=True)] if known else here
    report = Report(job.plan.id)
    if any(known):
        report.first = since + known.index(True) * job.timing.fast.seconds
        report.coverage = sum(known) / len(known)
    return report


def _as_json(report: Report) -> dict[str, object]:
    return {name: value for name, value in asdict(report).items() if name != "slo"}
