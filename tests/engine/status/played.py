"""Play compiled rules over two days that have just passed, on real servers."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from slo.engine.backfill.remote_write import RemoteWriter
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.engine.sources.connection import Connection
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus
from slo.stack.victoria_metrics import replay_rules, run_victoria_metrics

from .samples import LABELS, answers

__all__ = ["DAY", "Past", "played", "recording", "two_days"]

DAY = 86_400
SCRAPE = 60


@dataclass
class Past:
    """Hold counters of two jobs, and what happened in each minute by job."""

    start: int
    end: int
    lines: list[tuple[str, int, int]] = field(default_factory=list)
    events: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)

    def counted(self, job: str, start: float, end: float) -> tuple[int, int]:
        """Return bad and all events of *job* from *start* to *end*."""
        inside = [(b, t) for at, b, t in self.events[job] if start < at <= end]
        return sum(b for b, _ in inside), sum(t for _, t in inside)


def two_days(end: int | None = None) -> Past:
    """
    Return two days up to *end*, or now: ten events a second.

    Of job `a` one in a thousand is bad, and of job `b` all for half an hour, 20 hours ago.
    """
    last = (end or int(time.time())) // SCRAPE * SCRAPE
    past = Past(last - 2 * DAY, last)
    for job in ("a", "b"):
        total = bad = 0
        counted = past.events[job] = []
        for at in range(past.start, last + 1, SCRAPE):
            more = 600
            outage = last - 20 * 3600 <= at - SCRAPE < last - 20 * 3600 + 1800
            wrong = (at // SCRAPE % 5 == 0) * 3 if job == "a" else more * outage
            total, bad = total + more, bad + wrong
            counted.append((at, wrong, more))
            past.lines.append((f'requests_total{{job="{job}"}}', at, total))
            past.lines.append((f'errors_total{{job="{job}"}}', at, bad))
    return past


@contextmanager
def played(
    program: str, folder: Path, past: Past, spec: str, profile: str = "exact"
) -> Iterator[PrometheusClient]:
    """Run a server that holds *past* and what the rules of *spec* record of it."""
    path = folder / "spec.yaml"
    path.write_text(spec, "utf-8")
    result = compile_specs([str(path)], CompileOptions(profile=profile, kinds=("rules",)))
    assert not result.failed, result.diagnostics
    rules = folder / "rules.yaml"
    rules.write_text(next(a.text for a in result.artifacts if a.path == "rules/spec.yaml"))
    serve = _victoria_metrics if program == "victoria-metrics" else _prometheus
    with serve(folder / "server", past) as client:
        replay_rules([rules], client, past.start, past.end)
        yield client


@contextmanager
def _victoria_metrics(folder: Path, past: Past) -> Iterator[PrometheusClient]:
    with run_victoria_metrics(folder, arguments=["-search.latencyOffset=1s"]) as client:
        client.import_lines(f"{series} {value} {at * 1000}" for series, at, value in past.lines)
        yield client


@contextmanager
def _prometheus(folder: Path, past: Past) -> Iterator[PrometheusClient]:
    (folder / "data").mkdir(parents=True)
    source = folder / "past.om"
    with source.open("w") as out:
        for metric in ("requests", "errors"):
            out.write(f"# TYPE {metric} counter\n")
            for series, at, value in past.lines:
                if series.startswith(metric):
                    out.write(f"{series} {value} {at}\n")
        out.write("# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=54h"]
    subprocess.run(
        [*command, "openmetrics", str(source), str(folder / "data")],
        check=True,
        capture_output=True,
    )
    # Rules are played one after the other, each from the start.
    config = prometheus_config() + "storage: {tsdb: {out_of_order_time_window: 30d}}\n"
    flags = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=1y"]
    with run_prometheus(folder, config, arguments=flags) as client:
        yield client


@contextmanager
def recording(program: str, folder: Path) -> Iterator[PrometheusClient]:
    """Run a server that holds what profile `exact` has just recorded of one SLO."""
    # VictoriaMetrics answers as of the last whole second.
    at = int(time.time() - 1) * 1000
    found = answers()
    series = [
        (one.labels["__name__"], {k: v for k, v in one.labels.items() if k != "__name__"}, value)
        for answer in (found.budgets, found.burn_rates, found.events, found.traffic)
        if answer is not None
        for one in answer.series
        for _, value in one.samples
    ]
    series.append(("slo:objective:ratio", LABELS, 0.999))
    folder.mkdir(exist_ok=True)
    serve = _written_victoria_metrics if program == "victoria-metrics" else _written_prometheus
    with serve(folder) as client:
        with closing(RemoteWriter(Connection(f"{client.url}/api/v1/write"))) as writer:
            writer.send([(name, labels, [(at, value)]) for name, labels, value in series])
        client.flush()
        yield client


@contextmanager
def _written_prometheus(folder: Path) -> Iterator[PrometheusClient]:
    flags = ["--web.enable-remote-write-receiver"]
    with run_prometheus(folder, prometheus_config(), arguments=flags) as client:
        yield client


@contextmanager
def _written_victoria_metrics(folder: Path) -> Iterator[PrometheusClient]:
    with run_victoria_metrics(folder, arguments=["-search.latencyOffset=0s"]) as client:
        yield client
