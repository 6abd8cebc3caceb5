"""Compare what two versions of an SLO would have seen over the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slo.alerts.backtest_result import Backtest, Stretch

__all__ = ["Comparison", "Difference", "compare", "group_name"]


@dataclass(frozen=True, slots=True)
class Difference:
    """
    Hold one notification that only one of the versions sends.

    Args:
        group: Label values of the group, for people; empty without groups.
        only: `before` or `after`.
    """

    only: str
    severity: str
    group: str
    fired: Stretch


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold one SLO in two versions; `None` where it exists in one of them only."""

    before: Backtest | None
    after: Backtest | None

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Return the notifications without a counterpart at the same time, oldest first."""
        found = [
            *_missing_in(self.before, self.after, "before"),
            *_missing_in(self.after, self.before, "after"),
        ]
        return tuple(sorted(found, key=lambda each: (each.fired.start, each.severity)))


def compare(before: Sequence[Backtest], after: Sequence[Backtest]) -> tuple[Comparison, ...]:
    """Return every SLO of either version, matched by its id, in the order of *after*."""
    old = {test.plan.id: test for test in before}
    pairs = [Comparison(old.pop(test.plan.id, None), test) for test in after]
    return (*pairs, *(Comparison(test, None) for test in old.values()))


def _missing_in(own: Backtest | None, other: Backtest | None, only: str) -> list[Difference]:
    if own is None:
        return []
    found = []
    theirs = {} if other is None else {group_name(g.labels): g for g in other.groups}
    for group in own.groups:
        counterpart = theirs.get(group_name(group.labels))
        for severity in ("page", "ticket"):
            against = counterpart.stretches(severity) if counterpart else ()
            for stretch in group.stretches(severity):
                if not any(_overlap(stretch, each) for each in against):
                    found.append(Difference(only, severity, group_name(group.labels), stretch))
    return found


def group_name(labels: Mapping[str, str]) -> str:
    """Return the labels of a group for people."""
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _overlap(one: Stretch, other: Stretch) -> bool:
    ends = (one.end is None or one.end > other.start, other.end is None or other.end > one.start)
    return all(ends)
