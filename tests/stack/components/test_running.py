"""Start the servers with the very arguments and files that are rendered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from slo.stack.components.context import Versions
from slo.stack.components.plan import stack_plan
from slo.stack.processes import Process, find_program, free_ports
from slo.stack.settings import Exposure, StackSettings
from tests.stack.components.here import HerePlaces, write_configs
from tests.stack.components.stacks import compiled

pytestmark = [pytest.mark.servers, pytest.mark.slow]

CACHED = sorted((Path.home() / ".cache" / "slostack").glob("prometheus-*/prometheus"))
DEADLINE_SECONDS = 60


def run(settings: StackSettings, root: Path, versions: Versions, stack: ExitStack) -> None:
    """Run the components of *settings* until *stack* is left."""
    places = HerePlaces(settings, str(root))
    plan = stack_plan(settings, compiled(), places, versions=versions)
    write_configs(plan)
    for component in plan.components:
        program = component.program
        if component.name == "prometheus" and versions.prometheus >= (3, 0):
            program = str(CACHED[-1])
        assert program is not None
        port = component.port(component.probe.port).number
        argv = [
            program if "/" in program else find_program(program),
            *component.arguments,
        ]
        url = f"http://localhost:{port}{component.probe.path}"
        log = root / f"{component.name}.log"
        stack.enter_context(Process(argv, log=log, ready_url=url, name=component.name))


def query(port: int, expression: str) -> list[Mapping[str, Any]]:
    answer = httpx.get(
        f"http://localhost:{port}/api/v1/query", params={"query": expression}, trust_env=False
    )
    found: list[Mapping[str, Any]] = answer.json()["data"]["result"]
    return found


def eventually(ask: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not ask():
        assert time.monotonic() < end, "not within the limit"
        time.sleep(0.2)


def test_victoria_metrics_stores_and_vmalert_evaluates(tmp_path: Path) -> None:
    """Both scrape, read and write where the plan says, and the watchdog's alert is recorded."""
    (port,) = free_ports(1)
    offset = port - 8428
    settings = StackSettings(
        engine="victoria-metrics", parts=frozenset(), port_offset=max(offset, 0)
    )
    with ExitStack() as stack:
        run(settings, tmp_path, Versions(victoria_metrics=(1, 79)), stack)
        known = 8428 + settings.port_offset
        eventually(lambda: bool(query(known, 'up{job="vmalert"} == 1')))
        eventually(lambda: bool(query(known, 'ALERTS{alertname="Watchdog", stack="slostack"}')))


@pytest.mark.prometheus3
@pytest.mark.skipif(not CACHED, reason="no Prometheus 3: `scripts/build-prometheus3` builds one")
def test_prometheus_3_runs_on_what_its_version_gets(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = StackSettings(parts=frozenset(), expose={"prometheus": Exposure(port=port)})
    with ExitStack() as stack:
        run(settings, tmp_path, Versions(), stack)
        eventually(lambda: bool(query(port, 'up{job="prometheus"} == 1')))
        received = httpx.post(
            f"http://localhost:{port}/api/v1/otlp/v1/metrics",
            content=b"",
            headers={"Content-Type": "application/x-protobuf"},
            trust_env=False,
        )

        assert 200 == received.status_code
        log = (tmp_path / "prometheus.log").read_text()
        assert "Unknown option for --enable-feature" not in log
        assert "level=ERROR" not in log
