"""Sort what a server has recorded by SLO, and by group where an SLO has groups."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from slo import conventions as names
from slo.engine.sources.protocol import Answer, SourceSeries
from slo.engine.sources.turns import in_turns
from slo.engine.status.model import Alert

__all__ = ["Answers", "Group", "Key", "Reading", "carry_over", "group_of", "sort_by_slo"]

# The labels that tell a group from the others of its SLO, with their values, sorted.
Group: TypeAlias = tuple[tuple[str, str], ...]
# The id of an SLO, and the group.
Key: TypeAlias = tuple[str, Group]

_NONE: Mapping[str, str] = {}
_NO_WINDOWS: Mapping[str, float] = {}

# Labels that say nothing about which group a series belongs to.
_NOT_A_GROUP = frozenset(
    (
        "__name__",
        *names.IDENTITY_LABELS,
        names.LABEL_WINDOW,
        names.LABEL_PERIOD,
        names.LABEL_VERSION,
        names.LABEL_MODE,
        names.LABEL_SPEC,
        names.LABEL_OBJECTIVE,
        names.OWNER_LABEL,
        names.TIER_LABEL,
    )
)
_OF_AN_ALERT = ("__name__", "alertstate")
# Series that are sorted before others get a turn: a millisecond of work.
_AT_ONCE = 300


class Answers(NamedTuple):
    """
    Hold the answers of one refresh; `None` for a query that was not answered.

    Args:
        source: Name of the server.
    """

    source: str
    budgets: Answer
    evaluated: Answer | None = None
    burn_rates: Answer | None = None
    events: Answer | None = None
    traffic: Answer | None = None
    alerts: Answer | None = None

    @property
    def complete(self) -> bool:
        """Tell whether every query was answered."""
        return None not in self

    @property
    def given(self) -> tuple[Answer, ...]:
        """Return the answers that there are."""
        return tuple(answer for answer in self if isinstance(answer, Answer))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what the server said about its answers, each once."""
        found = (answer.warnings for answer in self.given)
        return tuple(dict.fromkeys(warning for warnings in found for warning in warnings))

    def without_series(self) -> Answers:
        """Return the same without the numbers, which take a lot of memory."""
        empty = (
            answer._replace(series=()) if isinstance(answer, Answer) else answer for answer in self
        )
        return Answers._make(empty)


@dataclass(slots=True)
class Reading:
    """
    Hold what is recorded about one SLO, or one of its groups; `None` for what is not.

    Args:
        labels: Of the info series: what the spec gives all series of the SLO.
        evaluated_at: When the rules of the budget last ran, Unix seconds of our clock.
        days: Length of the period; *elapsed* by window, for calendar periods.
        bad: Counts by window, such as `30d`; *total* and *coverage* likewise.
        unit: `events` or `slices`.
        ratios: Error ratios by window.
        traffic: Events per second now; zero is not the same as `None`.
    """

    id: str
    service: str
    name: str
    group: Group = ()
    labels: Mapping[str, str] = field(default_factory=lambda: _NONE)
    evaluated_at: float | None = None
    days: float | None = None
    elapsed: Mapping[str, float] = field(default_factory=lambda: _NO_WINDOWS)
    remaining: float | None = None
    projected: float | None = None
    bad: dict[str, float] = field(default_factory=dict)
    total: dict[str, float] = field(default_factory=dict)
    coverage: dict[str, float] = field(default_factory=dict)
    unit: str = "none"
    ratios: dict[str, float] = field(default_factory=dict)
    traffic: float | None = None
    alerts: tuple[Alert, ...] = ()

    @property
    def key(self) -> Key:
        """Return what identifies the SLO and the group."""
        return self.id, self.group

    @property
    def objective(self) -> float | None:
        """Return the target in percent, where it is recorded."""
        try:
            return float(self.labels[names.LABEL_OBJECTIVE])
        except (KeyError, ValueError):
            return None


class _Shared:
    """Collect what is recorded once for all groups of an SLO."""

    __slots__ = ("days", "elapsed", "evaluated_at", "labels")

    def __init__(self) -> None:
        self.labels: Mapping[str, str] = _NONE
        self.days: float | None = None
        self.elapsed: dict[str, float] = {}
        self.evaluated_at: float | None = None

    def add_info(self, labels: Mapping[str, str]) -> None:
        """Add an info series; what two of them do not agree on tells groups apart."""
        if self.labels:
            self.labels = dict(self.labels.items() & labels.items())
        else:
            self.labels = {name: value for name, value in labels.items() if name != "__name__"}


def sort_by_slo(
    answers: Answers, now: float, before: Mapping[Key, Reading] | None = None
) -> dict[Key, Reading]:
    """
    Return what *answers* say about each SLO.

    Labels that the info series of an SLO does not have, or not with that value, are groups.

    Args:
        now: Unix time by our clock; ages are counted by the server's.
        before: What was read before: info series may be late.
    """
    shared = _shared(answers, now)
    for reading in (before or {}).values():
        if not shared[reading.id].labels:
            shared[reading.id].labels = reading.labels
    sorter = _Sorter(shared)
    sorter.budgets(answers.budgets)
    if answers.burn_rates is not None:
        sorter.burn_rates(answers.burn_rates)
    if answers.events is not None:
        sorter.events(answers.events)
    if answers.traffic is not None:
        sorter.traffic(answers.traffic)
    if answers.alerts is not None:
        sorter.alerts(answers.alerts)
    sorter.silent(answers.budgets)
    return sorter.readings


def _shared(answers: Answers, now: float) -> defaultdict[str, _Shared]:
    shared: defaultdict[str, _Shared] = defaultdict(_Shared)
    for series in in_turns(answers.budgets.series, _AT_ONCE):
        labels = series.labels
        found = shared[labels.get(names.LABEL_ID, "")]
        match labels.get("__name__"):
            case names.INFO:
                found.add_info(labels)
            case names.TIME_PERIOD_DAYS:
                found.days = _number(series)
            case names.PERIOD_ELAPSED:
                elapsed = _number(series)
                if elapsed is not None:
                    found.elapsed[labels.get(names.LABEL_WINDOW, "")] = elapsed
    if answers.evaluated is not None:
        for series in in_turns(answers.evaluated.series, _AT_ONCE):
            ((asked_at, evaluated_at),) = series.samples
            asked_at = max(asked_at, answers.evaluated.answered_at or 0.0)
            found = shared[series.labels.get(names.LABEL_ID, "")]
            # Clocks may differ, ages do not.
            moment = now - max(0.0, asked_at - evaluated_at)
            found.evaluated_at = max(moment, found.evaluated_at or moment)
    return shared


class _Sorter:
    """Put each series where it belongs."""

    def __init__(self, shared: defaultdict[str, _Shared]) -> None:
        self.readings: dict[Key, Reading] = {}
        self._shared = shared
        self._by_id: dict[str, list[Reading]] = defaultdict(list)

    def budgets(self, answer: Answer) -> None:
        for series in in_turns(answer.series, _AT_ONCE):
            labels = series.labels
            match labels.get("__name__"):
                case names.ERROR_BUDGET_REMAINING:
                    self._reading(labels).remaining = _number(series)
                case names.PROJECTED_BUDGET_REMAINING:
                    self._reading(labels).projected = _number(series)
                case names.COVERAGE:
                    _set(self._reading(labels).coverage, series)

    def burn_rates(self, answer: Answer) -> None:
        for series in in_turns(answer.series, _AT_ONCE):
            _set(self._reading(series.labels).ratios, series)

    def events(self, answer: Answer) -> None:
        for series in in_turns(answer.series, _AT_ONCE):
            _, what, _ = series.labels["__name__"].split(":")
            reading = self._reading(series.labels)
            kind, _, reading.unit = what.partition("_")
            _set(reading.bad if kind == "error" else reading.total, series)

    def traffic(self, answer: Answer) -> None:
        for series in in_turns(answer.series, _AT_ONCE):
            self._reading(series.labels).traffic = _number(series)

    def alerts(self, answer: Answer) -> None:
        since: dict[tuple[tuple[str, str], ...], float] = {}
        active: list[Mapping[str, str]] = []
        for series in in_turns(answer.series, _AT_ONCE):
            if series.labels.get("__name__") == "ALERTS":
                active.append(series.labels)
            else:
                since[_of_alert(series.labels)] = series.samples[0][1]
        for labels in active:
            alert = _alert(labels, since.get(_of_alert(labels)))
            # An alert may have labels of its own, so they do not tell its group; those that
            # are there must not contradict it. One about missing data has no group.
            for reading in self._by_id.get(labels[names.LABEL_ID], ()):
                if all(labels.get(name, value) == value for name, value in reading.group):
                    reading.alerts += (alert,)

    def silent(self, answer: Answer) -> None:
        """Add the SLOs that have an info series and nothing else."""
        for series in in_turns(answer.series, _AT_ONCE):
            if series.labels.get(names.LABEL_ID, "") not in self._by_id:
                self._reading(series.labels)

    def _reading(self, labels: Mapping[str, str]) -> Reading:
        slo_id = labels.get(names.LABEL_ID, "")
        common = self._shared[slo_id]
        constant = common.labels
        group = group_of(labels, constant)
        found = self.readings.get((slo_id, group))
        if found is None:
            found = Reading(
                slo_id,
                labels.get(names.LABEL_SERVICE, ""),
                labels.get(names.LABEL_SLO, ""),
                group,
                constant,
                common.evaluated_at,
                common.days,
                common.elapsed,
            )
            self.readings[slo_id, group] = found
            self._by_id[slo_id].append(found)
        return found


def group_of(labels: Mapping[str, str], constant: Mapping[str, str]) -> Group:
    """Return the labels of a series that tell its group; *constant* are those of the SLO."""
    return tuple(
        sorted(
            pair
            for pair in labels.items()
            if pair[0] not in _NOT_A_GROUP and constant.get(pair[0]) != pair[1]
        )
    )


def _set(values: dict[str, float], series: SourceSeries) -> None:
    value = _number(series)
    if value is not None:
        values[series.labels.get(names.LABEL_WINDOW, "")] = value


def _number(series: SourceSeries) -> float | None:
    value = series.samples[0][1]
    return None if math.isnan(value) else value


def _of_alert(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pair for pair in labels.items() if pair[0] not in _OF_AN_ALERT))


def _alert(labels: Mapping[str, str], since: float | None) -> Alert:
    severity = labels.get(names.LABEL_SEVERITY, "")
    long, short = labels.get(names.LABEL_LONG_WINDOW), labels.get(names.LABEL_SHORT_WINDOW)
    return Alert(
        name=labels.get("alertname", ""),
        severity=severity,
        state=labels.get("alertstate", ""),
        # Sloth's alerts have a severity and no kind.
        kind=labels.get(names.LABEL_ALERT_KIND) or ("burn_rate" if severity else ""),
        windows=f"{long}/{short}" if long and short else "",
        since=since,
    )


def carry_over(
    previous: Mapping[Key, Reading], current: Mapping[Key, Reading], oldest: float
) -> dict[Key, Reading]:
    """
    Return *current*, with the numbers of *previous* where nothing new was recorded.

    What is gone may come back: rules that are late, a server that restarts. The numbers keep
    the time they were evaluated at, and so they age.

    Args:
        oldest: Unix time; what was evaluated before is forgotten.
    """
    readings = dict(current)
    present = {slo_id for slo_id, _ in current}
    for key, old in previous.items():
        if old.evaluated_at is None or old.evaluated_at < oldest:
            continue
        new = current.get(key)
        if new is None:
            # A group that is gone while others of its SLO are there is gone indeed.
            if key[0] not in present:
                readings[key] = replace(old, alerts=(), traffic=None)
        elif new.evaluated_at is None:
            readings[key] = replace(
                old, ratios=new.ratios or old.ratios, traffic=new.traffic, alerts=new.alerts
            )
    return readings
