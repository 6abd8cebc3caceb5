"""Say in a word how an SLO stands, and in sentences why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slo.engine.ledger.records import Freeze
from slo.engine.status.model import Alert, Budget, State

__all__ = ["Judgement", "Thresholds", "by_urgency", "judge", "length_in_words"]

_URGENCY = ("page", "ticket")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """
    Say from where on an SLO is not fine any more.

    Args:
        stale_after: Seconds after which numbers are not relied on.
        low_budget: Share of the budget below which it is little.
        forget_after: Seconds after which an SLO that nobody records is not shown any more.
    """

    stale_after: float = 900.0
    low_budget: float = 0.25
    forget_after: float = 3_600.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """Hold a state and the reasons for it, the deciding one first."""

    state: State
    reasons: tuple[str, ...]


def judge(
    *,
    thresholds: Thresholds,
    age: float | None,
    missing: str | None,
    budget: Budget,
    alerts: Sequence[Alert],
    freezes: Sequence[Freeze],
) -> Judgement:
    """
    Return the worst state that applies, with the reasons for every one that does.

    Args:
        missing: What is not recorded, as a sentence; `None` where all is well.
        freezes: Those in force for this SLO.
    """
    found: list[tuple[State, str]] = []
    if age is not None and age > thresholds.stale_after:
        found.append((State.STALE, stale_reason(age)))
    if missing is not None:
        found.append((State.NO_DATA, missing))
    found += _spent(budget)
    found += [(State.FROZEN, _frozen(freeze)) for freeze in freezes]
    found += _burning(alerts)
    left = budget.projected if budget.projected is not None else budget.remaining
    if left is not None and 0 < left < thresholds.low_budget:
        found.append((State.WARNING, f"Only {_percent(left)} of the error budget is left."))
    if not found:
        return Judgement(State.OK, ())
    return Judgement(found[0][0], tuple(reason for _, reason in found))


def stale_reason(age: float) -> str:
    """Return the sentence about numbers that are *age* seconds old."""
    return f"The numbers are {length_in_words(age)} old."


def _spent(budget: Budget) -> list[tuple[State, str]]:
    left = budget.projected if budget.projected is not None else budget.remaining
    if left is not None and left <= 0:
        spent = f"{_percent(1 - left)} of the error budget is spent."
        return [(State.BREACHED, spent)]
    if budget.ratio == 0 and budget.remaining_events is not None and budget.remaining_events < 0:
        return [(State.BREACHED, "The objective allows no bad event, and there were some.")]
    return []


def _frozen(freeze: Freeze) -> str:
    where = "" if freeze.target.environment == "*" else f" in {freeze.target.environment}"
    return f"Deployments are frozen{where}: {freeze.reason}"


def _burning(alerts: Sequence[Alert]) -> list[tuple[State, str]]:
    found = []
    firing = [a for a in alerts if a.state == "firing" and a.kind == "burn_rate"]
    for alert in sorted(firing, key=by_urgency):
        over = f" over {alert.windows.replace('/', ' and ')}" if alert.windows else ""
        kind = alert.severity or "burn-rate"
        found.append((State.WARNING, f"A {kind} alert fires: it burns too fast{over}."))
    return found


def by_urgency(alert: Alert) -> tuple[bool, int, float, str]:
    """Order what fires before what is pending, pages before tickets, the longest first."""
    rank = _URGENCY.index(alert.severity) if alert.severity in _URGENCY else len(_URGENCY)
    since = math.inf if alert.since is None else alert.since
    return alert.state != "firing", rank, since, alert.windows


def length_in_words(seconds: float) -> str:
    """
    Return a length of time as people say it.

    >>> length_in_words(90), length_in_words(3 * 3600), length_in_words(20)
    ('1 minute', '3 hours', '20 seconds')
    """
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count = int(seconds // size)
        if count or word == "second":
            return f"{count} {word}" + ("" if count == 1 else "s")
    raise AssertionError("seconds are the last resort")


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %" if abs(share) < 10 else f"{100 * share:.0f} %"
