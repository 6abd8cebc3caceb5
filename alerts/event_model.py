"""
Predict what Prometheus makes of a stream of good and bad events in one window.

`rate` and `increase` extrapolate, ranges may or may not include their start, and a counter
that began in the window gives less: all of it decides to the evaluation when an alert fires.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from slo.duration import Duration

__all__ = ["Feed", "Phase", "RawEvents", "Server"]


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
        apart: Good and bad events are counters of their own, and all events their sum;
            otherwise one counter has all of them.
        history: Good events came in for as long as any window is; otherwise the first sample
            is the first there ever was.
    """

    left_open: bool = False
    apart: bool = False
    own_intervals: bool = True
    history: bool = True


class RawEvents:
    """Play the timeline and read windows of it the way `rate` and its kin do."""

    def __init__(
        self, feed: Feed, server: Server, step: Duration, phases: tuple[Phase, ...]
    ) -> None:
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
        good = _extrapolated(count - bad, start_all - start_bad, count, gap)
        error = _extrapolated(bad, start_bad, count, gap)
        if self._server.apart:
            every = good + error
        if self._feed.kind == "difference":
            error = every - good
        return error / steps, every / steps


def _extrapolated(increase: float, start: float, count: int, gap: float) -> float:
    """Return the increase that Prometheus reports for samples that begin *gap* steps late."""
    if increase <= 0:
        return 0.0
    # A counter is never extrapolated below zero.
    gap = min(gap, count * start / increase)
    return increase * (count + (gap if gap < 1.1 else 0.5)) / count
