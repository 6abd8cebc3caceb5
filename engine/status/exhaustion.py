"""
Say when an error budget will be gone.

Linear: what is left, divided by how fast it burns. In a rolling window old errors also leave, and
so does the traffic that they were allowed for. With bad events *bad* and all events *total* per
hour, a budget *B*, and a forecast of *beta* bad and *nu* events a second, it is gone at the least
`t` with

    bad(now - W + t, now) + beta * t  >=  B * (total(now - W + t, now) + nu * t)

The difference of the two sides, the slack, is linear between the hours at which events leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slo.engine.status.model import Exhaustion

__all__ = ["HOUR", "Expiring", "Outlook", "exhaustion", "linear"]

HOUR = 3_600.0


class Expiring:
    """
    Hold the events that a rolling window will lose, by hour.

    Args:
        first: Unix time at which the first hour begins.
        bad: Bad events of each hour; *total* likewise.
        budget: Share of events that may be bad.
        window: Length of the period in seconds.
    """

    __slots__ = ("_bad", "_budget", "_first", "_hull", "_total", "_window")

    def __init__(
        self,
        first: float,
        bad: Sequence[float],
        total: Sequence[float],
        budget: float,
        window: float,
    ) -> None:
        self._first = first + window
        self._bad, self._total, self._budget, self._window = bad, total, budget, window
        self._hull = self._lower_hull()

    def gone_after(self, slack: float, drift: float, now: float) -> float | None:
        """
        Return the seconds until the slack is used up; `None` for never.

        Args:
            slack: Bad events that may still happen now.
            drift: Change of the slack by the second through new events: `B * nu - beta`.
        """
        if slack <= 0:
            return 0.0
        start = self._at(now)
        # The lowest point of the slack lies on the hull, whatever the drift, or at the end,
        # when the window holds nothing that has happened yet.
        lowest = min(gain + drift * (at - now) for at, gain in self._hull)
        lowest = min(lowest, self._hull[-1][1] + drift * self._window)
        if slack - start + lowest > 0:
            return None
        return self._scan(slack - start, drift, now)

    def _scan(self, level: float, drift: float, now: float) -> float | None:
        """Return the first moment at which `level + gain(t) + drift * t` is zero."""
        before, before_level = now, level + self._at(now)
        for at, gain in self._corners(now):
            after_level = level + gain + drift * (at - now)
            if after_level <= 0:
                share = before_level / (before_level - after_level)
                return before + share * (at - before) - now
            before, before_level = at, after_level
        return None

    def _corners(self, now: float) -> Iterator[tuple[float, float]]:
        """Yield the moments after *now* from which on others leave, and what has left by then."""
        gain, at, end = 0.0, self._first, now + self._window
        if at > now:
            yield at, gain
        for bad, total in zip(self._bad, self._total, strict=True):
            gain += bad - self._budget * total
            at += HOUR
            if at > now:
                yield at, gain
        if at < end:
            yield end, gain

    def _at(self, now: float) -> float:
        """Return what has left up to *now*, part of an hour included."""
        hours = (now - self._first) / HOUR
        if hours <= 0:
            return 0.0
        whole = min(int(hours), len(self._bad))
        gain = sum(self._bad[:whole]) - self._budget * sum(self._total[:whole])
        if whole < len(self._bad):
            part = self._bad[whole] - self._budget * self._total[whole]
            gain += (hours - whole) * part
        return gain

    def _lower_hull(self) -> tuple[tuple[float, float], ...]:
        hull: list[tuple[float, float]] = [(self._first, 0.0)]
        gain, at = 0.0, self._first
        for bad, total in zip(self._bad, self._total, strict=True):
            gain += bad - self._budget * total
            at += HOUR
            while len(hull) > 1:
                (x1, y1), (x2, y2) = hull[-2], hull[-1]
                if (y2 - y1) * (at - x2) < (gain - y2) * (x2 - x1):
                    break
                hull.pop()
            hull.append((at, gain))
        return tuple(hull)


def linear(remaining: float, window: float, burn_rate: float) -> float | None:
    """Return the seconds until the share *remaining* of a budget for *window* seconds is gone."""
    if remaining <= 0:
        return 0.0
    return remaining * window / burn_rate if burn_rate > 0 else None


@dataclass(frozen=True, slots=True)
class Outlook:
    """
    Hold what a forecast starts from.

    Args:
        remaining: Share of the budget that is left; of a calendar period's whole one.
        window: Length of the period in seconds.
        ends_in: Seconds until a calendar period ends; `None` for a rolling one.
        budget: Share of events that may be bad.
        slack: Bad events that may still happen, where events are known.
        events_per_second: Of all events, on average.
    """

    remaining: float
    window: float
    ends_in: float | None = None
    budget: float = 0.0
    slack: float | None = None
    events_per_second: float = 0.0


def exhaustion(
    outlook: Outlook, burn_rates: Sequence[float], now: float, expiring: Expiring | None = None
) -> Exhaustion | None:
    """
    Return when the budget will be gone; `None` where no burn rate is known.

    Args:
        burn_rates: The likely one first.
        expiring: Where known, what leaves a rolling window.
    """
    if not burn_rates:
        return None
    aware = expiring is not None and outlook.slack is not None and outlook.ends_in is None

    def gone(burn_rate: float) -> float | None:
        if outlook.remaining <= 0:
            return 0.0
        if aware:
            assert expiring is not None
            assert outlook.slack is not None
            drift = outlook.budget * outlook.events_per_second * (1 - burn_rate)
            return expiring.gone_after(outlook.slack, drift, now)
        moment = linear(outlook.remaining, outlook.window, burn_rate)
        if moment is not None and outlook.ends_in is None and moment >= outlook.window:
            # By then all that was spent has left the window, and what came since is less.
            return None
        return moment

    def before_reset(moment: float | None) -> float | None:
        late = moment is None or (outlook.ends_in is not None and moment >= outlook.ends_in)
        return None if late else moment

    likely = gone(burn_rates[0])
    return Exhaustion(
        method="expiry_aware" if aware else "linear",
        likely=before_reset(likely),
        earliest=before_reset(gone(max(burn_rates))),
        latest=before_reset(gone(min(burn_rates))),
        capped_by_reset=likely is not None and before_reset(likely) is None,
    )
