"""
Measure a refresh of the engine against a real server that holds many SLOs.

The series that profile `exact` records are written to the server, a set for each SLO, and the
poller refreshes a few times: how many queries, how many seconds, how many of those the engine
was busy, how long the event loop, which answers the readers, was held up, and how much memory
it took. The rest of the time is the server's.

`python benchmarks/refresh.py` does it for 100, 1,000 and 10,000 SLOs on Prometheus and on
VictoriaMetrics, and exits with 1 where a refresh takes more than ten queries; `--write-docs`
puts the table into docs/reading.md. It takes five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path

from harness.docs import write_block
from prometheus_client import CollectorRegistry

from slo.duration import seconds
from slo.engine.backfill.remote_write import RemoteWriter
from slo.engine.sources.connection import Connection
from slo.engine.sources.failover import Failover
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.metrics import SourceMetrics
from slo.engine.status.holder import Holder
from slo.engine.status.poller import Pace, Poller
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus
from slo.stack.victoria_metrics import run_victoria_metrics

_PAGE = Path(__file__).parents[1] / "docs" / "reading.md"
_SERVERS = ("Prometheus", "VictoriaMetrics")
_MOST_QUERIES = 10
_BEAT_SECONDS = 0.005
_REFRESHES = 4
_SLOS_AT_A_TIME = 200
_LABELS = {"owner": "team-with-a-name", "tier": "critical"}
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")

TimeSeries = tuple[str, Mapping[str, str], Sequence[tuple[int, float]]]


def recorded(number: int, at: int) -> Iterator[TimeSeries]:
    """Yield what the rules of one SLO record at *at*, Unix milliseconds."""
    service, name = f"service-{number // 5:05}", f"objective-{number % 5}"
    identity = {
        "sloth_id": f"{service}-{name}",
        "sloth_service": service,
        "sloth_slo": name,
    }
    labels = {**identity, **_LABELS}
    ratio = 0.0001 * (number % 12)

    def one(series: str, value: float, more: Mapping[str, str]) -> TimeSeries:
        return series, more, [(at, value)]

    for window in _WINDOWS:
        yield one(f"slo:sli_error:ratio_rate{window}", ratio, {**labels, "sloth_window": window})
    for series, value in (("error", 40_000 * ratio), ("total", 40_000.0)):
        yield one(f"slo:{series}_events:rate5m", value / 600, identity)
        yield one(f"slo:{series}_events:count30d", value, {**labels, "sloth_window": "30d"})
    yield one("slo:period_coverage:ratio", 1, {**labels, "sloth_window": "30d"})
    yield one("slo:current_burn_rate:ratio", ratio / 0.001, labels)
    yield one("slo:period_burn_rate:ratio", ratio / 0.001, labels)
    yield one("slo:period_error_budget_remaining:ratio", 1 - ratio / 0.001, labels)
    yield one("slo:objective:ratio", 0.999, labels)
    yield one("slo:error_budget:ratio", 0.001, labels)
    yield one("slo:time_period:days", 30, labels)
    info = {"sloth_objective": "99.9", "sloth_version": "1", "sloth_mode": "cli-gen-prom"}
    yield one("sloth_slo_info", 1, {**labels, **info, "sloth_spec": "slo/v1"})


def load(url: str, slos: int) -> None:
    """Write the series of *slos* SLOs to the server at *url*."""
    # VictoriaMetrics answers as of the last whole second.
    at = int(time.time() - 1) * 1000
    with closing(RemoteWriter(Connection(f"{url}/api/v1/write"))) as writer:
        for first in range(0, slos, _SLOS_AT_A_TIME):
            numbers = range(first, min(first + _SLOS_AT_A_TIME, slos))
            writer.send([series for number in numbers for series in recorded(number, at)])


@contextmanager
def server(kind: str, folder: Path) -> Iterator[PrometheusClient]:
    """Run a server of *kind* and yield a client of it."""
    if kind == "Prometheus":
        arguments = ["--web.enable-remote-write-receiver"]
        with run_prometheus(folder, prometheus_config(), arguments=arguments) as client:
            yield client
    else:
        with run_victoria_metrics(folder, arguments=["-search.latencyOffset=0s"]) as client:
            yield client


async def measure(url: str, slos: int) -> Mapping[str, float]:
    """Refresh some times, and return the medians."""
    registry = CollectorRegistry()
    source = HttpSource(Connection(url, timeout=seconds(20)), metrics=SourceMetrics(registry))
    holder = Holder()
    poller = Poller(Failover([source]), holder, pace=Pace())
    before = _memory()
    took, busy, asked = [], [], []
    late: list[float] = []
    beat = asyncio.create_task(_heartbeat(late))
    for _ in range(_REFRESHES):
        began, used = time.monotonic(), time.process_time()
        await poller.refresh()
        took.append(time.monotonic() - began)
        busy.append(time.process_time() - used)
        asked.append(_answered(registry, url) - sum(asked))
    beat.cancel()
    snapshot = holder.current(time.time())
    assert snapshot is not None
    assert snapshot.complete, snapshot.sources
    assert len(snapshot.statuses) == slos, len(snapshot.statuses)
    await poller.stop()
    return {
        "queries": max(asked),
        "seconds": statistics.median(took),
        "busy": statistics.median(busy),
        "memory": _memory() - before,
        "held_up": max(late),
    }


def run(url: str, slos: int) -> Mapping[str, float]:
    """Return what `measure` returns."""
    return asyncio.run(measure(url, slos))


def _answered(registry: CollectorRegistry, url: str) -> float:
    labels = {"source": url, "outcome": "answered"}
    return registry.get_sample_value("slo_engine_source_queries_total", labels) or 0.0


async def _heartbeat(late: list[float]) -> None:
    """Note how much later than wanted a short sleep ends: so long a reader would wait."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(_BEAT_SECONDS)
        late.append(time.monotonic() - before - _BEAT_SECONDS)


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Print the table; fail where a refresh needs too many queries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--slos", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--write-docs", action="store_true", help=f"renew {_PAGE.name}")
    arguments = parser.parse_args()
    lines = [
        "| server | SLOs | queries a refresh | seconds | busy | readers wait, at most | memory |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    print(*lines, sep="\n")
    most = 0.0
    for kind in _SERVERS:
        for slos in arguments.slos:
            with tempfile.TemporaryDirectory() as folder, server(kind, Path(folder)) as client:
                load(client.url, slos)
                client.flush()
                # In a process of its own: the memory of a process only grows.
                with ProcessPoolExecutor(1, get_context("spawn")) as process:
                    found = process.submit(run, client.url, slos).result()
            most = max(most, found["queries"])
            lines.append(
                f"| {kind} | {slos:,} | {found['queries']:g} | {found['seconds']:.2f} "
                f"| {found['busy']:.2f} s | {1000 * found['held_up']:.0f} ms "
                f"| {found['memory']:.0f} MiB |"
            )
            print(lines[-1], flush=True)
    if arguments.write_docs:
        write_block(_PAGE, "refresh", lines)
    return 0 if most <= _MOST_QUERIES else 1


if __name__ == "__main__":
    sys.exit(main())
