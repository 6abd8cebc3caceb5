"""Give a Prometheus days of raw history and a target that goes on from there."""

from __future__ import annotations

import math
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

from slo.stack.processes import find_program

__all__ = ["BLOCK", "History", "Service", "load"]

_DAY = 86_400
# The longest block of a server that keeps between eighteen and fifty-four days.
BLOCK = 54 * 3600
# Distinct courses of counters; the many series of a service share them.
_COURSES = 40


def _cycle(second: float) -> float:
    """Return the traffic of a daily cycle, one in the mean."""
    return 1 + 0.8 * math.sin(2 * math.pi * second / _DAY)


class Service:
    """
    Count like a service with *series* counters, a sixth of which count errors.

    Traffic has a daily cycle and noise, as chunks of even numbers would cost less to read.
    """

    def __init__(self, series: int) -> None:
        self._chance = random.Random(series)
        self._lock = Lock()
        self._seen = time.time()
        self._values = [0.0] * series
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = service.exposition().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def labels(self, number: int) -> str:
        """Return the labels that the service itself gives a series."""
        return f'code="{500 if number % 6 == 0 else 200}",pod="pod-{number}"'

    def rate(self, number: int, second: float) -> float:
        """Return the events per second of a series."""
        return (0.01 if number % 6 == 0 else 10.0) * _cycle(second)

    def exposition(self) -> str:
        """Return the counters now."""
        with self._lock:
            now = time.time()
            passed, self._seen = now - self._seen, now
            for number in range(len(self._values)):
                noise = self._chance.uniform(0.7, 1.3)
                self._values[number] += self.rate(number, now) * passed * noise
            rows = [
                f"requests_total{{{self.labels(number)}}} {int(value)}\n"
                for number, value in enumerate(self._values)
            ]
        return "# TYPE requests_total counter\n" + "".join(rows)

    def history(self, begin: int, end: int, scrape: int) -> Iterator[str]:
        """Yield what scrapes from *begin* to *end* read, and count on from there."""
        yield "# TYPE requests counter\n"
        times = range(begin, end, scrape)
        courses: dict[tuple[bool, int], list[int]] = {}
        for number in range(len(self._values)):
            key = number % 6 == 0, number % _COURSES
            if key not in courses:
                value, course = 0.0, []
                for at in times:
                    value += self.rate(number, at) * scrape * self._chance.uniform(0.7, 1.3)
                    course.append(int(value))
                courses[key] = course
            base = int(self._values[number])
            full = f'requests_total{{job="shop",instance="{self.address}",{self.labels(number)}}}'
            yield "".join(
                f"{full} {base + value} {at}\n"
                for value, at in zip(courses[key], times, strict=True)
            )
            if courses[key]:
                self._values[number] += courses[key][-1]
        self._seen = end


class History:
    """Hold the days that an old installation has recorded: series names with steps and sizes."""

    def __init__(self, series: Sequence[tuple[str, int, float]]) -> None:
        self._series = series
        self._chance = random.Random(1)

    def samples(self, begin: int, end: int) -> Iterator[str]:
        """Yield the records from *begin* to *end*: rates of a daily cycle with noise."""
        for series, step, size in self._series:
            yield f"# TYPE {series.partition('{')[0]} gauge\n"
            for at in range(-(-begin // step) * step, end, step):
                value = size * _cycle(at) * self._chance.uniform(0.9, 1.1)
                yield f"{series} {value!r} {at}\n"


def load(folder: Path, blocks: Iterator[tuple[int, int, Iterator[str]]]) -> None:
    """Write *blocks*, each with its begin, end and lines, to the server's data folder."""
    text = folder / "block.om"
    for _begin, _end, lines in blocks:
        with text.open("w") as out:
            out.writelines(lines)
            out.write("# EOF\n")
        subprocess.run(
            [
                find_program("promtool"),
                "tsdb",
                "create-blocks-from",
                f"--max-block-duration={BLOCK // 3600}h",
                "openmetrics",
                str(text),
                str(folder / "data"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    text.unlink(missing_ok=True)
