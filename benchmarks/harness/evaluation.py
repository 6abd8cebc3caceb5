"""
Evaluate recording rules over a past stretch of time in a real Prometheus.

Rules that read other rules come in later passes: each pass asks the server for the range of
every rule, keeps the instants at which rules were evaluated, and adds the result to the server's
data. Records are found by their names in expressions, whatever the rules look like.
"""

from __future__ import annotations

import json
import re
import subprocess
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.rule_sets import Groups
from slo.duration import Duration
from slo.stack.json_client import JsonClient
from slo.stack.processes import find_program
from slo.stack.prometheus import prometheus_config, run_prometheus

__all__ = [
    "Record",
    "Wanted",
    "add_samples",
    "passes",
    "record",
    "server",
    "value_at",
]

_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
# Prometheus answers at most 11,000 points for a series.
_POINTS = 10_000
_FLAGS = (
    "--storage.tsdb.retention.time=20y",
    "--query.max-samples=500000000",
    "--query.timeout=10m",
)
_DEADLINE_SECONDS = 600.0


@dataclass(frozen=True)
class Record:
    """
    Hold one recording rule.

    Args:
        group: Name of its group.
        interval: Seconds between two evaluations.
        phase: Seconds of the evaluations after multiples of the interval.
        lookback: Seconds for which it may see its inputs.
    """

    group: str
    name: str
    expr: str
    labels: Mapping[str, str]
    interval: int
    phase: int
    lookback: int = 1


@dataclass(frozen=True)
class Wanted:
    """
    Name a series that is wanted at some instants.

    Args:
        expr: Its expression.
        records: What it reads, and what that reads in turn.
    """

    expr: str
    records: tuple[Record, ...]

    @classmethod
    def of(cls, groups: Groups, record: str, matching: Mapping[str, str]) -> Wanted:
        """
        Return the expression of *record*, among those rules that have the labels *matching*.

        Raises:
            ValueError: There is not exactly one such rule.
        """
        rules: dict[str, list[Record]] = {}
        for group in groups:
            interval = round(Duration.parse(group.get("interval", "30s")).seconds)
            # A server spreads groups over their interval by a hash as well.
            phase = zlib.crc32(group["name"].encode()) % interval
            for rule in group["rules"]:
                labels = rule.get("labels", {})
                if "record" in rule and matching.items() <= labels.items():
                    name, expr = rule["record"], rule["expr"]
                    found = Record(group["name"], name, expr, labels, interval, phase)
                    rules.setdefault(found.name, []).append(found)
        if len(rules.get(record, [])) != 1:
            raise ValueError(f"{record} is recorded by {len(rules.get(record, []))} rules, not one")
        expr = rules[record][0].expr
        read: dict[str, list[Record]] = {}
        todo = [expr]
        while todo:
            for name in _names(todo.pop()):
                if name in rules and name not in read:
                    read[name] = rules[name]
                    todo += [r.expr for r in rules[name]]
        records = [r for same in read.values() for r in same]
        return cls(expr, tuple(replace(r, lookback=_lookback(r, records)) for r in records))


def _lookback(rule: Record, records: Sequence[Record]) -> int:
    """
    Return the seconds for which *rule* may see its inputs.

    A rule whose result is gone ends its series by a mark that samples from a file cannot carry.
    For the rules after it in its group the result is gone at once, so they look no further back
    than the same instant.
    """
    read = _names(rule.expr)
    others = (r.interval for r in records if r.name in read and r.group != rule.group)
    return max(others, default=1)


def _names(expr: str) -> set[str]:
    return set(_NAME.findall(re.sub(r'"[^"]*"', "", expr)))


def passes(records: Sequence[Record]) -> list[list[Record]]:
    """
    Return *records* in passes, each of which reads only what earlier ones record.

    Raises:
        ValueError: Records read one another in a circle.
    """
    left = list(records)
    found: list[list[Record]] = []
    while left:
        pending = {r.name for r in left}
        ready = [r for r in left if not _names(r.expr) & pending - {r.name}]
        if not ready:
            raise ValueError(f"these records read one another in a circle: {sorted(pending)}")
        found.append(ready)
        left = [r for r in left if r not in ready]
    return found


@contextmanager
def server(folder: Path, lookback_seconds: int = 300) -> Iterator[JsonClient]:
    """Run a Prometheus over the data in *folder*."""
    flags = (*_FLAGS, f"--query.lookback-delta={lookback_seconds}s")
    with (
        run_prometheus(folder, prometheus_config(), arguments=flags) as client,
        closing(JsonClient("prometheus", client.url, deadline_seconds=_DEADLINE_SECONDS)) as json,
    ):
        yield json


def add_samples(folder: Path, file: Path) -> None:
    """Add the OpenMetrics text *file* to the data in *folder* while no server runs, and drop it."""
    subprocess.run(
        [
            find_program("promtool"),
            "tsdb",
            "create-blocks-from",
            "--max-block-duration=744h",
            "openmetrics",
            str(file),
            str(folder / "data"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    file.unlink()


def value_at(client: JsonClient, expr: str, time: float) -> float | None:
    """Return the one number that *expr* has at *time*, or `None` where there is none."""
    data = client.get("/api/v1/query", {"query": expr, "time": str(time)})["data"]
    values = [float(series["value"][1]) for series in data["result"]]
    if len(values) > 1:
        raise ValueError(f"{expr!r} has {len(values)} series, not one")
    return values[0] if values and values[0] == values[0] else None


def record(
    client: JsonClient,
    rules: Sequence[tuple[Record, Callable[[float], bool]]],
    start: int,
    end: int,
    file: Path,
) -> None:
    """
    Write what *rules* record from *start* to *end* as OpenMetrics text.

    Args:
        rules: Each with a test that tells whether an instant's evaluation took place.
    """
    with file.open("w") as out:
        for rule, evaluated in rules:
            out.write(f"# TYPE {rule.name} gauge\n")
            for labels, samples in _evaluate(client, rule, start, end).items():
                out.writelines(
                    f"{rule.name}{labels} {value} {time}\n"
                    for time, value in sorted(samples.items())
                    if evaluated(time)
                )
        out.write("# EOF\n")


def _evaluate(
    client: JsonClient, rule: Record, start: int, end: int
) -> dict[str, dict[float, str]]:
    """Return the samples of each series that *rule* records, values as the server wrote them."""
    found: dict[str, dict[float, str]] = {}
    first = start + (rule.phase - start) % rule.interval
    width = _POINTS * rule.interval
    for begin in range(first, end + 1, width):
        parameters = {
            "query": rule.expr,
            "start": str(begin),
            "end": str(min(begin + width - rule.interval, end)),
            "step": str(rule.interval),
        }
        answer: Any = client.get("/api/v1/query_range", parameters)
        for series in answer["data"]["result"]:
            metric = {k: v for k, v in series["metric"].items() if k != "__name__"}
            # Equal labels from two branches of `or` are one series of the rule.
            samples = found.setdefault(_matchers({**metric, **rule.labels}), {})
            for time, value in series["values"]:
                if time in samples:
                    raise ValueError(f"{rule.name} has two samples at {time}: {rule.expr}")
                samples[time] = value
    return found


def _matchers(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{k}={json.dumps(v)}" for k, v in sorted(labels.items())) + "}"
