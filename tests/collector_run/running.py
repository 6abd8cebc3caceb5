"""Run collectors on configurations that specs make, and the backends that they send to."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import pytest
import yaml

from slo.collector.emit import AGENT, GATEWAY, collector_configs
from slo.collector.model import config_text
from slo.collector.options import CollectorOptions, TierOptions
from slo.plan import SpecSet
from slo.stack.processes import LOOPBACK, Process, free_ports
from slo.stack.targets.local_programs import find
from tests.collector.documents import read


def _program() -> str | None:
    """Return the collector that `make test-collector` names, or the one that it once built."""
    folder = os.environ.get("COLLECTOR")
    if folder:
        return str(Path(folder, "otelcol"))
    found = find("otelcol")
    return found.argv[0] if found else None


PROGRAM = _program() or ""
needs_collector = [
    pytest.mark.collector,
    pytest.mark.skipif(not PROGRAM, reason="needs a collector: make test-collector"),
]

T = TypeVar("T")

_PATIENCE_SECONDS = 40.0
_POLL_SECONDS = 0.1


def eventually(look: Callable[[], T], seconds: float = _PATIENCE_SECONDS) -> T:
    """Return what *look* sees as soon as that is true, or what it saw last."""
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return seen


def settles(look: Callable[[], T], wanted: T, seconds: float = _PATIENCE_SECONDS) -> T:
    """Return *wanted* as soon as *look* sees it, or what it saw last."""
    deadline = time.monotonic() + seconds
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return seen


@dataclass
class Collector:
    """Run one collector; its data survives `stop` and `kill`."""

    name: str
    folder: Path
    config: Mapping[str, Any]
    otlp_grpc: int
    otlp_http: int
    health: int
    metrics: int
    _process: Process | None = field(default=None, init=False, kw_only=True)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.otlp_http}"

    @property
    def grpc(self) -> str:
        return f"{LOOPBACK}:{self.otlp_grpc}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def resident_mib(self) -> float:
        """Return the memory that it has had at most."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "config.yaml"
        file.write_text(yaml.safe_dump(dict(self.config), sort_keys=False))
        self._process = Process(
            [PROGRAM, "--config", str(file)],
            log=self.folder / f"{self.name}.log",
            ready_url=f"http://{LOOPBACK}:{self.health}/",
            name=self.name,
            startup_seconds=60,
            grace_seconds=15,
        )
        self._process.start()

    def stop(self) -> None:
        """End it as a supervisor does."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        assert self._process is not None
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.stop()

    def own_metrics(self) -> str:
        """Return what it says of itself."""
        return httpx.get(f"http://{LOOPBACK}:{self.metrics}/metrics", trust_env=False).text

    def counted(self, metric: str, having: str = "") -> float:
        """Return the sum of its own *metric* over the series that contain the text *having*."""
        return sum(
            float(line.rpartition(" ")[2])
            for line in self.own_metrics().splitlines()
            if re.match(rf"{metric}[{{ ]", line) and having in line
        )

    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass
class Backend(Collector):
    """Take OTLP in place of a backend, with a collector's own receiver, and keep it in files."""

    loki: str = ""

    def records(self, signal_name: str) -> list[dict[str, Any]]:
        """Return all requests that came, oldest first."""
        file = self.folder / f"{signal_name}.json"
        if not file.exists():
            return []
        lines = file.read_text().split("\n")
        # The last line may still be on its way to the disk.
        return [json.loads(line) for line in lines[:-1]]

    def spans(self) -> list[dict[str, Any]]:
        """Return all spans, each with its resource's attributes under `resource`."""
        return list(_flat(self.records("traces"), "resourceSpans", "scopeSpans", "spans"))

    def lines(self) -> list[dict[str, Any]]:
        """Return all log records, as `spans`."""
        return list(_flat(self.records("logs"), "resourceLogs", "scopeLogs", "logRecords"))

    def points(self) -> list[dict[str, Any]]:
        """Return all metrics, as `spans`."""
        return list(_flat(self.records("metrics"), "resourceMetrics", "scopeMetrics", "metrics"))

    def text(self) -> str:
        """Return everything that came."""
        return "".join(file.read_text() for file in sorted(self.folder.glob("*.json")))


def _flat(
    requests: Iterable[Mapping[str, Any]], outer: str, inner: str, leaf: str
) -> Iterator[dict[str, Any]]:
    for request in requests:
        for resource in request[outer]:
            named = attributes_of(resource["resource"])
            for scope in resource[inner]:
                for item in scope[leaf]:
                    yield {**item, "resource": named, "attributes": attributes_of(item)}


def attributes_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a resource, span, record or point as a mapping."""
    return {a["key"]: next(iter(a["value"].values()), None) for a in item.get("attributes", ())}


def backend(folder: Path, name: str = "backend") -> Backend:
    """Return a backend that takes all signals, logs also where Loki takes them."""
    grpc, http, loki, health, metrics = free_ports(5)
    receiver = {"protocols": {"grpc": {"endpoint": f"{LOOPBACK}:{grpc}"}}}
    receiver["protocols"]["http"] = {"endpoint": f"{LOOPBACK}:{http}"}
    on_loki = {"endpoint": f"{LOOPBACK}:{loki}", "logs_url_path": "/otlp/v1/logs"}
    signals = ("traces", "logs", "metrics")
    return Backend(
        name,
        folder / name,
        {
            "extensions": {"health_check": {"endpoint": f"{LOOPBACK}:{health}"}},
            "receivers": {"otlp": receiver, "otlp/loki": {"protocols": {"http": on_loki}}},
            "exporters": {
                f"file/{signal_name}": {
                    "path": str(folder / name / f"{signal_name}.json"),
                    "append": True,
                    "flush_interval": "100ms",
                }
                for signal_name in signals
            },
            "service": {
                "extensions": ["health_check"],
                "telemetry": _own_metrics(metrics),
                "pipelines": {
                    signal_name: {
                        "receivers": ["otlp", *(["otlp/loki"] if signal_name == "logs" else [])],
                        "exporters": [f"file/{signal_name}"],
                    }
                    for signal_name in signals
                },
            },
        },
        grpc,
        http,
        health,
        metrics,
        f"http://{LOOPBACK}:{loki}",
    )


def _own_metrics(port: int) -> dict[str, Any]:
    exporter = {"prometheus": {"host": LOOPBACK, "port": port}}
    return {"metrics": {"readers": [{"pull": {"exporter": exporter}}]}}


@dataclass
class Tiers:
    """Hold the agent and the gateways of one set of specs, not yet running."""

    agent: Collector
    gateways: tuple[Collector, ...]

    @property
    def gateway(self) -> Collector:
        (one,) = self.gateways
        return one


def tiers(
    folder: Path,
    specs: SpecSet | Iterable[str],
    endpoints: Mapping[str, str],
    *,
    gateways: int = 1,
    adjust: Callable[[dict[str, Any]], None] | None = None,
    **limits: Any,
) -> Tiers:
    """
    Return the collectors of *specs* on free ports.

    Args:
        endpoints: Address of each destination by name.
        adjust: Changes each configuration before it runs, for times only.
        limits: Further settings of `TierOptions` for the gateways.
    """
    if not isinstance(specs, SpecSet):
        specs, found = read(*specs)
        assert [] == [d for d in found if d.is_error]
    places = [_place(folder / name) for name in _names(gateways)]
    addresses = tuple(f"{LOOPBACK}:{place.otlp_grpc}" for place in places[1:])
    made: list[Collector] = []
    for index, place in enumerate(places):
        options = CollectorOptions(
            agent=places[0],
            gateway=(place if index else places[1])._replace(**limits),
            endpoints=endpoints,
            gateway_address=addresses[0],
            gateway_targets=addresses,
            instance=f"gateway-{index}",
        )
        configs, found = collector_configs(specs, options)
        assert [] == [d for d in found if d.is_error]
        path = GATEWAY if index else AGENT
        config = yaml.safe_load(config_text(configs[path], "Under test.", "0"))
        hurry(config)
        if adjust is not None:
            adjust(config)
        ports = (place.otlp_grpc, place.otlp_http, place.health, place.metrics)
        name = _names(gateways)[index]
        made.append(Collector(name, folder / name, config, *ports))
    return Tiers(made[0], tuple(made[1:]))


def _names(gateways: int) -> list[str]:
    return ["agent", *(f"gateway-{number + 1}" for number in range(gateways))]


def _place(folder: Path) -> TierOptions:
    grpc, http, health, metrics = free_ports(4)
    return TierOptions(LOOPBACK, grpc, http, health, metrics, str(folder / "queue"))


def hurry(config: dict[str, Any]) -> None:
    """Shorten the times that nothing but waiting depends on."""
    if "tail_sampling" in config["processors"]:
        config["processors"]["tail_sampling"]["decision_wait"] = "2s"
    if "span_metrics" in config.get("connectors", {}):
        config["connectors"]["span_metrics"]["metrics_flush_interval"] = "1s"
    if "batch/log-counts" in config["processors"]:
        config["processors"]["batch/log-counts"]["timeout"] = "1s"
    for exporter in config["exporters"].values():
        if "retry_on_failure" in exporter:
            exporter["retry_on_failure"]["max_interval"] = "1s"


@contextmanager
def running(made: Tiers) -> Iterator[Tiers]:
    """Run gateways, then the agent."""
    try:
        for collector in (*made.gateways, made.agent):
            collector.start()
        yield made
    finally:
        for collector in (made.agent, *made.gateways):
            collector.stop()
