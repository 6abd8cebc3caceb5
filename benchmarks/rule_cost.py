"""
Measure what the rules of one SLO cost a real Prometheus, by its own account.

Days of raw counters and thirty days of records are loaded with promtool, in blocks as a server
makes them, and go on live from a target that Prometheus scrapes. Each tool's rules run for some
minutes over the same data; the duration of every group's evaluation, as the rule manager reports
it, weighed by the group's interval, gives milliseconds of evaluation a minute.

`python benchmarks/rule_cost.py` prints the table for 16, 300 and 3,000 raw series and exits with
1 if profile `exact` misses its goals; `--write-docs` puts it into docs/performance.md. It takes
an hour and a half and 6 GB of disk, the disk for 3,000 series alone.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from harness import rule_sets
from harness.busy_service import BLOCK, History, Service, load
from harness.docs import write_block
from harness.rule_sets import Groups

from slo.duration import Duration, seconds
from slo.stack.json_client import JsonClient
from slo.stack.prometheus import ScrapeTarget, prometheus_config, run_prometheus

_PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_DAY = 86_400
_SERVICE = "shop"
_ERROR, _TOTAL = 'requests_total{job="shop",code=~"5.."}', 'requests_total{job="shop"}'
_INTERVAL = 30
_FLAGS = (
    "--storage.tsdb.retention.time=40d",
    "--query.max-samples=1000000000",
    "--query.timeout=10m",
)
# Text of a block before promtool has read it, and the data after.
_TEXT_BYTES, _DATA_BYTES = 100, 4
EXACT, SLOTH = "exact", "sloth"
_SHARE = 50
# A name with its matchers and a range.
_SUMMED = re.compile(r"([A-Za-z_:][A-Za-z0-9_:]*)(?:\{[^}]*\})?\[")


@dataclass(frozen=True)
class Cost:
    """
    Hold what one tool's rules cost.

    Args:
        mean: Milliseconds of evaluation a minute, from each group's mean duration.
        median: The same from each group's median duration, which leaves out disturbances.
        evaluations: Of the group that was evaluated least often.
        recorded: Number of recorded series.
    """

    series: int
    tool: str
    mean: float
    median: float
    evaluations: int
    recorded: int


def rules_of(folder: Path) -> dict[str, Groups]:
    """Return the rule groups of each tool."""
    text = rule_sets.spec(_SERVICE, _ERROR, _TOTAL)
    return {
        EXACT: rule_sets.compiled(folder, text, EXACT),
        SLOTH: rule_sets.compiled(folder, text, SLOTH),
        "sloth, not optimised": rule_sets.sloth_not_optimised(folder, text),
        "Pyrra": rule_sets.pyrra(_SERVICE, _ERROR, _TOTAL),
        "Pyrra, performance mode": rule_sets.pyrra(_SERVICE, _ERROR, _TOTAL, performance=True),
    }


def recorded_before(tools: dict[str, Groups]) -> History:
    """Return thirty days of those records that other rules sum."""
    found: dict[str, tuple[str, int, float]] = {}
    for groups in tools.values():
        read = {n for group in groups for r in group["rules"] for n in _SUMMED.findall(r["expr"])}
        for group in groups:
            for rule in group["rules"]:
                if rule["record"] not in read:
                    continue
                size = 0.0005 if "error" in rule["record"] else 1.0
                for labels in _label_sets(rule):
                    inside = ",".join(f'{k}="{v}"' for k, v in sorted(labels.items()))
                    series = f"{rule['record']}{{{inside}}}"
                    found[series] = (series, _seconds(group), size)
    return History(sorted(found.values()))


def _label_sets(rule: dict[str, Any]) -> list[dict[str, str]]:
    if "by (code)" in rule["expr"]:
        return [{**rule["labels"], "code": code} for code in ("200", "500")]
    return [rule["labels"]]


def _seconds(group: dict[str, Any]) -> int:
    return round(Duration.parse(group.get("interval", f"{_INTERVAL}s")).seconds)


def prepare(folder: Path, service: Service, records: History, raw_days: float, scrape: int) -> None:
    """Load raw history and records up to now."""
    now = int(time.time())
    begin = now - 30 * _DAY

    def blocks() -> Iterator[tuple[int, int, Iterator[str]]]:
        at = begin
        while at < now:
            end = min((at // BLOCK + 1) * BLOCK, now)
            yield at, end, lines(at, end)
            at = end

    def lines(at: int, end: int) -> Iterator[str]:
        yield from records.samples(at, end)
        since = max(at, now - int(raw_days * _DAY))
        if since < end:
            yield from service.history(since, end, scrape)

    load(folder, blocks())


def measure(
    folder: Path,
    service: Service,
    scrape: int,
    groups: Groups,
    minutes: float,
    pace: int,
) -> tuple[dict[str, list[float]], dict[tuple[str, int, str], list[float]], int]:
    """
    Return milliseconds of the evaluations of each group and rule, and the recorded series.

    The first evaluation of each group is left out, since it opens files that stay open later.

    Args:
        pace: Longest seconds between evaluations; groups with longer intervals run more often.
    """
    hurried = [{**g, "interval": f"{min(_seconds(g), pace or _seconds(g))}s"} for g in groups]
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": hurried}))
    config = prometheus_config(
        rule_files=[file],
        targets=[ScrapeTarget(_SERVICE, service.address)],
        scrape_interval=seconds(scrape),
        evaluation_interval=seconds(_INTERVAL),
    )
    by_group: dict[str, dict[str, float]] = {group["name"]: {} for group in groups}
    by_rule: dict[tuple[str, int, str], dict[str, float]] = {}
    with (
        run_prometheus(folder, config, arguments=_FLAGS) as client,
        closing(JsonClient("prometheus", client.url, deadline_seconds=60)) as rules_api,
    ):
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            time.sleep(1)
            for group in rules_api.get("/api/v1/rules")["data"]["groups"]:
                _note(group, by_group[group["name"]], by_rule)
        bad = [rule for rule in client.rules() if rule.health not in ("ok", "unknown")]
        if bad:
            raise SystemExit(f"{bad[0].name}: {bad[0].health} {bad[0].error}")
        recorded = {
            json.dumps(dict(sample.labels), sort_keys=True)
            for group in groups
            for rule in group["rules"]
            for sample in client.query(_selector(rule))
        }
    for name, lasted in by_group.items():
        if not lasted:
            raise SystemExit(f"group {name} was never evaluated: measure for longer")
    return (
        {name: _warm(lasted) for name, lasted in by_group.items()},
        {key: _warm(lasted) for key, lasted in by_rule.items()},
        len(recorded),
    )


def _note(
    group: Any, lasted: dict[str, float], by_rule: dict[tuple[str, int, str], dict[str, float]]
) -> None:
    if group["lastEvaluation"].startswith("0001"):
        return
    lasted[group["lastEvaluation"]] = group["evaluationTime"] * 1000
    for number, rule in enumerate(group["rules"]):
        if not rule["lastEvaluation"].startswith("0001"):
            key = group["name"], number, rule["name"]
            by_rule.setdefault(key, {})[rule["lastEvaluation"]] = rule["evaluationTime"] * 1000


def _selector(rule: dict[str, Any]) -> str:
    inside = ",".join(f'{k}="{v}"' for k, v in rule["labels"].items())
    return f"{rule['record']}{{{inside}}}"


def _warm(lasted: dict[str, float]) -> list[float]:
    values = [lasted[at] for at in sorted(lasted)]
    return values[1:] or values


def table(costs: Sequence[Cost]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield "| raw series | rules | ms a minute | of medians | times `exact` | recorded series |"
    yield "|---:|---|---:|---:|---:|---:|"
    for cost in costs:
        exact = next((c for c in costs if (c.series, c.tool) == (cost.series, EXACT)), None)
        times = f"{cost.median / exact.median:,.1f}" if exact else ""
        yield (
            f"| {cost.series:,} | {cost.tool} | {cost.mean:,.1f} | {cost.median:,.1f} "
            f"| {times} | {cost.recorded} |"
        )


def misses(costs: Sequence[Cost]) -> list[str]:
    """Return which goals are missed, in words."""
    found = []
    for series in sorted({c.series for c in costs}):
        # Whatever else the machine does reaches the means.
        of = {c.tool: c.median for c in costs if c.series == series}
        if EXACT not in of:
            continue
        if SLOTH in of and series >= 300 and of[EXACT] * _SHARE > of[SLOTH]:
            found.append(f"{series} series: {of[SLOTH] / of[EXACT]:.1f} times less, not {_SHARE}")
        found += [f"{series} series: dearer than {tool}" for tool, m in of.items() if m < of[EXACT]]
    return found


def _show_rules(groups: Groups, by_rule: dict[tuple[str, int, str], list[float]]) -> None:
    intervals = {group["name"]: _seconds(group) for group in groups}
    for (group, _, name), lasted in sorted(by_rule.items()):
        mean, weight = statistics.mean(lasted), 60 / intervals[group]
        print(
            f"           {name:45} every {intervals[group]:4} s  mean {mean:9.3f} ms"
            f"  median {statistics.median(lasted):9.3f} ms  {mean * weight:9.2f} ms a minute",
            file=sys.stderr,
        )


def _room_for(series: Sequence[int], days: float, scrape: int) -> None:
    """Refuse to begin what the disk cannot hold."""
    samples = max(series) * days * _DAY / scrape
    block = min(days * _DAY, BLOCK) / (days * _DAY)
    needed = samples * (block * _TEXT_BYTES + _DATA_BYTES)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if needed > free:
        raise SystemExit(
            f"{max(series)} series need {needed / 1e9:.1f} GB in {tempfile.gettempdir()}, "
            f"{free / 1e9:.1f} GB are free: set TMPDIR, or measure fewer --series or --days"
        )


def main() -> None:
    """Print the table, and miss no goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, nargs="+", default=[16, 300, 3000])
    parser.add_argument("--days", type=float, default=4.4, help="raw history to load")
    parser.add_argument("--scrape", type=int, default=15, help="seconds between scrapes")
    parser.add_argument("--minutes", type=float, default=5, help="how long each tool's rules run")
    parser.add_argument(
        "--pace",
        type=int,
        default=30,
        help="evaluate slower groups every so many seconds, for more figures (0: as declared)",
    )
    parser.add_argument("--tools", nargs="+", help="only these, such as exact sloth")
    parser.add_argument("--detail", action="store_true", help="show every rule on stderr")
    parser.add_argument("--write-docs", action="store_true", help=f"renew {_PAGE.name}")
    arguments = parser.parse_args()
    _room_for(arguments.series, arguments.days, arguments.scrape)
    began = time.monotonic()

    def progress(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)

    costs: list[Cost] = []
    for series in arguments.series:
        with tempfile.TemporaryDirectory() as name, closing(Service(series)) as service:
            folder = Path(name)
            (folder / "data").mkdir()
            tools = rules_of(folder)
            progress(f"{series} series: loading {arguments.days:g} days")
            prepare(folder, service, recorded_before(tools), arguments.days, arguments.scrape)
            for tool, groups in tools.items():
                if arguments.tools and tool not in arguments.tools:
                    continue
                progress(f"{series} series: {tool}, {arguments.minutes:g} minutes")
                lasted, by_rule, recorded = measure(
                    folder, service, arguments.scrape, groups, arguments.minutes, arguments.pace
                )
                weights = {group["name"]: 60 / _seconds(group) for group in groups}
                cost = Cost(
                    series,
                    tool,
                    sum(statistics.mean(v) * weights[g] for g, v in lasted.items()),
                    sum(statistics.median(v) * weights[g] for g, v in lasted.items()),
                    min(map(len, lasted.values())),
                    recorded,
                )
                costs.append(cost)
                progress(
                    f"{series} series: {tool}, {cost.mean:,.1f} ms a minute, "
                    f"at least {cost.evaluations} evaluations of each group"
                )
                if arguments.detail:
                    _show_rules(groups, by_rule)
    lines = list(table(costs))
    print("\n".join(lines))
    if arguments.write_docs:
        write_block(_PAGE, "rule cost", lines)
    missed = misses(costs)
    for miss in missed:
        print(f"goal missed: {miss}", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
