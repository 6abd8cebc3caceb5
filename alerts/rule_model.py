"""
Predict by arithmetic alone when the compiled rules fire and reset.

Time is counted in evaluations of the fast group. What the server does to a counter (`rate`)
and what the rules do to its records are repeated here formula by formula, without a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from slo.alerts.exact_rules import Timing
from slo.burnrate import AlertPolicy
from slo.duration import Duration

__all__ = [
    "Bracket",
    "Condition",
    "Episode",
    "Feed",
    "Phase",
    "Server",
    "Setup",
    "episodes",
    "first_missing",
    "ratios",
]

# Beyond what adding some thousand floats in another order can change.
_SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Phase:
    """Keep the share of bad events at *error_share* for so many evaluations."""

    steps: int
    error_share: float


@dataclass(frozen=True, slots=True)
class Feed:
    """
    Say how events reach the rules.

    Args:
        kind: `counter`; `difference`, where bad events are all events less the good ones;
            `gauge`, one sample of 0 or 1 per evaluation; `average`, the mean of such samples;
            `recorded`, where the first recorded series themselves are given.
        events: Events per evaluation, as the queries of the indicator count them.
    """

    kind: str = "counter"
    events: float = 1.0


@dataclass(frozen=True, slots=True)
class Server:
    """
    Say how the rules are evaluated.

    Args:
        left_open: Ranges leave out a sample exactly at their start, as from Prometheus 3 on.
        own_intervals: Slow groups run at their own interval; `promtool test rules` evaluates
            every group at every step.
        history: Good events came in for as long as any window is; otherwise the first sample
            is the first there ever was.
    """

    left_open: bool = False
    own_intervals: bool = True
    history: bool = True


@dataclass(frozen=True, slots=True)
class Setup:
    """
    Hold what shapes the rules of one SLO.

    Args:
        exact: Profile `exact`; otherwise `sloth`.
    """

    exact: bool
    policy: AlertPolicy
    timing: Timing


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
        slow: The alert stands in the slow group.
    """

    pairs: tuple[tuple[Duration, Duration, float], ...]
    for_steps: int = 0
    min_bad_events: int = 0
    reaches: bool = False
    slow: bool = False


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


class _Raw:
    """Play the timeline and read windows of it the way `rate` and its kin do."""

    def __init__(self, feed: Feed, server: Server, step: Duration, phases: tuple[Phase, ...]) -> None:
        shares = [0.0]
        for phase in phases:
            shares += [phase.error_share] * phase.steps
        self._feed, self._server, self._step = feed, server, step
        self.length = len(shares)
        self.shares = shares
        self._bad = list(accumulate(shares))

    def _first(self, index: int, window: Duration) -> tuple[int, float]:
        """Return the first sample in the window before *index*, and how far in it lies."""
        span = window.milliseconds / self._step.milliseconds
        whole = int(span)
        if self._server.left_open and whole == span:
            whole -= 1
        first, gap = index - whole, span - whole
        if first < 0 and not self._server.history:
            return 0, span - index
        return first, gap

    def window(self, index: int, window: Duration) -> tuple[float, float] | None:
        """Return bad and all events of *window*, as the queries of the indicator give them."""
        first, gap = self._first(index, window)
        count = index - first
        bad = self._bad[index] - (self._bad[first] if first >= 0 else 0.0)
        if self._feed.kind in ("gauge", "average"):
            every = float(count + 1)
            bad += self.shares[first] if first >= 0 else 0.0
            return (bad, every) if self._feed.kind == "gauge" else (bad / every, 1.0)
        if count < 1:
            return None
        steps = window.milliseconds / self._step.milliseconds
        start_bad = self._bad[first] if first >= 0 else 0.0
        start_all = float("inf") if self._server.history else float(first)
        every = _extrapolated(float(count), start_all, count, gap)
        if self._feed.kind == "difference":
            error = every - _extrapolated(count - bad, start_all - start_bad, count, gap)
        else:
            error = _extrapolated(bad, start_bad, count, gap)
        return error / steps, every / steps


def _extrapolated(increase: float, start: float, count: int, gap: float) -> float:
    """Return the increase that Prometheus reports for samples that begin *gap* steps late."""
    if increase <= 0:
        return 0.0
    # A counter is never extrapolated below zero.
    gap = min(gap, count * start / increase)
    return increase * (count + (gap if gap < 1.1 else 0.5)) / count


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

    def _between(
        self, sums: list[float], oldest: int, newest: int, before: float
    ) -> list[float]:
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


def _exact_ratios(
    setup: Setup, raw: _Raw, server: Server, feed: Feed, windows: Sequence[Duration]
) -> tuple[dict[Duration, list[float]], dict[Duration, list[float]]]:
    """Return the error ratio and the number of bad events for every window and evaluation."""
    timing, length = setup.timing, raw.length
    if feed.kind == "recorded":
        rates: list[tuple[float, float] | None] = [(share, 1.0) for share in raw.shares]
    else:
        rates = [raw.window(index, timing.base) for index in range(length)]
    bad = [rate[0] if rate else 0.0 for rate in rates]
    every = [rate[1] if rate else 0.0 for rate in rates]
    fast_ms, slow_ms = timing.fast.milliseconds, timing.slow.milliseconds
    base_ms = timing.base.milliseconds
    fast = _Records(bad, every, fast_ms, server)
    stride = max(1, slow_ms // fast_ms) if server.own_intervals else 1
    present = [1.0 if rate else 0.0 for rate in rates]
    thinned = _thinned(fast, present, timing, stride, server)
    ratios: dict[Duration, list[float]] = {}
    counts: dict[Duration, list[float]] = {}
    for window in windows:
        if window == timing.base:
            sums = (bad, every)
            ratios[window], counts[window] = _quotients(*sums), list(bad)
            continue
        if window == setup.policy.time_window:
            summed = thinned.sums(0, window.milliseconds)
            ratios[window] = _spread(_quotients(*summed), stride, length)
            continue
        before = window.milliseconds - base_ms
        near = _weighted(fast, fast_ms, base_ms, base_ms // 2, before)
        counts[window] = near[0]
        if timing.is_fast(window):
            ratios[window] = _quotients(*near)
        else:
            lag = base_ms // 2 + slow_ms // 2
            older = thinned.sums(base_ms - lag, before)
            weight = base_ms / slow_ms
            long_bad = [weight * b + s for b, s in zip(bad[::stride], older[0], strict=True)]
            long_all = [weight * t + s for t, s in zip(every[::stride], older[1], strict=True)]
            ratios[window] = _spread(_quotients(long_bad, long_all), stride, length)
    return ratios, counts


def _thinned(
    fast: _Records, present: list[float], timing: Timing, stride: int, server: Server
) -> _Records:
    bad, every = fast.sums(0, timing.slow.milliseconds)
    counted = _Records(present, present, timing.fast.milliseconds, server)
    samples = counted.sums(0, timing.slow.milliseconds)[1]
    return _Records(
        [b / n if n else 0.0 for b, n in zip(bad[::stride], samples[::stride], strict=True)],
        [t / n if n else 0.0 for t, n in zip(every[::stride], samples[::stride], strict=True)],
        timing.fast.milliseconds * stride,
        server,
    )


def _weighted(
    records: _Records, step_ms: int, base_ms: int, lag_ms: int, before_ms: int
) -> tuple[list[float], list[float]]:
    weight = base_ms / step_ms
    older = records.sums(base_ms - lag_ms, before_ms)
    return (
        [weight * b + s for b, s in zip(records.bad, older[0], strict=True)],
        [weight * t + s for t, s in zip(records.every, older[1], strict=True)],
    )


def _quotients(bad: Sequence[float], every: Sequence[float]) -> list[float]:
    # Nothing in a window is no result, which compares like zero.
    return [b / t if t > 0 else 0.0 for b, t in zip(bad, every, strict=True)]


def _spread(values: list[float], stride: int, length: int) -> list[float]:
    """Repeat what a slow group records until its next evaluation."""
    if stride == 1:
        return values
    return [value for value in values for _ in range(stride)][:length]


def _sloth_ratios(
    setup: Setup, raw: _Raw, server: Server, feed: Feed, windows: Sequence[Duration]
) -> dict[Duration, list[float]]:
    length = raw.length
    found: dict[Duration, list[float]] = {}
    for window in windows:
        if feed.kind == "recorded":
            found[window] = list(raw.shares)
            continue
        read = [raw.window(index, window) for index in range(length)]
        found[window] = [r[0] / r[1] if r else 0.0 for r in read]
    return found


@lru_cache(maxsize=512)
def ratios(
    setup: Setup, feed: Feed, server: Server, phases: tuple[Phase, ...]
) -> tuple[dict[Duration, list[float]], dict[Duration, list[float]]]:
    """
    Return for every window the error ratio, and its number of bad events, at each evaluation.

    Index 0 is the first evaluation; the first phase covers the *steps* evaluations after it.
    """
    windows = sorted({setup.timing.base, *setup.policy.windows, setup.policy.time_window})
    step = setup.timing.fast
    raw = _Raw(feed, server, step, phases)
    if not setup.exact:
        return _sloth_ratios(setup, raw, server, feed, windows[:-1]), {}
    found, counts = _exact_ratios(setup, raw, server, feed, windows)
    # A record of samples holds the events of a whole base window.
    base_steps = setup.timing.base.milliseconds / step.milliseconds
    scale = feed.events / (base_steps if feed.kind == "gauge" else 1.0)
    return found, {window: [scale * c for c in values] for window, values in counts.items()}


@lru_cache(maxsize=4096)
def episodes(
    setup: Setup, feed: Feed, server: Server, phases: tuple[Phase, ...], condition: Condition
) -> tuple[Episode, ...]:
    """Return when an alert fires and resets over the timeline *phases*."""
    found, counts = ratios(setup, feed, server, phases)
    certain = _firing(setup, server, condition, found, counts, 1 + _SLACK)
    possible = _firing(setup, server, condition, found, counts, 1 - _SLACK)
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


def _firing(
    setup: Setup,
    server: Server,
    condition: Condition,
    found: dict[Duration, list[float]],
    counts: dict[Duration, list[float]],
    slack: float,
) -> list[bool]:
    """Return at which evaluations the alert fires, with limits scaled by *slack*."""
    length = len(next(iter(found.values())))
    stride = max(1, setup.timing.slow.milliseconds // setup.timing.fast.milliseconds)

    def read(window: Duration) -> list[float]:
        if condition.slow or not setup.exact or setup.timing.is_fast(window):
            return found[window]
        # The slow group comes second: the fast one sees what it recorded before.
        return [0.0, *found[window][:-1]]

    active = [False] * length
    for long, short, limit in condition.pairs:
        scaled = limit * slack
        if condition.reaches and limit > 0:
            met = [ratio >= scaled for ratio in read(long)]
        else:
            both = zip(read(long), read(short), strict=True)
            met = [a > scaled and b > scaled for a, b in both]
        if condition.min_bad_events:
            least = condition.min_bad_events * slack
            met = [m and c >= least for m, c in zip(met, counts[long], strict=True)]
        active = [a or m for a, m in zip(active, met, strict=True)]
    held = condition.slow and setup.exact and server.own_intervals
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
