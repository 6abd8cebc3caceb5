"""
Compare the budget that rules show with the events that happened.

Synthetic counters of thirty days with known events are loaded into a real Prometheus; the
compiled rules are evaluated over them by promtool's backfill, and the error ratio of the period
is compared with the count of events. `python benchmarks/accuracy.py` prints the table.
"""

from __future__ import annotations

import math
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.processes import find_program
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus

_DAY = 86_400
_SPAN = 30 * _DAY
_END = 1_790_000_000
_START = _END - _SPAN
_SCRAPE = 60
_FLAGS = ("--storage.tsdb.retention.time=20y", "--query.max-samples=500000000")

Rate = Callable[[float], float]
"""Events per second at a number of seconds since the start."""


@dataclass(frozen=True)
class Pattern:
    """
    Describe thirty days of one service.

    Args:
        total: Rate of all events.
        error: Rate of bad events.
        born: Seconds after which the error series exists.
        gaps: Share of scrapes that fail, in runs of ten minutes.
        lifetime: Seconds after which a process restarts and its counters with it; 0 for never.
        pods: How many processes share the events, each with an own series.
        churn: Whether a restart gives the series a new name.
    """

    name: str
    total: Rate
    error: Rate
    born: float = 0
    gaps: float = 0
    lifetime: float = 0
    pods: int = 1
    churn: bool = False


def _daily(second: float) -> float:
    """Return a daily cycle between 2 and 20 events a second."""
    return 11 + 9 * math.sin(2 * math.pi * (second / _DAY - 0.25))


def _during(day: int, hour: float, length: float, share: float, base: float = 0.0002) -> Rate:
    begin = day * _DAY + hour * 3600

    def share_at(second: float) -> float:
        return share if begin <= second < begin + length else base

    return share_at


def _spikes(second: float) -> float:
    return 60.0 if int(second) % 7200 < 180 else 0.5


def _dead_nights(second: float) -> float:
    return 0.0 if (second / 3600) % 24 < 8 else 10.0


def _times(rate: Rate, share: Rate) -> Rate:
    return lambda second: rate(second) * share(second)


def _flat(second: float) -> float:
    return 10.0


def _constant(value: float) -> Rate:
    return lambda second: value


_SPIKE_SHARE: Rate = lambda second: 0.01 if _spikes(second) > 1 else 0.0  # noqa: E731

PATTERNS = (
    Pattern("flat", _flat, _times(_flat, _constant(0.0005))),
    Pattern("daily cycle 10:1", _daily, _times(_daily, _constant(0.0005))),
    Pattern("incident at the peak", _daily, _times(_daily, _during(12, 12, 3600, 0.2))),
    Pattern("incident at night", _daily, _times(_daily, _during(12, 0, 3600, 0.2))),
    Pattern("spiky", _spikes, _times(_spikes, _SPIKE_SHARE)),
    Pattern("near zero", _constant(0.01), _constant(0.0002)),
    Pattern("dead nights", _dead_nights, _times(_dead_nights, _constant(0.0005))),
    Pattern("scrape gaps", _daily, _times(_daily, _constant(0.0005)), gaps=0.05),
    Pattern("counter resets", _daily, _times(_daily, _constant(0.0005)), lifetime=5 * 3600),
    Pattern(
        "pod churn",
        _daily,
        _times(_daily, _constant(0.0005)),
        lifetime=6 * 3600,
        pods=4,
        churn=True,
    ),
    Pattern(
        "errors born late", _flat, _times(_flat, _during(20, 6, 7200, 0.05, 0)), born=20.25 * _DAY
    ),
)


@dataclass
class Truth:
    """Count what happened."""

    total: float = 0
    error: float = 0


def _samples(number: int, pattern: Pattern, truth: Truth) -> Iterator[tuple[str, float, float]]:
    """Yield series, time and value, and count the events on the way."""
    noise = random.Random(number)
    down = False
    totals, errors = [0.0] * pattern.pods, [0.0] * pattern.pods
    whole_total = whole_error = 0.0
    for second in range(0, _SPAN + 1, _SCRAPE):
        if second:
            mid = second - _SCRAPE / 2
            whole_total += pattern.total(mid) * _SCRAPE
            whole_error += pattern.error(mid) * _SCRAPE
        step_total, step_error = math.floor(whole_total), math.floor(whole_error)
        whole_total -= step_total
        whole_error -= step_error
        truth.total += step_total
        truth.error += step_error
        if pattern.gaps and second % 600 == 0:
            down = noise.random() < pattern.gaps
        for pod in range(pattern.pods):
            # Restarts are spread, as a rolling update spreads them.
            age = second + pod * pattern.lifetime / pattern.pods
            generation = int(age // pattern.lifetime) if pattern.lifetime else 0
            if pattern.lifetime and age % pattern.lifetime < _SCRAPE and second:
                totals[pod] = errors[pod] = 0.0
            share = step_total // pattern.pods + (pod < step_total % pattern.pods)
            bad = step_error // pattern.pods + (pod < step_error % pattern.pods)
            totals[pod] += share
            errors[pod] += bad
            if down:
                continue
            name = f"{pod}-{generation}" if pattern.churn else str(pod)
            labels = f'{{job="p{number}",pod="{name}"}}'
            yield f"requests_total{labels}", _START + second, totals[pod]
            if second >= pattern.born:
                yield f"errors_total{labels}", _START + second, errors[pod]


def write_raw(folder: Path, data: Path) -> list[Truth]:
    """Write the raw series as blocks and return the truth of each pattern."""
    truths = [Truth() for _ in PATTERNS]
    series: dict[str, list[str]] = {"requests_total": [], "errors_total": []}
    for number, pattern in enumerate(PATTERNS):
        for name, time, value in _samples(number, pattern, truths[number]):
            series[name.partition("{")[0]].append(f"{name} {value:g} {time}\n")
    text = folder / "raw.om"
    with text.open("w") as out:
        for name, lines in series.items():
            out.write(f"# TYPE {name.removesuffix('_total')} counter\n")
            out.writelines(lines)
        out.write("# EOF\n")
    _promtool("--max-block-duration=744h", "openmetrics", str(text), str(data))
    text.unlink()
    return truths


def _promtool(*arguments: str) -> None:
    subprocess.run(
        [find_program("promtool"), "tsdb", "create-blocks-from", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def specs() -> str:
    """Return one SLO for each pattern."""
    documents = []
    for number, _ in enumerate(PATTERNS):
        matcher = f'{{job="p{number}"}}'
        documents.append(
            f"version: slo/v1\nservice: p{number}\nslos:\n  - name: requests\n    objective: 99.9\n"
            "    indicator:\n      events:\n"
            f"        error: sum(rate(errors_total{matcher}[{{{{.window}}}}]))\n"
            f"        total: sum(rate(requests_total{matcher}[{{{{.window}}}}]))\n"
        )
    return "---\n".join(documents)


def compiled(folder: Path, profile: str) -> list[dict[str, object]]:
    """Return the rule groups of all patterns under *profile*."""
    path = folder / "specs.yaml"
    path.write_text(specs())
    result = compile_specs([str(path)], CompileOptions(profile=profile, kinds=("rules",)))
    rules = next(a for a in result.artifacts if a.path == "rules/specs.yaml")
    groups: list[dict[str, object]] = yaml.safe_load(rules.text)["groups"]
    return groups


def backfill(folder: Path, data: Path, groups: list[dict[str, object]], *names: str) -> None:
    """Record the rules of *groups* called *names* over all thirty days."""
    chosen = []
    for group in groups:
        rules = [_joined(r) for r in group["rules"] if r.get("record") in names]  # type: ignore[attr-defined]
        if rules:
            chosen.append({**group, "rules": rules})
    path = folder / "pass.yaml"
    path.write_text(yaml.safe_dump({"groups": chosen}))
    with _server(folder, data) as client:
        _promtool(
            "--max-block-duration=64h",
            "rules",
            f"--start={_START}",
            f"--end={_END}",
            f"--url={client.url}",
            "--eval-interval=30s",
            f"--output-dir={data}",
            str(path),
        )


def _joined(rule: dict[str, str]) -> dict[str, str]:
    """
    Return *rule* so that its result is one series at all times.

    Errors come from raw series, or as zeros from the recorded total. An evaluation sees one of
    them; a backfill sees both as series of their own and refuses to join them.
    """
    identity = "sloth_id, sloth_service, sloth_slo"
    return {**rule, "expr": f"sum without ({identity}) (\n{rule['expr']}\n)"}


def _server(folder: Path, data: Path):  # type: ignore[no-untyped-def]
    return run_prometheus(folder, prometheus_config(), arguments=_FLAGS)


def _at_end(client: PrometheusClient, expression: str) -> float | None:
    # Everything lies in the past: ask for the end of the data, not for now.
    return client.value(f"last_over_time(({expression})[1s:1s] @ {_END})")


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data"
        data.mkdir()
        truths = write_raw(folder, data)
        exact, sloth = compiled(folder, "exact"), compiled(folder, "sloth")
        print("recording thirty days of rules", flush=True)
        backfill(folder, data, exact, "slo:total_events:rate5m")
        backfill(folder, data, exact, "slo:error_events:rate5m")
        backfill(
            folder, data, exact, "slo:total_events:rate5m_avg2m", "slo:error_events:rate5m_avg2m"
        )
        backfill(folder, data, sloth, "slo:sli_error:ratio_rate5m")
        with _server(folder, data) as client:
            _report(client, truths, exact, sloth)


def _report(
    client: PrometheusClient,
    truths: list[Truth],
    exact: list[dict[str, object]],
    sloth: list[dict[str, object]],
) -> None:
    print("\n| pattern | events | true error ratio | exact | sloth | increase(30d) |")
    print("|---|---:|---:|---:|---:|---:|")
    for number, (pattern, truth) in enumerate(zip(PATTERNS, truths, strict=True)):
        true = truth.error / truth.total
        job = f'{{job="p{number}"}}'
        increase = (
            f"sum(increase(errors_total{job}[30d])) / sum(increase(requests_total{job}[30d]))"
        )
        shown = [
            _error(_at_end(client, expression), true)
            for expression in (_period(exact, number), _period(sloth, number), increase)
        ]
        print(f"| {pattern.name} | {truth.total:,.0f} | {true:.5%} | {' | '.join(shown)} |")


def _period(groups: list[dict[str, object]], number: int) -> str:
    for group in groups:
        for rule in group["rules"]:  # type: ignore[attr-defined]
            same = rule.get("labels", {}).get("sloth_service") == f"p{number}"
            if same and rule.get("record") == "slo:sli_error:ratio_rate30d":
                return str(rule["expr"])
    raise SystemExit(f"no period rule for p{number}")


def _error(value: float | None, true: float) -> str:
    return "none" if value is None else f"{value / true - 1:+.2%}"


if __name__ == "__main__":
    main()
