"""
Predict by arithmetic alone when the compiled rules fire and reset.

Time is counted in evaluations of the fast group. The formulas of the
rules are repeated here one by one; what the server makes of raw series is in `event_model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from slo.alerts.event_model import Feed, Phase, RawEvents, Server
from slo.alerts.exact_rules import Timing
from slo.burnrate import AlertPolicy
from slo.duration import Duration

__all__ = [
    "Bracket",
    "Condition",
    "Episode",
    "Play",
    "Setup",
    "episodes",
    "first_missing",
    "play",
]

# Beyond what adding some thousand floats in another order can change.
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Setup:
    """
    Hold what shapes the rules of one SLO.

    Args:
        exact: Profile `exact`; otherwise `sloth`.
        sliced: Slices of time are counted instead of events.
        slice_limit: Share of bad events above which a slice is bad; `None` where it counts by
            that share.
    """

    exact: bool
    policy: AlertPolicy
    timing: Timing
    sliced: bool = False
    slice_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """
    Hold when one alert is true.

    Args:
        pairs: Long window, short window and the error ratio that both must exceed; any pair
            is enough. A short window equal to the long one asks for that window only.
        for_steps: Evaluations for which the condition must have lasted.
        min_bad_events: Bad events in the long window that the alert asks for as well.
        reaches: The ratio need only reach the limit, as with an exhausted budget.
        group: Which group the alert stands in: `fast`, `slow` or `period`.
    """

    pairs: tuple[tuple[Duration, Duration, float], ...]
    for_steps: int = 0
    min_bad_events: int = 0
    reaches: bool = False
    group: str = "fast"


@dataclass(frozen=True, slots=True)
class Bracket:
    """Hold the first and the last evaluation at which something may happen."""

    earliest: int
    latest: int

    def widened(self, other: Bracket) -> Bracket:
        """Return the bracket that holds both."""
        return Bracket(min(self.earliest, other.earliest), max(self.latest, other.latest))


@dataclass(frozen=True, slots=True)
class Episode:
    """
    Hold when an alert starts firing, and when it stops; `None` if it does not by the end.

    A bracket is wider than one evaluation only where a ratio meets its limit so exactly that
    the order of additions decides.
    """

    fires: Bracket
    resets: Bracket | None


def _prefix(values: Sequence[float]) -> list[float]:
    """Return sums such that `[k]` holds the first k values."""
    return list(accumulate(values, initial=0.0))


class _Records:
    """Hold one pair of recorded series, bad and all events, on an even grid."""

    def __init__(self, bad: list[float], every: list[float], spacing: int, server: Server) -> None:
        self.bad, self.every, self._spacing = bad, every, spacing
        self._server = server
        self._sums = (_prefix(bad), _prefix(every))
        self._before = every[0] if server.history else 0.0

    def sums(self, end: int, span: int) -> tuple[list[float], list[float]]:
        """Return for every record the sums over *span* milliseconds ending *end* before it."""
        newest = -(-end // self._spacing)
        whole, rest = divmod(end + span, self._spacing)
        oldest = whole - 1 if self._server.left_open and not rest else whole
        return (
            self._between(self._sums[0], oldest, newest, 0.0),
            self._between(self._sums[1], oldest, newest, self._before),
        )

    def before(self, milliseconds: int) -> tuple[list[float], list[float]]:
        """Return for every record the one so long before it."""
        by = -(-milliseconds // self._spacing)
        kept = max(len(self.bad) - by, 0)
        bad = [0.0] * min(by, len(self.bad)) + self.bad[:kept]
        return bad, [self._before] * min(by, len(self.every)) + self.every[:kept]

    def _between(self, sums: list[float], oldest: int, newest: int, before: float) -> list[float]:
        upper = _shifted(sums, newest - 1, before)
        lower = _shifted(sums, oldest, before)
        if oldest < newest:
            return [0.0] * (len(sums) - 1)
        return [a - b for a, b in zip(upper, lower, strict=True)]


def _shifted(sums: list[float], by: int, before: float) -> list[float]:
    """Return the sum of all records up to *by* before each; *before* is a record's past value."""
    length = len(sums) - 1
    if by < 0:
        return sums[-by:] + [sums[-1]] * (-by - 1)
    early = [before * (index - by) for index in range(min(by, length))]
    return early + sums[: max(length - by, 0)]


class Play:
    """
    Play one timeline through the rules of one SLO.

    Every list holds one value per evaluation: index 0 is the first evaluation, and the first
    phase covers the evaluations after it.
    """

    def __init__(self, setup: Setup, feed: Feed, server: Server, phases: tuple[Phase, ...]) -> None:
        self._setup, self._feed, self._server = setup, feed, server
        timing = setup.timing
        self._raw = RawEvents(feed, server, timing.fast, phases)
        self.length = self._raw.length
        self._ratios: dict[Duration, list[float]] = {}
        self._sums: dict[Duration, tuple[list[float], list[float]]] = {}
        # How many evaluations of the fast group pass until another one is evaluated again.
        own = server.own_intervals and setup.exact
        self._strides = {
            group: timing.interval(group).milliseconds // timing.fast.milliseconds if own else 1
            for group in ("fast", "slow", "period")
        }
        if not setup.exact:
            return
        rates: list[tuple[float, float] | None]
        if feed.kind == "recorded":
            rates = [(share, 1.0) for share in self._raw.shares]
        else:
            rates = [self._raw.window(index, timing.base) for index in range(self.length)]
        self._records = _Records(
            [rate[0] if rate else 0.0 for rate in rates],
            [rate[1] if rate else 0.0 for rate in rates],
            timing.fast.milliseconds,
            server,
        )
        if setup.sliced:
            self._slices = _slices(rates, setup, server)
            return
        present = [1.0 if rate else 0.0 for rate in rates]
        counted = _Records(present, present, timing.fast.milliseconds, server)
        self._thinned, self._period = (
            _thinned(self._records, counted, timing, self._strides[group], group, server)
            for group in ("slow", "period")
        )

    def stride(self, group: str) -> int:
        """Return how many evaluations of the fast group there are to one of *group*."""
        return self._strides[group]

    def ratio(self, window: Duration) -> list[float]:
        """Return the recorded error ratio over *window*; 0 where there is none."""
        found = self._ratios.get(window)
        if found is None:
            found = self._exact(window) if self._setup.exact else self._sloth(window)
            self._ratios[window] = found
        return found

    def bad_events(self, window: Duration) -> list[float]:
        """Return the recorded number of bad events in *window* (profile `exact`)."""
        timing, feed = self._setup.timing, self._feed
        scale = feed.events
        if feed.kind == "gauge":
            # A record of samples holds the events of a whole base window.
            scale /= timing.base.milliseconds / timing.fast.milliseconds
        if self._setup.timing.partitions:
            return [scale * bad for bad in self._records.sums(0, window.milliseconds)[0]]
        return [scale * bad for bad in self._fast(window)[0]]

    def _sloth(self, window: Duration) -> list[float]:
        raw = self._raw
        if self._feed.kind == "recorded":
            return list(raw.shares)
        read = [raw.window(index, window) for index in range(self.length)]
        return [r[0] / r[1] if r else 0.0 for r in read]

    def _exact(self, window: Duration) -> list[float]:
        timing, records = self._setup.timing, self._records
        if self._setup.sliced:
            if window == timing.base:
                return _quotients(self._slices.bad, self._slices.every)
            found = _quotients(*self._slices.sums(0, window.milliseconds))
            group = "period" if window == self._setup.policy.time_window else "slow"
            stride = 1 if timing.is_fast(window) else self._strides[group]
            return self._held(found[::stride], stride)
        if window == timing.base:
            return _quotients(records.bad, records.every)
        if window == self._setup.policy.time_window:
            found = _quotients(*self._period.sums(0, window.milliseconds))
            return self._held(found, self._strides["period"])
        if timing.is_fast(window):
            return _quotients(*self._fast(window))
        base, slow = timing.base.milliseconds, timing.slow.milliseconds
        stride = self._strides["slow"]
        ends, between = self._ends(window)
        own = (ends[0][::stride], ends[1][::stride])
        older = self._thinned.sums(base // 2 - slow // 2, between) if between else None
        return self._held(_quotients(*_weighted(own, older, base / slow)), stride)

    def _ends(self, window: Duration) -> tuple[tuple[list[float], list[float]], int]:
        """Return the records of the newest and oldest base window, and what lies between."""
        records, base = self._records, self._setup.timing.base.milliseconds
        if window.milliseconds < 2 * base:
            return (records.bad, records.every), window.milliseconds - base
        far = records.before(window.milliseconds - base)
        return _weighted((records.bad, records.every), far, 1.0), window.milliseconds - 2 * base

    def _fast(self, window: Duration) -> tuple[list[float], list[float]]:
        """Return bad and all events of *window* from the unthinned records."""
        found = self._sums.get(window)
        if found is None:
            base = self._setup.timing.base.milliseconds
            ends, between = self._ends(window)
            older = self._records.sums(base - base // 2, between) if between else None
            found = _weighted(ends, older, base / self._setup.timing.fast.milliseconds)
            self._sums[window] = found
        return found

    def _held(self, values: list[float], stride: int) -> list[float]:
        """Repeat what a slower group records until its next evaluation."""
        if stride == 1:
            return values
        return [value for value in values for _ in range(stride)][: self.length]


def _slices(rates: list[tuple[float, float] | None], setup: Setup, server: Server) -> _Records:
    """Return the recorded slices: each its share of bad events, or whether that is too high."""
    shares = [rate[0] / rate[1] if rate and rate[1] else 0.0 for rate in rates]
    limit = setup.slice_limit
    values = shares if limit is None else [float(share > limit) for share in shares]
    ones = [1.0 if rate else 0.0 for rate in rates]
    return _Records(values, ones, setup.timing.fast.milliseconds, server)


def _thinned(
    records: _Records,
    counted: _Records,
    timing: Timing,
    stride: int,
    group: str,
    server: Server,
) -> _Records:
    span = timing.interval(group).milliseconds
    bad, every = records.sums(0, span)
    samples = counted.sums(0, span)[1]
    return _Records(
        [b / n if n else 0.0 for b, n in zip(bad[::stride], samples[::stride], strict=True)],
        [t / n if n else 0.0 for t, n in zip(every[::stride], samples[::stride], strict=True)],
        timing.fast.milliseconds * stride,
        server,
    )


def _weighted(
    near: tuple[list[float], list[float]],
    older: tuple[list[float], list[float]] | None,
    weight: float,
) -> tuple[list[float], list[float]]:
    if older is None:
        return [weight * bad for bad in near[0]], [weight * all_ for all_ in near[1]]
    return (
        [weight * bad + sum_ for bad, sum_ in zip(near[0], older[0], strict=True)],
        [weight * all_ + sum_ for all_, sum_ in zip(near[1], older[1], strict=True)],
    )


def _quotients(bad: Sequence[float], every: Sequence[float]) -> list[float]:
    # Nothing in a window is no result, which compares like zero.
    return [b / t if t > 0 else 0.0 for b, t in zip(bad, every, strict=True)]


@lru_cache(maxsize=512)
def play(setup: Setup, feed: Feed, server: Server, phases: tuple[Phase, ...]) -> Play:
    """Return the timeline *phases* as the rules of *setup* see it."""
    return Play(setup, feed, server, phases)


@lru_cache(maxsize=4096)
def episodes(
    setup: Setup, feed: Feed, server: Server, phases: tuple[Phase, ...], condition: Condition
) -> tuple[Episode, ...]:
    """Return when an alert fires and resets over the timeline *phases*."""
    played = play(setup, feed, server, phases)
    certain = _firing(played, condition, 1 + _SLACK)
    possible = _firing(played, condition, 1 - _SLACK)
    surely = _runs(certain)
    result: list[Episode] = []
    for first, end in _runs(possible):
        inner = [run for run in surely if first <= run[0] and (end is None or run[0] < end)]
        if not inner:
            # It meets its limit and never clearly exceeds it: nothing can be said.
            result.append(Episode(Bracket(first, len(possible)), None))
            continue
        last = inner[-1][1]
        resets = Bracket(last, end) if last is not None and end is not None else None
        result.append(Episode(Bracket(first, inner[0][0]), resets))
    return tuple(result)


def first_missing(setup: Setup, feed: Feed, server: Server, last: int) -> int:
    """Return the evaluation from which on nothing is recorded, *last* being the last sample."""
    if feed.kind == "recorded":
        return last + 1
    span = setup.timing.base.milliseconds / setup.timing.fast.milliseconds
    whole = int(span)
    if server.left_open and whole == span:
        whole -= 1
    # A rate needs two samples in its window, a count one.
    return last + whole + (1 if feed.kind in ("gauge", "average") else 0)


def _firing(played: Play, condition: Condition, slack: float) -> list[bool]:
    """Return at which evaluations the alert fires, with limits scaled by *slack*."""
    length, stride = played.length, played.stride(condition.group)
    active = [False] * length
    for long, short, limit in condition.pairs:
        scaled = limit * slack
        if condition.reaches and limit > 0:
            met = [ratio >= scaled for ratio in played.ratio(long)]
        else:
            both = zip(played.ratio(long), played.ratio(short), strict=True)
            met = [a > scaled and b > scaled for a, b in both]
        if condition.min_bad_events:
            least = (condition.min_bad_events - 0.5) * slack
            met = [m and c > least for m, c in zip(met, played.bad_events(long), strict=True)]
        active = [a or m for a, m in zip(active, met, strict=True)]
    held = stride > 1
    if held:
        active = [active[index - index % stride] for index in range(length)]
    if condition.for_steps:
        since = 0
        lasted = [False] * length
        for index, met_now in enumerate(active):
            if not met_now:
                since = index + 1
            lasted[index] = met_now and index - since >= condition.for_steps
        active = lasted
    if held:
        active = [active[index - index % stride] for index in range(length)]
    return active


def _runs(flags: list[bool]) -> list[tuple[int, int | None]]:
    """Return the first index of every run of `True`, and the first index after it."""
    found: list[tuple[int, int | None]] = []
    start: int | None = None
    for index, flag in enumerate(flags):
        if flag and start is None:
            start = index
        elif not flag and start is not None:
            found.append((start, index))
            start = None
    if start is not None:
        found.append((start, None))
    return found
