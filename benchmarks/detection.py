"""
Measure when the compiled alerts fire and reset, against theory.

Services with known counters fail by a known share from a known second on. Their counters are
loaded into a real Prometheus; the compiled rules, alerts included, are evaluated over them by
promtool's backfill, each group at its own interval and its own phase. `python
benchmarks/detection.py` prints the tables and exits with 1 if profile `exact` misses its
promise; `--write-docs` puts them into docs/detection.md. It takes a few minutes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from slo.alert_windows import builtin_policies, policy_for
from slo.burnrate import AlertPolicy, BurnWindow, detection_time, reset_time
from slo.duration import Duration, days, hours, minutes, seconds
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.processes import find_program
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus

_PAGE = Path(__file__).parents[1] / "docs" / "detection.md"
_BUDGET = Decimal("0.001")
_SHARES = tuple(map(Decimal, ("1", "0.1", "0.02", "0.01", "0.005", "0.002")))
# promtool's backfill leaves out an evaluation at the edge of each block.
_BLOCK = 54 * 3600
_START = 9_208 * _BLOCK + 3600
_PER_SECOND = 100
_MARGIN = hours(2)
# Outages begin at these seconds, spread over a slow interval, since rules do not know when.
_PHASES = (0, 25, 50, 75, 100)
_FLAGS = ("--storage.tsdb.retention.time=20y", "--query.max-samples=500000000")
_FIRES = "fires"
_SERIES = re.compile(r"slo:[a-z_0-9:]+")
_MARKS = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Setup:
    """
    Say how the servers run.

    Args:
        interval: Between evaluations of the fast groups, and of all groups of profile `sloth`.
        scrape: Seconds between scrapes.
    """

    policy: AlertPolicy
    interval: Duration
    scrape: int

    @property
    def slow(self) -> Duration:
        """Return the interval of the groups of long windows and tickets."""
        return min(Duration(4 * self.interval.milliseconds), minutes(2))

    @property
    def early(self) -> float:
        """Return how many seconds older than it is an outage may seem: docs/exact-profile.md."""
        return 37.5 + self.slow.seconds / 4

    @property
    def late(self) -> float:
        """Return how many seconds later than its end an outage may leave a window."""
        return 45


@dataclass(frozen=True)
class Outage:
    """
    Describe one failing service.

    Args:
        share: Share of events that fail.
        begins: Seconds after `_START`; `ends` likewise.
    """

    number: int
    profile: str
    share: Decimal
    begins: int
    ends: int

    @property
    def name(self) -> str:
        """Return the name of the service."""
        return f"{self.profile}-{self.number}"


@dataclass
class Measured:
    """Hold the seconds from the edges of outages to what the alert made of them."""

    fired: list[float | None] = field(default_factory=list)
    reset: list[float | None] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """
    Name an alert as the tables do.

    Args:
        pairs: The window pairs, any of which makes it fire.
        interval: How often it is evaluated.
    """

    profile: str
    severity: str
    pairs: tuple[BurnWindow, ...]
    interval: Duration

    @property
    def windows(self) -> str:
        """Return the windows for people."""
        return " or ".join(f"{p.long_window}/{p.short_window}" for p in self.pairs)

    def fires(self, policy: AlertPolicy, share: Decimal) -> float | None:
        """Return after how many seconds it fires in theory."""
        times = [detection_time(p, policy.time_window, _BUDGET, share) for p in self.pairs]
        return min((float(t) for t in times if t is not None), default=None)

    def resets(self, policy: AlertPolicy, share: Decimal) -> float:
        """Return after how many seconds it resets in theory."""
        return max(
            float(reset_time(p, policy.time_window, _BUDGET, share))
            for p in self.pairs
            if detection_time(p, policy.time_window, _BUDGET, share) is not None
        )


Found = dict[tuple[Target, Decimal], Measured]


def outages(policy: AlertPolicy, profiles: Sequence[str]) -> list[Outage]:
    """Return outages that last until every alert that can fire has fired, and is saturated."""
    found: list[Outage] = []
    saturated = max(p.short_window for p in (*policy.pages, *policy.tickets))
    for profile in profiles:
        for share in _SHARES:
            times = [
                detection_time(p, policy.time_window, _BUDGET, share)
                for p in (*policy.pages, *policy.tickets)
            ]
            last = max(float(t) for t in times if t is not None)
            lasts = int(max(last, saturated.seconds) + _MARGIN.seconds)
            for phase in _PHASES:
                found.append(Outage(len(found), profile, share, phase, phase + lasts))
    return found


def write_counters(
    folder: Path, data: Path, failing: list[Outage], before: Duration, scrape: int
) -> int:
    """Write the counters as blocks; return the seconds after `_START` at which they end."""
    last = int(max(o.ends for o in failing) + before.seconds // 12 + _MARGIN.seconds)
    first = -int(before.seconds) - 600
    text = folder / "raw.om"
    with text.open("w") as out:
        for metric in ("requests", "errors"):
            out.write(f"# TYPE {metric} counter\n")
            for outage in failing:
                labels = f'{metric}_total{{job="{outage.name}"}}'
                rate = float(outage.share) * _PER_SECOND
                # Targets are scraped at seconds of their own.
                for second in range(first + outage.number * 4 % scrape, last, scrape):
                    if metric == "requests":
                        value = (second - first) * float(_PER_SECOND)
                    else:
                        failed = min(max(second, outage.begins), outage.ends) - outage.begins
                        value = failed * rate
                    out.write(f"{labels} {value:.10g} {_START + second}\n")
        out.write("# EOF\n")
    _promtool(folder, "--max-block-duration=744h", "openmetrics", str(text), str(data))
    text.unlink()
    return last


def _promtool(folder: Path, *arguments: str) -> None:
    run = subprocess.run(
        [find_program("promtool"), "tsdb", "create-blocks-from", *arguments],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )
    if run.returncode or "level=error" in run.stderr:
        said = (line for line in run.stderr.splitlines() if "level=info" not in line)
        raise SystemExit("\n".join(("promtool failed:", *said)))


def compiled(folder: Path, failing: list[Outage], setup: Setup) -> list[dict[str, Any]]:
    """Return the rule groups of all outages, alerts turned into records named `fires`."""
    groups: list[dict[str, Any]] = []
    for profile in sorted({o.profile for o in failing}):
        path = folder / f"{profile}.yaml"
        path.write_text(
            "---\n".join(
                f"version: slo/v1\nservice: {o.name}\nslos:\n  - name: requests\n"
                f"    objective: 99.9\n    window: {setup.policy.time_window}\n"
                "    indicator:\n      events:\n"
                f'        error: sum(rate(errors_total{{job="{o.name}"}}[{{{{.window}}}}]))\n'
                f'        total: sum(rate(requests_total{{job="{o.name}"}}[{{{{.window}}}}]))\n'
                for o in failing
                if o.profile == profile
            )
        )
        options = CompileOptions(profile=profile, kinds=("rules",), interval=setup.interval)
        result = compile_specs([str(path)], options)
        text = next(a.text for a in result.artifacts if a.path == f"rules/{profile}.yaml")
        for group in yaml.safe_load(text)["groups"]:
            rules = [_as_record(r) for r in group["rules"] if _is_wanted(r)]
            groups.append({**group, "rules": rules})
    return groups


def _is_wanted(rule: dict[str, Any]) -> bool:
    return "record" in rule or rule["labels"].get("slo_alert", "burn_rate") == "burn_rate"


def _as_record(rule: dict[str, Any]) -> dict[str, Any]:
    if "record" in rule:
        return rule
    labels = rule["labels"]
    return {
        "record": _FIRES,
        "expr": rule["expr"],
        "labels": {
            "sloth_severity": labels["sloth_severity"],
            "long_window": labels.get("long_window", ""),
        },
    }


def passes(groups: list[dict[str, Any]]) -> Iterator[tuple[bool, list[dict[str, Any]]]]:
    """
    Yield rules such that each pass reads only what earlier ones have recorded.

    Rules on which no alert depends are left out. The flag tells those that others sum up over
    their windows, and which therefore need a history.
    """
    reads: dict[str, set[str]] = {}
    for group in groups:
        for rule in group["rules"]:
            reads.setdefault(rule["record"], set()).update(_SERIES.findall(rule["expr"]))
    levels: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in levels:
            levels[name] = 1 + max((level(n) for n in reads[name]), default=0)
        return levels[name]

    level(_FIRES)
    for number in range(1, levels[_FIRES] + 1):
        for history in (True, False):
            names = {n for n, at in levels.items() if at == number and history == _is_summed(n)}
            chosen = [
                {**group, "rules": rules}
                for group in groups
                if (rules := [r for r in group["rules"] if r["record"] in names])
            ]
            if chosen:
                yield history, chosen


def _is_summed(name: str) -> bool:
    return name.startswith(("slo:error_events", "slo:total_events"))


def record(
    folder: Path,
    data: Path,
    groups: list[dict[str, Any]],
    before: Duration,
    last: int,
    interval: Duration,
) -> None:
    """Record all *groups*, as a server would have by `_START + last`."""
    path = folder / "rules.yaml"
    for history, chosen in passes(groups):
        began = time.monotonic()
        path.write_text(yaml.safe_dump({"groups": chosen}))
        first = int(before.seconds) if history else 1200
        with _server(folder) as client:
            _promtool(
                folder,
                # More than 11,000 evaluations at once are refused.
                f"--max-block-duration={_BLOCK if interval >= seconds(30) else _BLOCK // 3}s",
                "rules",
                f"--start={_START - first}",
                f"--end={_START + last}",
                f"--url={client.url}",
                f"--eval-interval={interval}",
                f"--output-dir={data}",
                # The phase of a group depends on the name of its file.
                path.name,
            )
        rules = sum(len(group["rules"]) for group in chosen)
        print(f"recorded {rules} rules in {time.monotonic() - began:.0f} s", file=sys.stderr)


def _server(folder: Path):  # type: ignore[no-untyped-def]
    return run_prometheus(folder, prometheus_config(), arguments=_FLAGS)


def measure(
    client: PrometheusClient, failing: list[Outage], targets: list[Target], last: int
) -> Found:
    """Return when each target fired and reset in each outage."""
    moments: dict[tuple[str, str, str], list[int]] = {}
    query = {"query": f"{_FIRES}[{last + 3600}s] @ {_START + last}"}
    for series in client._data("/api/v1/query", query)["result"]:
        labels = series["metric"]
        key = (labels["sloth_service"], labels["sloth_severity"], labels.get("long_window", ""))
        moments[key] = [round(float(at)) - _START for at, _ in series["values"]]
    found: Found = {}
    for outage in failing:
        for target in targets:
            if target.profile != outage.profile:
                continue
            window = str(target.pairs[0].long_window) if len(target.pairs) == 1 else ""
            fires = moments.get((outage.name, target.severity, window), [])
            interval = int(target.interval.seconds)
            gaps = [
                (a, b)
                for a, b in pairwise(fires)
                if b - a != interval and (_START + a) * 3 // _BLOCK == (_START + b) * 3 // _BLOCK
            ]
            if gaps:
                raise SystemExit(f"{outage.name} {target.windows} is silent in between: {gaps}")
            into = found.setdefault((target, outage.share), Measured())
            into.fired.append(fires[0] - outage.begins if fires else None)
            into.reset.append(fires[-1] + interval - outage.ends if fires else None)
    return found


def targets(setup: Setup, profiles: Sequence[str]) -> list[Target]:
    """Return the alerts of *profiles*: one for each pair, or for each severity."""
    found = []
    for profile in profiles:
        for severity, pairs in (
            ("page", setup.policy.pages),
            ("ticket", setup.policy.tickets),
        ):
            if profile == "exact":
                interval = setup.interval if severity == "page" else setup.slow
                found += [Target(profile, severity, (pair,), interval) for pair in pairs]
            else:
                found.append(Target(profile, severity, pairs, setup.interval))
    return found


def misses(setup: Setup, found: Found) -> Iterator[str]:
    """Yield where profile `exact` is off by more than it promises."""
    for (target, share), measured in found.items():
        if target.profile != "exact":
            continue
        fires = target.fires(setup.policy, share)
        if fires is None:
            if any(at is not None for at in measured.fired):
                yield f"{target.windows} fires at {share:%}, which theory rules out"
            continue
        late = target.interval.seconds + setup.scrape
        if target.severity == "ticket":
            # Another group records the newest events, up to an interval of its own ago.
            late += setup.interval.seconds
        for what, times, theory, allowed in (
            ("fires", measured.fired, fires, late),
            ("resets", measured.reset, target.resets(setup.policy, share), late + setup.late),
        ):
            for at in times:
                if at is None or not theory - setup.early <= at <= theory + allowed:
                    yield f"{target.windows} at {share:%} {what} after {at} s, not {theory:.0f} s"


def table(policy: AlertPolicy, found: Found, resets: bool) -> str:
    """Return how the measurements differ from theory."""
    columns = list(dict.fromkeys(target for target, _ in found))
    heads = [f"{t.profile}, {t.severity} {t.windows}" for t in columns]
    lines = [f"| errors | {' | '.join(heads)} |", "|---:|" + "---:|" * len(columns)]
    for share in _SHARES:
        cells = []
        for target in columns:
            theory = target.fires(policy, share)
            measured = found[target, share]
            if theory is not None and resets:
                cells.append(_cell(measured.reset, target.resets(policy, share)))
            else:
                cells.append(_cell(measured.fired, theory))
        lines.append(f"| {(100 * share).normalize():f} % | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(values: Sequence[float | None], theory: float | None) -> str:
    known = [v for v in values if v is not None]
    if theory is None:
        return f"{len(known)} times" if known else "never"
    if len(known) < len(values):
        return f"{show(theory)}, {len(values) - len(known)} missed"
    return f"{show(theory)} {min(known) - theory:+.0f} to {max(known) - theory:+.0f} s"


def show(value: float) -> str:
    """Return seconds for people."""
    total = round(value)
    hour, minute, second = total // 3600, total // 60 % 60, total % 60
    if hour:
        return f"{hour}h{minute:02d}m"
    return f"{minute}m{second:02d}s" if minute else f"{second}s"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--period", type=Duration.parse, default=days(30))
    parser.add_argument("--interval", type=Duration.parse, default=seconds(30))
    parser.add_argument("--scrape", type=int, default=15, help="seconds between scrapes")
    parser.add_argument("--profiles", nargs="+", default=["exact", "sloth"])
    parser.add_argument("--write-docs", action="store_true", help=f"into {_PAGE.name}")
    arguments = parser.parse_args()
    policy = policy_for(arguments.period, builtin_policies())
    if policy is None:
        parser.error(f"no alert windows for a period of {arguments.period}")
    setup = Setup(policy, arguments.interval, arguments.scrape)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir()
        failing = outages(policy, arguments.profiles)
        before = policy.windows[-1]
        last = write_counters(folder, data, failing, before, setup.scrape)
        groups = compiled(folder, failing, setup)
        record(folder, data, groups, before, last, setup.interval)
        with _server(folder) as client:
            found = measure(client, failing, targets(setup, arguments.profiles), last)
    shown = (
        f"After errors begin, the alerts fire after\n\n{table(policy, found, resets=False)}\n"
        f"and after they end, they reset after\n\n{table(policy, found, resets=True)}"
    )
    print(shown)
    if arguments.write_docs:
        _PAGE.write_text(_MARKS.sub(lambda _: shown, _PAGE.read_text("utf-8"), 1), "utf-8")
    missed = list(misses(setup, found))
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
