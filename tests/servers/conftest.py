"""Make one history of counters whose events are known, and play compiled rules over it."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.duration import seconds
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.stack.prometheus import PrometheusClient, Sample, prometheus_config, run_prometheus
from slo.stack.victoria_metrics import replay_rules, run_victoria_metrics

DAY = 86_400
SPAN = 3 * DAY
END = 1_790_000_160
START = END - SPAN
SCRAPE = 60
EVALUATION = seconds(30)

# The period is longer than the history, so that it holds all of it.
SPEC = """\
version: slo/v1
service: shop
slos:
  - name: requests
    objective: 99.9
    window: 7d
    group_by: [job]
    indicator:
      events:
        error: sum by (job) (rate(errors_total[{{.window}}]))
        total: sum by (job) (rate(requests_total[{{.window}}]))
"""
IDENTITY = "sloth_id, sloth_service, sloth_slo"

Rate = Callable[[float], float]


@dataclass(frozen=True)
class Traffic:
    """
    Describe one job.

    Args:
        rate: Events per second at a number of seconds since the start.
        share: Share of them that are bad.
        lifetime: Seconds after which the counters start again from zero; 0 for never.
        born: Seconds after which the error counter exists.
    """

    job: str
    rate: Rate
    share: Rate
    lifetime: int = 0
    born: int = 0


def _daily(second: float) -> float:
    return 11 + 9 * math.sin(2 * math.pi * (second / DAY - 0.25))


def _busy_days(second: float) -> float:
    return 0.0 if (second / 3600) % 24 < 8 else 10.0


def _incident(begin: float, length: float, share: float, otherwise: float) -> Rate:
    return lambda second: share if begin <= second < begin + length else otherwise


OUTAGE = 2 * DAY + 20 * 3600
BORN = 2 * DAY + 6 * 3600
TRAFFICS = (
    Traffic("peak", _daily, _incident(DAY + 12 * 3600, 3600, 0.2, 0.0002)),
    Traffic("resets", _daily, lambda _: 0.001, lifetime=5 * 3600),
    Traffic("nights", _busy_days, lambda _: 0.001),
    Traffic("outage", lambda _: 10.0, _incident(OUTAGE, 1800, 1.0, 0.0005)),
    Traffic("born", lambda _: 10.0, _incident(BORN, 7200, 0.05, 0.0), born=BORN),
)


@dataclass
class History:
    """Hold samples as (series, second, value), and the true error ratio of each job."""

    samples: list[tuple[str, int, int]] = field(default_factory=list)
    error_ratio: dict[str, float] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yield Prometheus's text format with milliseconds."""
        for series, second, value in self.samples:
            yield f"{series} {value} {second * 1000}"

    def write_blocks(self, folder: Path) -> None:
        """Write the samples as blocks of a Prometheus."""
        folder.mkdir(parents=True)
        source = folder.parent / "history.om"
        with source.open("w") as out:
            for metric in ("requests", "errors"):
                out.write(f"# TYPE {metric} counter\n")
                for series, second, value in self.samples:
                    if series.startswith(metric):
                        out.write(f"{series} {value} {second}\n")
            out.write("# EOF\n")
        command = ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=744h"]
        subprocess.run(
            [*command, "openmetrics", str(source), str(folder)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@dataclass(frozen=True)
class Figures:
    """
    Hold what the rules made of a history.

    Args:
        error_ratio: Of the period, by job.
        budget: What is left of it, by job.
        fired: Seconds since the start, by job and long window.
    """

    error_ratio: dict[str, float]
    budget: dict[str, float]
    fired: dict[tuple[str, str], int]


@pytest.fixture(scope="session")
def history() -> History:
    """Return three days of all jobs."""
    made = History()
    for traffic in TRAFFICS:
        total = bad = sent = failed = 0
        due = due_bad = 0.0
        for second in range(0, SPAN + 1, SCRAPE):
            if second:
                middle = second - SCRAPE / 2
                due += traffic.rate(middle) * SCRAPE
                due_bad += traffic.rate(middle) * traffic.share(middle) * SCRAPE
            if traffic.lifetime and second and second % traffic.lifetime == 0:
                total = bad = 0
            more, more_bad = int(due) - sent, int(due_bad) - failed
            sent, failed = sent + more, failed + more_bad
            total, bad = total + more, bad + more_bad
            labels = f'{{job="{traffic.job}"}}'
            made.samples.append((f"requests_total{labels}", START + second, total))
            if second >= traffic.born:
                made.samples.append((f"errors_total{labels}", START + second, bad))
        made.error_ratio[traffic.job] = failed / sent
    return made


@pytest.fixture(scope="session")
def groups(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return the compiled rule groups."""
    path = tmp_path_factory.mktemp("spec") / "spec.yaml"
    path.write_text(SPEC)
    result = compile_specs([str(path)], CompileOptions(kinds=("rules",)))
    assert not result.failed, result.diagnostics
    text = next(a.text for a in result.artifacts if a.path == "rules/spec.yaml")
    found: list[dict[str, Any]] = yaml.safe_load(text)["groups"]
    return found


Play = Callable[[str], Figures]


@pytest.fixture
def play(tmp_path: Path, history: History, groups: list[dict[str, Any]]) -> Play:
    """Return what plays the rules over the history on a server, named by its program."""

    def on(program: str) -> Figures:
        folder = tmp_path / program.strip("/").replace("/", "-")
        folder.mkdir()
        rules = folder / "rules.yaml"
        victoria = program == "victoria-metrics"
        rules.write_text(yaml.safe_dump({"groups": groups if victoria else _joined(groups)}))
        serve = (
            _victoria_metrics(folder, history)
            if victoria
            else _prometheus(folder, history, program)
        )
        with serve as client:
            replay_rules([rules], client, START, END)
            return _figures(client)

    return on


@contextmanager
def _victoria_metrics(folder: Path, history: History) -> Iterator[PrometheusClient]:
    with run_victoria_metrics(folder / "server") as client:
        client.import_lines(history.lines())
        yield client


@contextmanager
def _prometheus(folder: Path, history: History, program: str) -> Iterator[PrometheusClient]:
    history.write_blocks(folder / "server" / "data")
    # Rules are played one after the other, each from the start.
    config = prometheus_config() + "storage: {tsdb: {out_of_order_time_window: 20y}}\n"
    flags = (
        "--web.enable-remote-write-receiver",
        "--storage.tsdb.retention.time=20y",
        "--query.max-samples=500000000",
    )
    with run_prometheus(folder / "server", config, arguments=flags, program=program) as client:
        yield client


def _joined(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Return *groups* so that a query over time gives one series for each job.

    Errors come from raw series, or as zeros from the recorded total; a Prometheus that is asked
    for both at once gives both, which vmalert refuses to write under one name.
    """
    joined = []
    for group in groups:
        rules = [
            {**rule, "expr": f"sum without ({IDENTITY}) (\n{rule['expr']}\n)"}
            if rule.get("record") == "slo:error_events:rate5m"
            else rule
            for rule in group["rules"]
        ]
        joined.append({**group, "rules": rules})
    return joined


def _figures(client: PrometheusClient) -> Figures:
    firing = client.query_range('ALERTS{alertstate="firing"}', START, END, EVALUATION)
    return Figures(
        error_ratio=_by_job(client.query("slo:sli_error:ratio_rate1w", at=END)),
        budget=_by_job(client.query("slo:period_error_budget_remaining:ratio", at=END)),
        fired={
            (series.labels["job"], series.labels["long_window"]): int(series.values[0][0]) - START
            for series in firing
            if "long_window" in series.labels
        },
    )


def _by_job(samples: Iterable[Sample]) -> dict[str, float]:
    return {sample.labels["job"]: sample.value for sample in samples}
