"""The queries mean the same to VictoriaMetrics, which reads ranges and subqueries its own way."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from slo.indicators.catalog import TYPED

from .test_worlds import BAD, GOOD, HALF, LONG, SHORT, ratio
from .worlds import STEPS, WORLDS, World

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(shutil.which("victoria-metrics") is None, reason="it is missing"),
]

SECONDS = 30
_PART = re.compile(r"([\d.]+)(?:\+([\d.]+))?x(\d+)")
READABLE = [world for world in WORLDS if not world.new]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a server of its own."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    folder = tmp_path_factory.mktemp("victoria")
    with Path(folder / "log").open("w") as log:
        server = subprocess.Popen(
            [
                "victoria-metrics",
                f"-storageDataPath={folder / 'data'}",
                f"-httpListenAddr=127.0.0.1:{port}",
                "-search.latencyOffset=0s",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(300):
            try:
                urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def samples(values: str) -> list[float]:
    """Return what promtool's notation stands for."""
    found: list[float] = []
    for part in values.split():
        match = _PART.fullmatch(part)
        assert match is not None, part
        start, growth = float(match[1]), float(match[2] or 0)
        found += [start + growth * number for number in range(int(match[3]) + 1)]
    return found[: STEPS + 1]


def text_of(world: World, condition: int, tag: str, begin: int) -> Iterator[str]:
    """Yield samples in the exposition format; times of success count from *begin*."""
    shift = begin * (1000 if world.params.get("unit") == "milliseconds" else 1)
    for name, conditions in world.series.items():
        values = conditions[condition]
        if values is None:
            continue
        label = f'world="{tag}"'
        series = f"{name[:-1]},{label}}}" if "{" in name else f"{name}{{{label}}}"
        base = shift if "last_success" in name else 0
        for number, value in enumerate(samples(values)):
            yield f"{series} {base + value} {(begin + number * SECONDS) * 1000}"


def test_indicators_tell_good_from_bad(address: str) -> None:
    end = int(time.time()) // SECONDS * SECONDS
    begin = end - STEPS * SECONDS
    lines = [
        line
        for number, world in enumerate(READABLE)
        for condition in (GOOD, BAD, HALF)
        for line in text_of(world, condition, f"{number}-{condition}", begin)
    ]
    body = "\n".join(lines).encode()
    urlopen(Request(f"{address}/api/v1/import/prometheus", body), timeout=60).read()
    urlopen(f"{address}/internal/force_flush", timeout=60).read()

    wrong = []
    for number, world in enumerate(READABLE):
        for condition, window, wanted in (
            (GOOD, SHORT, 0.0),
            (GOOD, LONG, 0.0),
            (BAD, SHORT, 1.0),
            (BAD, LONG, 1.0),
            (HALF, LONG, world.half),
        ):
            selector = {**world.params.get("selector", {}), "world": f"{number}-{condition}"}
            queries = TYPED[world.indicator]({**world.params, "selector": selector}, ())
            asked = urlencode({"query": ratio(queries, window), "time": end, "nocache": 1})
            with urlopen(f"{address}/api/v1/query?{asked}", timeout=60) as answer:
                result = json.load(answer)["data"]["result"]
            got = [float(sample["value"][1]) for sample in result]
            # It looks at a subquery's start as well, one look in 120.
            if len(got) != 1 or abs(got[0] - wanted) > 0.02:
                wrong.append((str(world), condition, str(window), wanted, got))

    assert [] == wrong
