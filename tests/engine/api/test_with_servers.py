"""Run the engine against real servers that work, hang, and go away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from slo.stack.processes import find_program
from slo.stack.prometheus import PrometheusClient

from ..ledger.postgres import Postgres, running_postgres  # noqa: TID252 - tests are no package
from ..status.played import played, two_days  # noqa: TID252
from .running import PAUSE, Engine, eventually, running

pytestmark = pytest.mark.servers

SPEC = """\
version: slo/v1
service: shop
owner: storefront
tier: critical
slos:
  - name: orders
    objective: 99
    indicator:
      events:
        error: sum(rate(errors_total{job="a"}[{{.window}}]))
        total: sum(rate(requests_total{job="a"}[{{.window}}]))
---
version: slo/v1
service: cart
slos:
  - name: requests
    objective: 99.9
    indicator:
      events:
        error: sum(rate(errors_total{job="b"}[{{.window}}]))
        total: sum(rate(requests_total{job="b"}[{{.window}}]))
"""


def gate(engine: Engine, service: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "slo.engine.cli", "gate", service, "--engine", engine.url]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder), "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def server_pid(client: PrometheusClient) -> int:
    """Return the process that listens where *client* asks."""
    port = client.url.rpartition(":")[2]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f":{port}".encode() in words and b"prometheus" in words.split(b"\0")[0]:
                return int(entry.name)
    raise AssertionError("no such process")


@contextmanager
def hanging(client: PrometheusClient) -> Iterator[None]:
    """Let the server take connections and never answer."""
    pid = server_pid(client)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusClient]:
    find_program("prometheus")
    past = two_days()
    with played("prometheus", tmp_path_factory.mktemp("played"), past, SPEC) as client:
        yield client


@pytest.fixture(scope="module")
def engine(
    prometheus: PrometheusClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    (folder / "spec.yaml").write_text(SPEC)
    with running(folder, "--specs", str(folder / "spec.yaml"), source=prometheus.url) as found:
        assert eventually(lambda: found.ask("/v1/slos")[0] == 200)
        yield found


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as found:
        yield found


class TestWithPrometheus:
    def test_knows_what_the_server_recorded(
        self, engine: Engine, prometheus: PrometheusClient
    ) -> None:
        body = engine.ask("/v1/slos?service=cart")[1]
        (slo,) = body["slos"]
        recorded = prometheus.value('slo:period_error_budget_remaining:ratio{sloth_service="cart"}')

        assert recorded == pytest.approx(slo["budget"]["remaining"])
        assert "breached" == slo["state"]
        assert body["complete"]
        remaining = engine.metric(
            'slo_engine_error_budget_remaining_ratio{sloth_id="cart-requests",'
            'sloth_service="cart",sloth_slo="requests"}'
        )
        assert recorded == pytest.approx(remaining)

    def test_gates_allow_and_deny(self, engine: Engine, tmp_path: Path) -> None:
        allowed, denied = gate(engine, "shop", tmp_path), gate(engine, "cart", tmp_path)

        assert (0, 1) == (allowed.returncode, denied.returncode), allowed.stdout + denied.stdout
        assert "allow" in allowed.stdout
        assert 3 == gate(engine, "nobody", tmp_path).returncode

    def test_a_burn_down_ends_where_the_budget_stands(self, engine: Engine) -> None:
        def known() -> bool:
            return bool(engine.ask("/v1/slos/cart/requests/history")[1]["burn_down"])

        assert eventually(known, 60)
        points = engine.ask("/v1/slos/cart/requests/history")[1]["burn_down"]
        slo = engine.ask("/v1/slos/cart/requests")[1]["slos"][0]
        assert 1.0 == points[0]["remaining"]
        assert slo["budget"]["remaining"] == pytest.approx(points[-1]["remaining"], abs=0.05)

    @pytest.mark.slow
    def test_clients_cost_the_server_nothing(
        self, engine: Engine, prometheus: PrometheusClient
    ) -> None:
        def asked(seconds: float) -> float:
            before = engine.metric(queries)
            PAUSE.wait(seconds)
            return engine.metric(queries) - before

        queries = f'slo_engine_source_queries_total{{outcome="answered",source="{prometheus.url}"}}'
        alone = asked(10)
        stop = threading.Event()

        def client() -> None:
            while not stop.is_set():
                engine.ask("/v1/slos")
                engine.gate("shop")

        clients = [threading.Thread(target=client) for _ in range(20)]
        for thread in clients:
            thread.start()
        crowded = asked(10)
        stop.set()
        for thread in clients:
            thread.join()

        assert 0 < crowded <= 1.5 * alone + 10

    @pytest.mark.slow
    def test_answers_as_ever_while_the_server_hangs(
        self, engine: Engine, prometheus: PrometheusClient
    ) -> None:
        with hanging(prometheus):
            assert eventually(lambda: "down" in str(engine.ask("/v1/sources")[1]["sources"]), 60)
            first = engine.ask("/v1/slos")[1]
            assert "allow" == engine.gate("shop")["verdict"]
            assert 200 == engine.ask("/readyz")[0]
            PAUSE.wait(2)
            second = engine.ask("/v1/slos")[1]
            assert second["age"] > first["age"] + 1
            assert {s["key"]: s["state"] for s in first["slos"]} == {
                s["key"]: s["state"] for s in second["slos"]
            }
        assert eventually(lambda: engine.ask("/v1/slos")[1]["age"] < 4, 60)


class TestReplicas:
    """Two engines on one PostgreSQL: one leads, both serve."""

    @pytest.fixture
    def replicas(self, postgres: Postgres, tmp_path: Path) -> Iterator[tuple[Engine, Engine]]:
        url = postgres.new_database()
        with ExitStack() as stack:
            yield tuple(  # type: ignore[misc]
                stack.enter_context(running(tmp_path, "--ledger", url, "--name", name, name=name))
                for name in ("one", "two")
            )

    def test_one_leads_and_the_other_takes_over(self, replicas: tuple[Engine, Engine]) -> None:
        def leaders() -> list[Engine]:
            return [e for e in replicas if e.metric("slo_engine_leads") == 1]

        assert eventually(lambda: len(leaders()) == 1)
        (leader,) = leaders()
        (other,) = (e for e in replicas if e is not leader)
        leader.stop(signal.SIGKILL)
        assert eventually(lambda: other.metric("slo_engine_leads") == 1)

    def test_what_one_records_the_other_goes_by(self, replicas: tuple[Engine, Engine]) -> None:
        one, two = replicas
        body = {"verdict": "deny", "reason": "stop", "expires_at": "2199-01-01T00:00:00Z"}
        body["expires_at"] = "2027-06-01T00:00:00Z"
        assert 201 == one.ask("/v1/overrides", body)[0]
        assert "deny" == one.gate("x")["verdict"]
        assert eventually(lambda: two.gate("x")["verdict"] == "deny")
        key = {"idempotency_key": "run-7"}
        assert one.gate("y", **key)["id"] == two.gate("y", **key)["id"]

    def test_reads_and_gates_go_on_without_the_database(
        self, replicas: tuple[Engine, Engine], postgres: Postgres
    ) -> None:
        engine = replicas[0]
        body = {"start": 1_795_000_000, "end": 1_795_003_600, "reason": "launch"}
        assert engine.gate("x")["recorded"]
        with postgres.stopped():
            assert eventually(lambda: engine.ask("/v1/freezes", body)[0] == 503)
            assert 200 == engine.ask("/readyz")[0]
            asked = engine.gate("x", version="while it is away")
            assert not asked["recorded"]
        assert eventually(lambda: engine.ask("/v1/freezes", body)[0] == 201)

        def recorded() -> bool:
            status, found = engine.ask("/v1/decisions?limit=1000")
            return status == 200 and asked["id"] in {d["id"] for d in found["decisions"]}

        assert eventually(recorded)

    def test_starts_while_the_database_is_away(self, postgres: Postgres, tmp_path: Path) -> None:
        url = postgres.new_database()
        with ExitStack() as stack:
            with postgres.stopped():
                engine = stack.enter_context(running(tmp_path, "--ledger", url))
                assert 503 == engine.ask("/v1/freezes")[0]
                assert "unknown" == engine.gate("x")["verdict"]
            assert eventually(lambda: engine.ask("/v1/freezes")[0] == 200)
            assert eventually(lambda: engine.gate("x", version="2")["recorded"])
