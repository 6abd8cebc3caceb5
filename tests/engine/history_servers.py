"""Run real servers that hold raw history, for the tests of reading and filling it."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from slo.engine.backfill.remote_write import RemoteWriter
from slo.engine.sources.connection import Connection
from slo.stack.processes import running_server

__all__ = ["Raw", "load_blocks", "load_remote", "noisy_raw", "run_victoria_metrics"]

Samples = list[tuple[int, float]]


@dataclass
class Raw:
    """Hold raw counters, and how many events they count up to each scrape."""

    series: dict[tuple[str, tuple[tuple[str, str], ...]], Samples] = field(default_factory=dict)
    events: list[tuple[int, float, float]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Return how many samples there are."""
        return sum(map(len, self.series.values()))

    def error_ratio(self, start: float, end: float) -> float:
        """Return the share of bad events after *start* up to *end*."""
        inside = [(bad, every) for at, bad, every in self.events if start < at <= end]
        return sum(b for b, _ in inside) / sum(t for _, t in inside)


def noisy_raw(start: int, end: int, scrape: int = 60, seed: int = 1, born: float = 0.2) -> Raw:
    """Return two processes with resets, gaps, an incident, and errors that are born late."""
    noise = random.Random(seed)
    raw = Raw()
    counts = {(name, pod): 0.0 for name in ("requests_total", "errors_total") for pod in "ab"}
    down = 0
    for at in range(start, end, scrape):
        share = (at - start) / (end - start)
        incident = 0.5 < share < 0.502
        bad_now = every_now = 0.0
        # What nobody has measured cannot be filled: the incident is measured.
        gap = noise.random() < 0.0001 and not incident
        down = max(0, down - 1) if not gap else noise.randrange(2, 30)
        down = 0 if incident else down
        for pod in "ab":
            if noise.random() < 0.0005:
                counts["requests_total", pod] = counts["errors_total", pod] = 0.0
            every = noise.randrange(50, 400)
            bad = sum(noise.random() < (0.2 if incident else 0.0004) for _ in range(every))
            bad = bad if share >= born else 0
            counts["requests_total", pod] += every
            counts["errors_total", pod] += bad
            bad_now += bad
            every_now += every
            if down:
                continue
            for name in ("requests_total", "errors_total"):
                if name == "errors_total" and share < born:
                    continue
                labels = (("job", "shop"), ("pod", pod))
                raw.series.setdefault((name, labels), []).append((at, counts[name, pod]))
        raw.events.append((at, bad_now, every_now))
    return raw


def load_blocks(raw: Raw, data: Path, gauges: tuple[str, ...] = ()) -> None:
    """Write *raw* as blocks into *data*: two counters, and *gauges*."""
    data.mkdir(parents=True, exist_ok=True)
    text = data.parent / "raw.om"
    with text.open("w") as out:
        for name in ("requests_total", "errors_total", *gauges):
            kind = "gauge" if name in gauges else "counter"
            out.write(f"# TYPE {name.removesuffix('_total')} {kind}\n")
            for (metric, labels), samples in raw.series.items():
                if metric == name:
                    inner = ",".join(f'{k}="{v}"' for k, v in labels)
                    out.writelines(f"{metric}{{{inner}}} {v:g} {at}\n" for at, v in samples)
        out.write("# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=54h"]
    command += ["openmetrics", "--quiet", str(text), str(data)]
    subprocess.run(command, check=True, capture_output=True)
    text.unlink()


def load_remote(raw: Raw, url: str) -> None:
    """Send *raw* by remote write."""
    with closing(RemoteWriter(Connection(url))) as writer:
        for (name, labels), samples in raw.series.items():
            for first in range(0, len(samples), 20_000):
                part = [(at * 1000, value) for at, value in samples[first : first + 20_000]]
                writer.send([(name, dict(labels), part)])


@contextmanager
def run_victoria_metrics(directory: Path) -> Iterator[str]:
    """Run a VictoriaMetrics that keeps a year, and yield its URL."""

    def arguments(address: str) -> list[str]:
        return [
            f"-httpListenAddr={address}",
            f"-storageDataPath={directory / 'data'}",
            "-retentionPeriod=1y",
            "-search.latencyOffset=0s",
            "-memory.allowedPercent=10",
        ]

    with running_server("victoria-metrics", directory, arguments, ready_path="/health") as url:
        yield url
