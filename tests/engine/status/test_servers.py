"""The engine sees what the servers have recorded, and what has happened, also when they fail."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from slo.duration import seconds
from slo.engine.ledger.records import Correction, Target
from slo.engine.sources.connection import Connection
from slo.engine.sources.failover import Failover
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.metrics import SourceMetrics
from slo.engine.sources.protocol import QueryRefused
from slo.engine.status.holder import Holder
from slo.engine.status.model import SloStatus, Snapshot, State
from slo.engine.status.poller import Pace, Poller
from slo.stack.prometheus import PrometheusClient, prometheus_config, run_prometheus

from .played import DAY, Past, played, recording, two_days

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        any(shutil.which(p) is None for p in ("prometheus", "promtool", "vmalert")),
        reason="needs the Debian packages prometheus and victoria-metrics",
    ),
]

PROGRAMS = ("prometheus", "victoria-metrics")
GROUPED = """\
version: slo/v1
service: shop
owner: team
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
SUMMED = GROUPED.replace("    group_by: [job]\n", "").replace("sum by (job) ", "sum")
MONTHLY = GROUPED.replace("window: 7d", "window: {calendar: month, time_zone: Asia/Kolkata}")
SLICED = GROUPED.replace(
    "    indicator", "    budgeting: {timeslices: {slice: 1m, target: 95}}\n    indicator"
)
ROLLING_30D = SUMMED.replace("window: 7d", "window: 30d")


class Corrected:
    """Be a ledger that holds corrections, and takes everything else."""

    def __init__(self, *corrections: Correction) -> None:
        self._corrections = corrections
        self.points: list[Any] = []

    def corrections(self, start: float, end: float) -> Sequence[Correction]:
        return self._corrections

    def freezes(self, start: float, end: float) -> Sequence[Any]:
        return ()

    def acquire_lease(self, name: str, holder: str, seconds: float) -> bool:
        return True

    def release_lease(self, name: str, holder: str) -> None:
        pass

    def add_budget_points(self, points: Sequence[Any]) -> None:
        self.points += points


@asynccontextmanager
async def polling(*urls: str, **options: Any) -> AsyncIterator[tuple[Poller, Holder]]:
    """Yield a poller of servers, and what it publishes."""
    registry = options.pop("registry", CollectorRegistry())
    metrics, timeout = SourceMetrics(registry), seconds(options.pop("timeout", 10))
    sources = [HttpSource(Connection(url, timeout=timeout), metrics=metrics) for url in urls]
    failover, holder = Failover(sources), Holder()
    poller = Poller(failover, holder, **options)
    try:
        yield poller, holder
    finally:
        await poller.stop()
        await failover.aclose()


def snapshot(url: str, refreshes: int = 2, **options: Any) -> Snapshot:
    """Return the snapshot after some refreshes."""

    async def run() -> Snapshot:
        async with polling(url, **options) as (poller, holder):
            for _ in range(refreshes):
                await poller.refresh()
            found = holder.current(time.time())
            assert found is not None
            return found

    return asyncio.run(run())


def by_job(found: Snapshot) -> dict[str, SloStatus]:
    return {status.group["job"]: status for status in found.statuses}


Server = tuple[PrometheusClient, Past]


def _playing(spec: str, profile: str = "exact") -> Callable[..., Iterator[Server]]:
    def function(
        request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Server]:
        past = two_days()
        folder = tmp_path_factory.mktemp("played")
        with played(request.param, folder, past, spec, profile) as client:
            yield client, past

    return function


# A server holds what is not older than five minutes: tests of the same one follow each other.
grouped = pytest.fixture(scope="module", params=PROGRAMS, name="grouped")(_playing(GROUPED))
sliced = pytest.fixture(scope="module", params=PROGRAMS, name="sliced")(_playing(SLICED))
sloth = pytest.fixture(scope="module", params=PROGRAMS, name="sloth")(
    _playing(ROLLING_30D, "sloth")
)
monthly = pytest.fixture(scope="module", params=PROGRAMS[:1], name="monthly")(_playing(MONTHLY))


counting = pytest.fixture(scope="module", params=PROGRAMS[:1], name="counting")(
    _playing(GROUPED.replace("rate(", "increase("))
)


class TestNumbers:
    def test_profile_exact(self, grouped: Server) -> None:
        """Events and budgets are those of the server, and those that have happened."""
        client, past = grouped
        found = snapshot(client.url)
        recorded = {
            sample.labels["job"]: sample.value
            for sample in client.query("slo:period_error_budget_remaining:ratio")
        }

        assert found.complete
        assert {"a", "b"} == set(recorded) == set(by_job(found))
        for job, status in by_job(found).items():
            bad, total = past.counted(job, 0, past.end)
            assert recorded[job] == status.budget.remaining
            assert status.events.bad == pytest.approx(bad, rel=0.02)
            assert status.events.total == pytest.approx(total, rel=0.01)
            assert status.provenance.coverage == pytest.approx(2 / 7, rel=0.01)
            assert status.provenance.age is not None
            assert 0 <= status.provenance.age < 400
            assert status.exhaustion is not None
            assert "expiry_aware" == status.exhaustion.method
        assert State.BREACHED is by_job(found)["b"].state
        alerts = by_job(found)["b"].alerts
        assert ["budget_exhausted"] == [alert.kind for alert in alerts]

    def test_profile_sloth(self, sloth: Server) -> None:
        """Rules of sloth are read without any spec; only events are not known."""
        client, _ = sloth
        found = snapshot(client.url)
        recorded = client.value("slo:period_error_budget_remaining:ratio")

        (status,) = found.statuses
        assert found.complete
        assert ("shop/requests", 99.9, "team") == (status.key, status.objective, status.owner)
        assert recorded == status.budget.remaining
        assert State.BREACHED is status.state
        assert {"5m", "30m", "1h", "2h", "6h", "1d", "3d"} == {b.window for b in status.burn_rates}
        assert ("none", None) == (status.events.unit, status.events.total)

    def test_slices(self, sliced: Server) -> None:
        """Where slices are counted, thirty bad minutes are thirty bad slices."""
        status = by_job(snapshot(sliced[0].url))["b"]

        assert ("slices", "timeslices") == (status.events.unit, status.method)
        assert status.events.bad == pytest.approx(30, abs=1)
        assert status.events.total == pytest.approx(2 * 24 * 60, abs=6)

    def test_calendar(self, monthly: Server) -> None:
        """A month in another time zone has its events, its start and its end."""
        client, past = monthly
        status = by_job(snapshot(client.url))["a"]

        period = status.period
        assert ("month", "calendar") == (period.name, period.kind)
        assert period.start is not None
        assert period.end is not None
        assert 0 == (period.start + 5.5 * 3600) % DAY
        assert period.start <= past.end < period.end
        bad, total = past.counted("a", period.start, past.end)
        assert status.events.total == pytest.approx(total, rel=0.01)
        assert status.events.bad == pytest.approx(bad, rel=0.02)


class TestCorrections:
    def excluding(self, past: Past, effect: str = "exclude", **given: float) -> Correction:
        outage = past.end - 20 * 3600
        times = {"start": outage - 600.0, "end": outage + 1800 + 600.0, **given}
        return Correction(
            "c1", Target("shop/*"), effect=effect, category="maintenance", reason="planned",
            created_by="me", created_at=0.0, **times,
        )  # fmt: skip

    def test_exclude(self, grouped: Server) -> None:
        """An excluded outage is in no number: the budget is whole again."""
        client, past = grouped
        correction = self.excluding(past)
        status = by_job(snapshot(client.url, ledger=Corrected(correction)))["b"]

        bad, total = past.counted("b", correction.start, correction.end)
        (applied,) = status.corrections
        assert applied.bad == pytest.approx(bad, rel=0.03)
        assert applied.total == pytest.approx(total, rel=0.08)
        assert 0 == pytest.approx(status.events.bad, abs=0.03 * bad)
        assert State.OK is status.state
        assert status.budget.remaining == pytest.approx(1, abs=0.02)
        assert status.sli == pytest.approx(1, abs=0.0001)

    def test_credit(self, grouped: Server) -> None:
        """With credit the events stay, and count as good."""
        client, past = grouped
        ledger = Corrected(self.excluding(past, "credit"))
        statuses = by_job(snapshot(client.url, ledger=ledger))

        _, total = past.counted("b", 0, past.end)
        assert statuses["b"].events.total == pytest.approx(total, rel=0.01)
        assert 0 == pytest.approx(statuses["b"].events.bad, abs=30)

    def test_slices(self, sliced: Server) -> None:
        """Slices are corrected as slices."""
        client, past = sliced
        status = by_job(snapshot(client.url, ledger=Corrected(self.excluding(past))))["b"]

        assert 0 == pytest.approx(status.events.bad, abs=1)
        assert status.corrections[0].total == pytest.approx(50, abs=2)

    def test_query_that_counts_per_window(self, counting: Server) -> None:
        """Where queries count the events of a window, events are still not counted twice."""
        client, past = counting
        correction = self.excluding(past)
        status = by_job(snapshot(client.url, ledger=Corrected(correction)))["b"]

        bad, _ = past.counted("b", correction.start, correction.end)
        assert status.corrections[0].bad == pytest.approx(bad, rel=0.03)
        assert 0 == pytest.approx(status.events.bad, abs=0.03 * bad)
        assert status.exhaustion is not None
        assert "expiry_aware" == status.exhaustion.method

    def test_outside_the_period(self, grouped: Server) -> None:
        """A correction of a time without records takes nothing out."""
        client, past = grouped
        correction = self.excluding(past, start=past.start - DAY, end=past.start - DAY / 2)
        status = by_job(snapshot(client.url, ledger=Corrected(correction)))["b"]

        assert State.BREACHED is status.state
        assert [0.0] == [applied.bad for applied in status.corrections]


class TestPast:
    def test_burn_down(self, grouped: Server) -> None:
        """A burn-down begins full, falls with the outage, and ends where the budget is."""
        client, past = grouped

        async def run(url: str) -> tuple[SloStatus, Any]:
            async with polling(url) as (poller, holder):
                await poller.refresh()
                found = holder.current(time.time())
                assert found is not None
                status = by_job(found)["b"]
                return status, poller.past.burn_down(status)

        status, burn_down = asyncio.run(run(client.url))

        outage = past.end - 20 * 3600
        before = [left for at, left in burn_down.points if at <= outage - 3600]
        after = [left for at, left in burn_down.points if at >= outage + 3600 + 1800]
        assert {1.0} == set(before)
        assert all(left == pytest.approx(status.budget.remaining, abs=0.3) for left in after)
        assert (status.provenance.evaluated_at, status.budget.remaining) == burn_down.points[-1]

    def test_no_more_than_ten_queries(self, grouped: Server) -> None:
        """A refresh takes ten queries at most, with corrections and history to read."""
        client, past = grouped
        nights = Correction(
            "n", Target(), past.end - 40 * DAY, past.end - 40 * DAY + 3 * 3600, "exclude",
            "outside_hours", "closed", "me", 0.0, recurrence="FREQ=DAILY",
        )  # fmt: skip
        registry = CollectorRegistry()

        async def run(url: str) -> list[float]:
            counts = []
            async with polling(url, registry=registry, ledger=Corrected(nights)) as (poller, _):
                for _ in range(4):
                    await poller.refresh()
                    counts.append(_queries(registry, url))
            return counts

        counts = asyncio.run(run(client.url))

        each = [after - before for before, after in zip([0.0, *counts], counts, strict=False)]
        assert max(each) <= 10
        # In the end only what is new is asked for.
        assert 6 == each[-1]


def _queries(registry: CollectorRegistry, url: str) -> float:
    labels = {"source": url, "outcome": "answered"}
    return registry.get_sample_value("slo_engine_source_queries_total", labels) or 0.0


@contextmanager
def stopped(client: PrometheusClient) -> Any:
    """Stop the server's process: it accepts connections and never answers."""
    port = client.url.rsplit(":", 1)[1]
    found = subprocess.run(
        ["pgrep", "-f", f"web.listen-address=127.0.0.1:{port}"], capture_output=True, text=True
    )
    (pid,) = map(int, found.stdout.split())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class TestFailures:
    PACE = Pace(interval=5.0, jitter=0.0, deadline=2.0)

    def run(self, work: Callable[[Poller, Holder], Awaitable[Any]], *urls: str, **more: Any) -> Any:
        async def run() -> Any:
            async with polling(*urls, pace=self.PACE, timeout=1, **more) as (poller, holder):
                return await work(poller, holder)

        return asyncio.run(run())

    def test_server_that_hangs(self, tmp_path: Path) -> None:
        """While a server hangs the old numbers are read at once; afterwards there are new ones."""

        async def work(poller: Poller, holder: Holder) -> None:
            await poller.refresh()
            first = holder.current(time.time())
            assert first is not None
            with stopped(client):
                refresh = asyncio.create_task(poller.refresh())
                reads = 0
                while not refresh.done():
                    found = holder.current(time.time())
                    assert found is not None
                    assert first.statuses == found.statuses
                    reads += 1
                    await asyncio.sleep(0.01)
                assert reads > 50
                found = holder.current(time.time())
                assert found is not None
                assert "down" == found.sources[0].state
                assert (first.number, first.taken_at) == (found.number, found.taken_at)
                later = holder.current(time.time() + 1_000)
                assert later is not None
                assert {State.STALE} == {status.state for status in later.statuses}
            await poller.refresh()
            found = holder.current(time.time())
            assert found is not None
            assert found.number == first.number + 1
            assert "up" == found.sources[0].state
            assert State.STALE not in {status.state for status in found.statuses}

        with recording("prometheus", tmp_path) as client:
            self.run(work, client.url)

    def test_server_that_is_gone(self, tmp_path: Path) -> None:
        """When a server is gone the old numbers stay."""
        with recording("prometheus", tmp_path) as client:
            gone = client.url

            async def work(poller: Poller, holder: Holder) -> tuple[Any, Any]:
                await poller.refresh()
                first = holder.current(time.time())
                _kill(client)
                await poller.refresh()
                return first, holder.current(time.time())

            first, after = self.run(work, gone)

        assert first.statuses == after.statuses
        assert ("up", "down") == (first.sources[0].state, after.sources[0].state)

    def test_other_server_takes_over(self, tmp_path: Path) -> None:
        """With a second server the numbers stay fresh while the first one hangs."""

        async def work(poller: Poller, holder: Holder) -> list[str]:
            names = []
            for _ in range(2):
                with stopped(client):
                    await poller.refresh()
                found = holder.current(time.time())
                assert found is not None
                names.append(found.statuses[0].provenance.source)
            return names

        with (
            recording("prometheus", tmp_path / "a") as client,
            recording("victoria-metrics", tmp_path / "b") as second,
        ):
            assert [second.url] * 2 == self.run(work, client.url, second.url)

    def test_never_answered(self) -> None:
        """Before any answer there is a snapshot that says so."""

        async def work(poller: Poller, holder: Holder) -> Any:
            await poller.refresh()
            return holder.current(time.time())

        found = self.run(work, "http://127.0.0.1:1")

        assert (0, False, ()) == (found.number, found.complete, found.statuses)
        assert "down" == found.sources[0].state


def _kill(client: PrometheusClient) -> None:
    port = client.url.rsplit(":", 1)[1]
    found = subprocess.run(
        ["pgrep", "-f", f"web.listen-address=127.0.0.1:{port}"], capture_output=True, text=True
    )
    os.kill(int(found.stdout), signal.SIGKILL)


class TestTls:
    """A Prometheus that wants TLS, a client certificate and a password."""

    @pytest.fixture
    def certificates(self, tmp_path: Path) -> Path:
        folder = tmp_path / "certificates"
        folder.mkdir()
        if shutil.which("openssl") is None:
            pytest.skip("needs openssl")
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        for name, more in (("server", ["-addext", "subjectAltName=IP:127.0.0.1"]), ("client", [])):
            subprocess.run(
                [*command, "-subj", f"/CN={name}", *more,
                 "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
                check=True,
                capture_output=True,
            )  # fmt: skip
        return folder

    def test_all_of_it(self, tmp_path: Path, certificates: Path) -> None:
        """With the right files the server answers; without them it is said to be down."""
        web = tmp_path / "web.yml"
        web.write_text(
            "tls_server_config:\n"
            f"  cert_file: {certificates}/server.pem\n  key_file: {certificates}/server.key\n"
            f"  client_ca_file: {certificates}/client.pem\n"
            "  client_auth_type: RequireAndVerifyClientCert\n"
        )
        port = _run_with(web, tmp_path)

        async def ask(**files: Path) -> str:
            url = f"https://127.0.0.1:{port.number}"
            source = HttpSource(Connection(url, timeout=seconds(2), **files))
            try:
                return "up" if await source.answers() else "down"
            finally:
                await source.aclose()

        right = {
            "ca_file": certificates / "server.pem",
            "client_cert_file": certificates / "client.pem",
            "client_key_file": certificates / "client.key",
        }
        try:
            deadline = time.monotonic() + 20
            while asyncio.run(ask(**right)) == "down" and time.monotonic() < deadline:
                time.sleep(0.1)
            assert "up" == asyncio.run(ask(**right))
            assert "down" == asyncio.run(ask(ca_file=right["ca_file"]))
            assert "down" == asyncio.run(ask())
        finally:
            port.process.kill()
            port.process.wait()


class _Running:
    def __init__(self, number: int, process: subprocess.Popen[bytes]) -> None:
        self.number, self.process = number, process


def _run_with(web: Path, folder: Path) -> _Running:
    from slo.stack.processes import free_ports

    config = folder / "prometheus.yml"
    config.write_text(prometheus_config())
    (number,) = free_ports(1)
    process = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
         f"--web.listen-address=127.0.0.1:{number}", f"--web.config.file={web}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return _Running(number, process)


def test_wrong_query(tmp_path: Path) -> None:
    """A real server's refusal carries its words, and does not open the circuit."""

    async def work(url: str) -> str:
        source = HttpSource(Connection(url, timeout=seconds(5)))
        for _ in range(6):
            with pytest.raises(QueryRefused, match="parse error"):
                await source.instant("sum(")
        found = source.breaker.circuit.value
        await source.aclose()
        return found

    with run_prometheus(tmp_path, prometheus_config()) as client:
        assert "closed" == asyncio.run(work(client.url))
        assert httpx.get(f"{client.url}/-/ready").is_success
