"""Read from a server what an SLO measured in the past, as the rules would have recorded it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from slo.alerts.event_history import EventHistory
from slo.alerts.event_rates import counted
from slo.alerts.grid_operators import Labels, labels_of
from slo.alerts.timing import Timing
from slo.duration import Duration
from slo.engine.sources.protocol import MetricsSource, TooMuchData
from slo.errors import ToolError
from slo.plan import SloPlan
from slo.promql import render

__all__ = ["HistoryReader", "Progress", "Steps", "aligned", "read_history"]

# Prometheus answers with at most 11,000 points per series; a day of 30-second steps is 2,880.
_MOST_STEPS = 10_000
_FIRST_STEPS = 2_880
_FEWEST_STEPS = 20

Progress = Callable[[int, int], None]
"""Told how many of how many steps are read."""

Column = list[float | None]


def aligned(at: float, step: Duration) -> int:
    """Return the first multiple of *step* since 1970 that is not before *at*, in Unix seconds."""
    whole = step.milliseconds
    return -(-round(at * 1000) // whole) * whole // 1000


def read_history(
    source: MetricsSource,
    plan: SloPlan,
    timing: Timing,
    start: float,
    end: float,
    progress: Progress | None = None,
) -> list[EventHistory]:
    """
    Return the event rates of every group of *plan* from *start* until before *end*.

    Steps are multiples of the fast interval since 1970, in Unix seconds. Without any data the
    list is empty.

    Raises:
        ToolError: The server gave no usable answer, or *plan* reads no raw series.
    """
    return HistoryReader(source).read(plan, timing, start, end, progress)


@dataclass(slots=True)
class HistoryReader:
    """
    Read stretches of history, each in requests as long as the server allows.

    Args:
        steps: How many to ask for at once; halved when the server refuses.
        warnings: The server's words, each once.
    """

    source: MetricsSource
    steps: int = _FIRST_STEPS
    warnings: Sequence[str] = ()

    def read(
        self,
        plan: SloPlan,
        timing: Timing,
        start: float,
        end: float,
        progress: Progress | None = None,
    ) -> list[EventHistory]:
        """Return what `read_history` does."""
        raw = counted(plan)
        if raw is None:
            raise ToolError(f"{plan.id} is a composite: its history follows from its members'")
        window = Steps(timing.fast, aligned(start, timing.fast), aligned(end, timing.fast))
        templates = [t for t in (raw.total, raw.error, raw.good) if t is not None]
        found = self.columns([render(t, timing.base) for t in templates], window, progress)
        by_template = dict(zip(templates, found, strict=True))
        total = {} if raw.total is None else by_template[raw.total]
        if raw.total is None:
            assert raw.error is not None
            rates = _bare(by_template[raw.error])
        elif raw.good is not None:
            rates = _from_good(total, by_template[raw.good], window.count)
        else:
            assert raw.error is not None
            rates = _from_bad(total, by_template[raw.error], window.count)
        identity = plan.identity_labels
        return [
            EventHistory(
                {name: value for name, value in labels if name not in identity},
                window.start,
                window.step,
                error,
                every,
            )
            for labels, (error, every) in sorted(rates.items())
        ]

    def halve(self) -> None:
        """
        Ask for half as many steps from now on; call it while handling `TooMuchData`.

        Raises:
            TooMuchData: They are few already.
        """
        if self.steps <= _FEWEST_STEPS:
            raise  # noqa: PLE0704 - only called where there is one to raise again
        self.steps = max(_FEWEST_STEPS, self.steps // 2)

    def columns(
        self, queries: Sequence[str], window: Steps, progress: Progress | None = None
    ) -> list[dict[Labels, Column]]:
        """Return the series of each of *queries* at every step of *window*, without their names."""
        found: list[dict[Labels, Column]] = [{} for _ in queries]
        done = 0
        while done < window.count:
            length = min(self.steps, _MOST_STEPS, window.count - done)
            first = window.time(done)
            last = window.time(done + length - 1)
            try:
                answers = [self.source.range(q, first, last, window.step) for q in queries]
            except TooMuchData:
                self.steps = min(self.steps, length)
                self.halve()
                continue
            for columns, answer in zip(found, answers, strict=True):
                self.warnings = tuple(dict.fromkeys((*self.warnings, *answer.warnings)))
                for series in answer.series:
                    column = columns.setdefault(_without_name(series.labels), window.empty())
                    for time, value in series.samples:
                        column[window.index(time)] = value
            done += length
            if progress is not None:
                progress(done, window.count)
        return found


@dataclass(frozen=True, slots=True)
class Steps:
    """Hold the steps from *start* until before *end*, in Unix seconds."""

    step: Duration
    start: int
    end: int

    @property
    def count(self) -> int:
        """Return how many steps there are."""
        return max(0, (self.end - self.start) * 1000 // self.step.milliseconds)

    def time(self, index: int) -> float:
        """Return the Unix time of step *index*."""
        return self.start + index * self.step.milliseconds / 1000

    def index(self, time: float) -> int:
        """Return which step *time* is."""
        return round((time - self.start) * 1000 / self.step.milliseconds)

    def empty(self) -> Column:
        """Return a column without values."""
        return [None] * self.count


def _without_name(labels: Mapping[str, str]) -> Labels:
    return labels_of((n, v) for n, v in labels.items() if n != "__name__")


Rates = dict[Labels, tuple[Column, Column]]


def _from_bad(total: dict[Labels, Column], bad: dict[Labels, Column], count: int) -> Rates:
    """Return *bad*, and zero wherever only *total* exists."""
    rates: Rates = {}
    for labels in total.keys() | bad.keys():
        every = total.get(labels) or [None] * count
        some = bad.get(labels) or [None] * count
        error = [_zero(t) if b is None else b for b, t in zip(some, every, strict=True)]
        rates[labels] = (error, every)
    return rates


def _from_good(total: dict[Labels, Column], good: dict[Labels, Column], count: int) -> Rates:
    """Return what of *total* is not *good*; good events that do not exist count as none."""
    rates: Rates = {}
    for labels, every in total.items():
        some = good.get(labels) or [None] * count
        error: Column = [
            None if t is None else max(t - (0.0 if g is None else g), 0.0)
            for g, t in zip(some, every, strict=True)
        ]
        rates[labels] = (error, every)
    return rates


def _bare(ratios: dict[Labels, Column]) -> Rates:
    """Return one event per second wherever there is a ratio; NaN is no ratio."""
    rates: Rates = {}
    for labels, column in ratios.items():
        error = [None if r is None or r != r else max(r, 0.0) for r in column]
        if any(value is not None for value in error):
            rates[labels] = (error, [None if e is None else 1.0 for e in error])
    return rates


def _zero(total: float | None) -> float | None:
    return None if total is None else 0.0 * total
