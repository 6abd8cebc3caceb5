"""
Compare the budget that rules show with the events that happened.

Counters of thirty days whose events are known are loaded into a real Prometheus; the rules that
each tool compiles are evaluated over them at their own intervals, and the error ratio of the
period is compared with the count of events after ten, twenty and thirty days. `python
benchmarks/accuracy.py` prints the tables and exits with 1 if profile `exact` misses its goals;
`--write-docs` puts them into docs/accuracy.md. It takes two minutes and 1 GB of disk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import rule_sets
from harness.docs import write_block
from harness.evaluation import (
    Record,
    Wanted,
    add_samples,
    passes,
    record,
    server,
    value_at,
)
from harness.traffic import DAY, Count, Pattern, counters, patterns, within, write_counters

_PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
_END = 1_700_006_400
_SCRAPE = 60
EXACT, SLOTH = "exact", "sloth"
PYRRA, PYRRA_FAST = "Pyrra", "Pyrra, performance mode"
TOOLS = (EXACT, SLOTH, PYRRA, PYRRA_FAST)


@dataclass(frozen=True)
class Result:
    """
    Hold what the tools say of one pattern, and what happened.

    Args:
        counts: At each checkpoint.
        shown: Error ratio of each tool at each checkpoint.
    """

    pattern: Pattern
    counts: Sequence[Count]
    shown: dict[str, list[float | None]]

    def deviations(self, tool: str) -> list[float | None]:
        """Return how far *tool* is off at each checkpoint, as a share of the true error ratio."""
        return [
            None if value is None else _deviation(value, count.ratio)
            for value, count in zip(self.shown[tool], self.counts, strict=True)
        ]

    def misses(self) -> list[str]:
        """Return how profile `exact` misses its goal, in words."""
        found = []
        for count, deviation in zip(self.counts, self.deviations(EXACT), strict=True):
            allowed = self.pattern.goal
            if self.pattern.concealed:
                allowed += count.unseen / count.error
            if deviation is None or abs(deviation) > allowed:
                shown = "no value" if deviation is None else f"{deviation:+.2%}"
                found.append(f"{self.pattern.name}: {shown}, allowed {allowed:.2%}")
        return found


def _deviation(value: float, true: float) -> float:
    if true == 0:
        return 0.0 if value == 0 else float("inf")
    return value / true - 1


def wanted(folder: Path, tool: str, job: str) -> Wanted:
    """Return what *tool* computes the budget of the service *job* from."""
    error, total = (f'{metric}{{job="{job}"}}' for metric in ("errors_total", "requests_total"))
    if tool in (EXACT, SLOTH):
        groups = rule_sets.compiled(folder, rule_sets.spec(job, error, total), tool)
        return Wanted.of(groups, "slo:sli_error:ratio_rate30d", {"sloth_service": job})
    groups = rule_sets.pyrra(job, error, total, performance=tool == PYRRA_FAST)
    sides = [
        Wanted.of(groups, f"{base}:increase30d", {"slo": job}) for base in ("errors", "requests")
    ]
    return Wanted(
        f"({sides[0].expr} or vector(0)) / {sides[1].expr}", sides[0].records + sides[1].records
    )


def measure(
    folder: Path, chosen: Sequence[Pattern], days: int, progress: Callable[[str], None]
) -> list[Result]:
    """Return what the tools say of the *chosen* patterns over so many days."""
    (folder / "data").mkdir(parents=True)
    start = _END - days * DAY
    checkpoints = [days * DAY // 3, days * DAY * 2 // 3, days * DAY]
    progress("making counters")
    jobs = [f"p{number}" for number in range(len(chosen))]
    made = [
        counters(pattern, job, start, days * DAY, _SCRAPE, checkpoints)
        for pattern, job in zip(chosen, jobs, strict=True)
    ]
    write_counters(folder / "raw.om", made)
    add_samples(folder, folder / "raw.om")
    counts = [one.counts for one in made]
    del made
    plans = [{tool: wanted(folder, tool, job) for tool in TOOLS} for job in jobs]
    for number, level in enumerate(_levels(chosen, plans, start)):
        progress(f"evaluating rules, pass {number + 1}: {len(level)} records")
        with server(folder, level[0][0].lookback) as client:
            record(client, level, start, _END, folder / "pass.om")
        add_samples(folder, folder / "pass.om")
    progress("reading budgets")
    with server(folder) as client:
        return [
            Result(
                pattern,
                count,
                {
                    tool: [value_at(client, plan[tool].expr, start + c) for c in checkpoints]
                    for tool in TOOLS
                },
            )
            for pattern, count, plan in zip(chosen, counts, plans, strict=True)
        ]


def _levels(
    chosen: Sequence[Pattern], plans: Sequence[dict[str, Wanted]], start: int
) -> list[list[tuple[Record, Callable[[float], bool]]]]:
    """Return the passes of all patterns and tools, joined where one server can do them."""
    levels: dict[tuple[int, int], list[tuple[Record, Callable[[float], bool]]]] = {}
    for pattern, tools in zip(chosen, plans, strict=True):

        def evaluated(at: float, pattern: Pattern = pattern) -> bool:
            return not within(pattern.missed, at - start)

        for plan in tools.values():
            for number, records in enumerate(passes(plan.records)):
                for rule in records:
                    levels.setdefault((number, rule.lookback), []).append((rule, evaluated))
    return [levels[key] for key in sorted(levels)]


def tables(results: Sequence[Result], days: int) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield f"After {days} days, against the count of events:"
    yield ""
    yield f"| pattern | events | true error ratio | {' | '.join(TOOLS)} |"
    yield f"|---|---:|---:|{'---:|' * len(TOOLS)}"
    for result in results:
        count = result.counts[-1]
        shown = " | ".join(_text(result.deviations(tool)[-1]) for tool in TOOLS)
        yield f"| {result.pattern.name} | {count.total:,} | {count.ratio:.5%} | {shown} |"
    ends = [days // 3, days * 2 // 3, days]
    for tool in TOOLS:
        yield ""
        yield f"{tool[0].upper()}{tool[1:]}, at the ends of three days:"
        yield ""
        yield f"| pattern | {' | '.join(f'day {end}' for end in ends)} |"
        yield "|---|---:|---:|---:|"
        for result in results:
            row = " | ".join(map(_text, result.deviations(tool)))
            yield f"| {result.pattern.name} | {row} |"


def _text(deviation: float | None) -> str:
    return "none" if deviation is None else f"{deviation:+.2%}"


def main() -> None:
    """Print the tables, and miss no goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="a multiple of 3, at most 30")
    parser.add_argument("--patterns", nargs="+", metavar="WORD", help="only those with a WORD")
    parser.add_argument("--write-docs", action="store_true", help=f"renew {_PAGE.name}")
    arguments = parser.parse_args()
    began = time.monotonic()

    def progress(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)

    chosen = [
        p
        for p in patterns(arguments.days)
        if not arguments.patterns or any(word in p.name for word in arguments.patterns)
    ]
    with tempfile.TemporaryDirectory() as name:
        results = measure(Path(name), chosen, arguments.days, progress)
    lines = list(tables(results, arguments.days))
    print("\n".join(lines))
    if arguments.write_docs:
        write_block(_PAGE, "accuracy", lines)
    misses = [miss for result in results for miss in result.misses()]
    for miss in misses:
        print(f"goal missed: {miss}", file=sys.stderr)
    sys.exit(1 if misses else 0)


if __name__ == "__main__":
    main()
