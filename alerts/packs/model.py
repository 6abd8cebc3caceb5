"""Hold what a pack of rules is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from slo.alerts.model import AlertingRule, RecordingRule
from slo.duration import Duration, minutes
from slo.numbers import decimal_text

__all__ = [
    "Check",
    "Feed",
    "PackRules",
    "Scenario",
    "counter",
    "gauge",
    "held",
    "missing",
    "ramp",
    "wait",
]


class Feed(NamedTuple):
    """
    Give one raw series its samples, one a minute.

    Args:
        values: In promtool's notation.
    """

    series: str
    values: str


class Check(NamedTuple):
    """Demand that *firing* alerts called *alert* fire at minute *at* of a scenario."""

    alert: str
    at: int
    firing: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    Tell one story that the rules of a pack must judge right.

    Args:
        name: What happens, in a few words.
    """

    name: str
    feeds: tuple[Feed, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class PackRules:
    """
    Hold what a pack makes of its settings.

    Args:
        slow: Alerts that read a day of samples, and need not do so every minute.
    """

    records: tuple[RecordingRule, ...]
    alerts: tuple[AlertingRule, ...]
    scenarios: tuple[Scenario, ...] = ()
    slow: tuple[AlertingRule, ...] = ()

    @property
    def all_alerts(self) -> tuple[AlertingRule, ...]:
        """Return the alerts of every pace."""
        return self.alerts + self.slow


def held(checks: Iterable[Check], holding: Duration) -> tuple[Check, ...]:
    """
    Return *checks* as they are when each alert is held for *holding* after its reason is gone.

    Demands stand as they are until an alert first fires. The next one that wants it over says
    that it is held, if it is sure to be; all later ones depend on when it began and are left out.

    >>> checks = Check("A", 9, 0), Check("A", 20, 1), Check("A", 30, 0), Check("A", 40, 1)
    >>> [tuple(check) for check in held(checks, minutes(10))]
    [('A', 9, 0), ('A', 20, 1), ('A', 30, 1)]
    >>> [tuple(check) for check in held(checks, minutes(5))]
    [('A', 9, 0), ('A', 20, 1)]
    """
    kept: list[Check] = []
    fired: dict[str, Check] = {}
    done: set[str] = set()
    for check in sorted(checks, key=lambda check: check.at):
        first = fired.get(check.alert)
        if check.alert in done:
            continue
        if first is None:
            kept.append(check)
            if check.firing:
                fired[check.alert] = check
            continue
        done.add(check.alert)
        sure = minutes(check.at - first.at).milliseconds <= holding.milliseconds
        if check.firing == 0 and sure:
            kept.append(check._replace(firing=first.firing))
    return tuple(kept)


# How many minutes a scenario waits beside a moment, so that it holds for any phase in which
# a server evaluates its rules.
_SLACK = 1


def wait(lasting: Duration) -> int:
    """Return the whole minutes after which a condition has surely lasted *lasting*."""
    return -(-lasting.milliseconds // minutes(1).milliseconds) + _SLACK


def gauge(*phases: tuple[float, int]) -> str:
    """
    Return a gauge that has a value for some minutes, then another.

    >>> gauge((0.5, 60), (2, 1))
    '0.5x59 2'
    """
    return " ".join(_run(value, 0, count) for value, count in phases)


def ramp(start: float, per_minute: float, count: int) -> str:
    """Return *count* samples of a gauge that changes evenly."""
    return _run(start, per_minute, count)


def missing(count: int) -> str:
    """Return *count* minutes without samples."""
    return f"_x{count}"


def counter(*phases: tuple[float, int], resets: Iterable[int] = ()) -> str:
    """
    Return a counter that grows by an amount a minute for some minutes, then by another.

    Args:
        resets: Positions of the phases that begin with a restart at zero.

    >>> counter((10, 3), (0, 2), (5, 2), resets=[2])
    '0+10x2 30x1 0+5x1'
    """
    parts, value, at_zero = [], 0.0, frozenset(resets)
    for number, (step, count) in enumerate(phases):
        if number in at_zero:
            value = 0.0
        parts.append(_run(value, step, count))
        value += step * count
    return " ".join(parts)


def _run(value: float, step: float, count: int) -> str:
    start = _number(value)
    if count == 1:
        return start
    if step == 0:
        return f"{start}x{count - 1}"
    return f"{start}{'-' if step < 0 else '+'}{_number(abs(step))}x{count - 1}"


def _number(value: float) -> str:
    # In plain notation: an exponent's sign would be read as a step.
    return decimal_text(Decimal(f"{value:.12g}"))
