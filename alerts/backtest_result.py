"""Hold what a backtest found: when which alerts would have fired, and what went of the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from slo.duration import Duration
from slo.plan import SloPlan

__all__ = ["Backtest", "FiringEpisode", "GroupBacktest", "Stretch", "Values"]

Values = Sequence[float | None]
"""One value per step; `None` where there is none."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    Hold a stretch of time in Unix seconds.

    Args:
        end: `None` where it has not ended by the end of the backtest.
    """

    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class FiringEpisode:
    """
    Hold one time that an alert would have fired.

    Args:
        kind: `burn_rate`, `budget_exhausted` or `missing_data`.
        windows: Long and short window of a burn-rate alert, such as `1h/5m`.
        burn_rate: Its threshold for people.
        fired: When it fires; `end` is `None` if it still does at the end.
        began_before: It fired already when the backtest begins.
        peak_burn_rate: Highest burn rate over the shortest window while it fires.
        spent: Share of the period's budget that is spent while it fires.
    """

    severity: str
    kind: str
    windows: str
    burn_rate: str
    fired: Stretch
    began_before: bool
    peak_burn_rate: float | None
    spent: float | None

    def lasted(self, until: float) -> float:
        """Return for how many seconds it fires before *until*."""
        end = self.fired.end
        return (until if end is None else end) - self.fired.start


@dataclass(frozen=True, slots=True)
class GroupBacktest:
    """
    Hold what one SLO, or one group of it, would have seen.

    Args:
        labels: Values of the labels that it is grouped by.
        coverage: Share of the steps at which something was measured.
        measured_from: First time at which anything was measured, `None` for never.
        spent: Share of one period's budget that the backtested time has spent.
        remaining: Share of the budget that is left at the end; `None` where nothing is known.
        worst_day: The day that spent most, with the share.
        start: Time of the first value in *burn_rates* and *budget*.
        burn_rates: Over the shortest window, one value per step.
        budget: Share of the budget that is left, one value per step.
    """

    labels: Mapping[str, str]
    episodes: tuple[FiringEpisode, ...]
    coverage: float
    measured_from: float | None
    spent: float | None
    remaining: float | None
    worst_day: tuple[date, float] | None
    start: float
    burn_rates: Values = field(repr=False)
    budget: Values = field(repr=False)

    def stretches(self, severity: str) -> tuple[Stretch, ...]:
        """
        Return when at least one alert of *severity* fires: what one notification is about.

        >>> one = FiringEpisode("page", "burn_rate", "", "", Stretch(0, 5), False, None, None)
        >>> two = FiringEpisode("page", "burn_rate", "", "", Stretch(3, 9), False, None, None)
        >>> GroupBacktest({}, (one, two), 1, 0, 0, 1, None, 0, (), ()).stretches("page")
        (Stretch(start=0, end=9),)
        """
        found: list[Stretch] = []
        fired = [e.fired for e in self.episodes if e.severity == severity]
        for each in sorted(fired, key=lambda stretch: stretch.start):
            last = found[-1] if found else None
            if last is None or (last.end is not None and each.start > last.end):
                found.append(each)
            elif last.end is not None:
                end = None if each.end is None else max(last.end, each.end)
                found[-1] = Stretch(last.start, end)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Backtest:
    """
    Hold what one SLO would have seen between two times, in Unix seconds.

    Args:
        step: Time between two evaluations.
        lead: How much earlier history must begin for all windows and the budget to be whole.
    """

    plan: SloPlan
    since: float
    until: float
    step: Duration
    lead: Duration
    groups: tuple[GroupBacktest, ...]

    @property
    def is_complete(self) -> bool:
        """Tell whether something was measured early enough for whole windows and budgets."""
        needed = self.since - self.lead.seconds
        slack = 2 * self.step.seconds
        return all(
            group.measured_from is not None and group.measured_from <= needed + slack
            for group in self.groups
        )
