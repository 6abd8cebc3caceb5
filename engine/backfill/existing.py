"""Find out what a server has recorded already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from slo import conventions as names
from slo.alerts.event_history import EventHistory
from slo.alerts.grid_operators import Labels, labels_of
from slo.alerts.model import RecordingRule, RuleGroup
from slo.alerts.timing import Timing
from slo.duration import Duration, hours, minutes
from slo.engine.history import HistoryReader, Steps, aligned
from slo.engine.sources.protocol import TooMuchData
from slo.plan import SloPlan

__all__ = ["Stretch", "existing_samples", "recorded_rates", "recorded_stretches"]

Stretch = tuple[int, int]
"""Unix seconds: start, and end that is not included."""

_COARSE = minutes(5)
_APART = hours(1)


def recorded_stretches(
    reader: HistoryReader, plan: SloPlan, records: Iterable[str], start: int, end: int
) -> list[Stretch]:
    """Return when the server has samples of any of *records* of *plan*, to about an hour."""
    steps = Steps(_COARSE, aligned(start, _COARSE), aligned(end, _COARSE) + 300)
    query = f"count({_selected(plan, records)})"
    (found,) = reader.columns([query], steps)
    times = [
        int(steps.time(index))
        for column in found.values()
        for index, value in enumerate(column)
        if value
    ]
    if not times:
        return []
    margin = int(_COARSE.seconds)
    stretches = []
    first = times[0]
    for before, after in pairwise([*times, times[-1] + 2 * int(_APART.seconds)]):
        if after - before > _APART.seconds:
            stretches.append((max(start, first - margin), min(end, before + margin)))
            first = after
    return [stretch for stretch in stretches if stretch[0] < stretch[1]]


def recorded_rates(
    reader: HistoryReader, plan: SloPlan, timing: Timing, start: int, end: int
) -> list[EventHistory]:
    """Return the event rates that the server has recorded, group by group."""
    step = timing.fast
    steps = Steps(step, aligned(start, step), aligned(end, step))
    series = (names.error_events_rate(timing.base), names.total_events_rate(timing.base))
    queries = [f"last_over_time({name}{plan.selector}[{step}])" for name in series]
    error, total = reader.columns(queries, steps)
    identity = plan.identity_labels
    return [
        EventHistory(
            {name: value for name, value in labels if name not in identity},
            steps.start,
            step,
            error.get(labels) or steps.empty(),
            total.get(labels) or steps.empty(),
        )
        for labels in sorted(error.keys() | total.keys())
    ]


def existing_samples(
    reader: HistoryReader,
    plan: SloPlan,
    groups: Sequence[RuleGroup],
    stretches: Sequence[Stretch],
) -> dict[tuple[str, Labels], set[int]]:
    """
    Return at which times series of *plan* need no sample, by name and labels.

    Rules run at times of their own within an interval. A sample is taken for there where the
    server has one less than half an interval away.
    """
    found: dict[tuple[str, Labels], set[int]] = {}
    for group in groups:
        records = [rule.record for rule in group.rules if isinstance(rule, RecordingRule)]
        interval = group.interval
        if not records or interval is None:
            continue
        half = interval.milliseconds // 2
        query = f"last_over_time({_selected(plan, records)}[{interval}])"
        for start, end in stretches:
            first, last = aligned(start, interval), aligned(end, interval)
            _note(reader, query, (first, last, interval, half), found)
    return found


def _note(
    reader: HistoryReader,
    query: str,
    stretch: tuple[int, int, Duration, int],
    found: dict[tuple[str, Labels], set[int]],
) -> None:
    first, last, interval, half = stretch
    # What is asked for half an interval later covers half an interval on either side.
    shift = half / 1000
    at: float = first
    while at < last:
        stop = min(last, at + reader.steps * interval.seconds)
        try:
            answer = reader.source.range(query, at + shift, stop + shift, interval)
        except TooMuchData:
            reader.halve()
            continue
        for series in answer.series:
            labels = dict(series.labels)
            name = labels.pop("__name__", "")
            times = found.setdefault((name, labels_of(labels.items())), set())
            times.update(round(time * 1000) - half for time, _ in series.samples)
        at = stop


def _selected(plan: SloPlan, records: Iterable[str]) -> str:
    pattern = "|".join(sorted(set(records)))
    return f'{{__name__=~"{pattern}",{names.LABEL_ID}="{plan.id}"}}'
