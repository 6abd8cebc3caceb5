"""Make counters of services whose events are known, with everything that happens to counters."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["DAY", "Count", "Pattern", "counters", "patterns", "write_counters"]

DAY = 86_400
_HOUR = 3600
# Before missed evaluations, half a base window and up to one thinned block lose their records.
_BEFORE = 150 + 240

Rate = Callable[[float], float]
"""Events per second at a number of seconds since the start."""

Stretch = tuple[float, float]
"""Begin and end, in seconds since the start."""


@dataclass(frozen=True)
class Pattern:
    """
    Describe one service.

    Args:
        total: Rate of all events.
        error: Rate of bad events.
        goal: How far profile `exact` may be from the true error ratio, as a share of it.
        late: Whether an error series exists only from the first error of its process on.
        gaps: Stretches in which scrapes fail.
        missed: Stretches in which no rule is evaluated.
        concealed: Whether they hide a part of an incident, which no record can make good.
        lifetime: Seconds after which a process restarts and its counters with it; 0 for never.
        pods: How many processes share the events, each with series of its own.
        churn: Whether a restart gives the series a new name.
    """

    name: str
    total: Rate
    error: Rate
    goal: float = 0.005
    late: bool = False
    gaps: Sequence[Stretch] = ()
    missed: Sequence[Stretch] = ()
    concealed: bool = False
    lifetime: float = 0
    pods: int = 1
    churn: bool = False


@dataclass
class Count:
    """
    Count what happened.

    Args:
        unseen: Bad events that no evaluation recorded.
    """

    total: int = 0
    error: int = 0
    unseen: int = 0

    @property
    def ratio(self) -> float:
        """Return the error ratio."""
        return self.error / self.total


def _daily(second: float) -> float:
    return 11 + 9 * math.sin(2 * math.pi * (second / DAY - 0.25))


def _spikes(second: float) -> float:
    return 60.0 if second % 7200 < 180 else 0.5


def _dead_nights(second: float) -> float:
    return 0.0 if (second / _HOUR) % 24 < 8 else 10.0


def _constant(value: float) -> Rate:
    return lambda second: value


def _share(rate: Rate, share: float) -> Rate:
    return lambda second: share * rate(second)


def _incident(rate: Rate, begin: float, share: float, base: float = 0.0002) -> Rate:
    """Return the bad events of *rate*: *share* of it for an hour, *base* of it otherwise."""
    return lambda second: (share if begin <= second < begin + _HOUR else base) * rate(second)


def _stretches(seed: int, span: float, share: float, longest: float) -> list[Stretch]:
    """Return random stretches of two minutes up to *longest* that make up *share* of *span*."""
    chance = random.Random(seed)
    found: list[Stretch] = []
    at = 0.0
    while True:
        length = chance.uniform(120, longest)
        at += chance.expovariate(share / (1 - share) / ((120 + longest) / 2))
        if at + length >= span:
            return found
        found.append((at, at + length))
        at += length


def patterns(days: int) -> tuple[Pattern, ...]:
    """Return the kinds of traffic over so many days; incidents come after two fifths of them."""
    span = days * DAY
    flat, usual = _constant(10.0), 0.0005
    # Enough bad events for the loss of a twentieth to show more than chance.
    many = 0.002
    day = days * 2 // 5
    noon, midnight = day * DAY + 12 * _HOUR, day * DAY
    peak = _incident(_daily, noon, 0.2)
    hidden = ((noon + 20 * 60, noon + 35 * 60),)
    stretches = _stretches(3, span, 0.05, _HOUR)
    late = days * 3 / 5 * DAY
    return (
        Pattern("flat", flat, _share(flat, usual)),
        Pattern("daily cycle 10:1", _daily, _share(_daily, usual)),
        Pattern("incident at the peak", _daily, peak),
        Pattern("incident at night", _daily, _incident(_daily, midnight, 0.2)),
        Pattern(
            "spiky", _spikes, lambda second: 0.01 * _spikes(second) if second % 7200 < 180 else 0.0
        ),
        Pattern("near zero", _constant(0.01), _constant(0.0002)),
        Pattern("dead nights", _dead_nights, _share(_dead_nights, usual)),
        Pattern(
            "scrape gaps", _daily, _share(_daily, many), gaps=_stretches(1, span, 0.05, 20 * 60)
        ),
        Pattern("counter resets", _daily, _share(_daily, usual), lifetime=5 * _HOUR),
        Pattern("pod churn", _daily, _share(_daily, usual), lifetime=6 * _HOUR, pods=4, churn=True),
        Pattern("errors born late", flat, _incident(flat, late, 0.05, 0.0), goal=0.015, late=True),
        Pattern(
            "errors born late in each pod",
            _daily,
            _share(_daily, many),
            goal=0.015,
            late=True,
            lifetime=6 * _HOUR,
            pods=4,
            churn=True,
        ),
        Pattern("missed evaluations", _daily, _share(_daily, many), missed=stretches),
        Pattern(
            "server down at times", _daily, _share(_daily, many), gaps=stretches, missed=stretches
        ),
        Pattern("evaluations missed in an incident", _daily, peak, missed=hidden, concealed=True),
        Pattern(
            "server down in an incident",
            _daily,
            peak,
            gaps=hidden,
            missed=hidden,
            concealed=True,
        ),
    )


def within(stretches: Sequence[Stretch], second: float) -> bool:
    """Tell whether *second* lies in one of a few dozen *stretches*."""
    return any(begin <= second < end for begin, end in stretches)


def _poisson(chance: random.Random, mean: float) -> int:
    """Return how many independent events happen where *mean* are expected."""
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, events = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        events += 1
    return events


@dataclass
class _Process:
    """Hold the two counters of one process, and its name."""

    name: str
    total: int = 0
    error: int = 0


@dataclass
class Counters:
    """
    Hold what scrapes read and what happened.

    Args:
        lines: Samples in OpenMetrics text, for each metric.
        counts: What had happened at each checkpoint.
    """

    lines: dict[str, list[str]] = field(
        default_factory=lambda: {"requests_total": [], "errors_total": []}
    )
    counts: list[Count] = field(default_factory=list)


def counters(
    pattern: Pattern, job: str, start: int, span: int, scrape: int, checkpoints: Sequence[int]
) -> Counters:
    """
    Return the scrapes of *pattern* from *start* on, and the events counted at *checkpoints*.

    Args:
        job: Value of the label `job`; it also seeds the chance.
        span: Seconds.
        scrape: Seconds between two scrapes.
        checkpoints: Seconds since the start.
    """
    chance = random.Random(job)
    found, count = Counters(), Count()
    processes = [_Process(str(pod)) for pod in range(pattern.pods)]
    requests, errors = found.lines["requests_total"], found.lines["errors_total"]
    for second in range(0, span + 1, scrape):
        _restart(pattern, processes, second, scrape)
        if second:
            _happen(pattern, processes, chance, second, scrape, count)
        if not within(pattern.gaps, second):
            for process in processes:
                labels = f'{{job="{job}",pod="{process.name}"}}'
                requests.append(f"requests_total{labels} {process.total} {start + second}\n")
                if process.error or not pattern.late:
                    errors.append(f"errors_total{labels} {process.error} {start + second}\n")
        if second in checkpoints:
            found.counts.append(Count(count.total, count.error, count.unseen))
    return found


def _restart(pattern: Pattern, processes: list[_Process], second: int, scrape: int) -> None:
    """Give those processes whose life is over new counters; restarts roll over the pods."""
    if not pattern.lifetime or not second:
        return
    for pod, process in enumerate(processes):
        age = second + pod * pattern.lifetime / pattern.pods
        if age % pattern.lifetime < scrape:
            process.total = process.error = 0
            if pattern.churn:
                process.name = f"{pod}-{age // pattern.lifetime:.0f}"


def _happen(
    pattern: Pattern,
    processes: list[_Process],
    chance: random.Random,
    second: int,
    scrape: int,
    count: Count,
) -> None:
    """Let the events between two scrapes happen."""
    middle = second - scrape / 2
    for process in processes:
        share = scrape / pattern.pods
        bad = _poisson(chance, pattern.error(middle) * share)
        good = _poisson(chance, (pattern.total(middle) - pattern.error(middle)) * share)
        process.total += good + bad
        process.error += bad
        count.total += good + bad
        count.error += bad
        if within(pattern.missed, middle) or within(pattern.missed, middle + _BEFORE):
            count.unseen += bad


def write_counters(file: Path, all_counters: Sequence[Counters]) -> None:
    """Write the scrapes as OpenMetrics text."""

    def lines() -> Iterator[str]:
        for metric in ("requests_total", "errors_total"):
            yield f"# TYPE {metric.removesuffix('_total')} counter\n"
            for one in all_counters:
                yield from one.lines[metric]
        yield "# EOF\n"

    with file.open("w") as out:
        out.writelines(lines())
