"""`slo status` and `slo report`, against a real engine and a real server of metrics."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC
from pathlib import Path

import pytest

from slo.engine.backfill.remote_write import RemoteWriter
from slo.engine.reports.spans import span_of
from slo.engine.sources.connection import Connection

from ..board.served import Served, serving  # noqa: TID252
from ..history_servers import run_victoria_metrics  # noqa: TID252

pytestmark = pytest.mark.servers

LABELS = {"sloth_id": "shop-web", "sloth_service": "shop", "sloth_slo": "web"}


def slo(*words: str, columns: int = 130) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLO_")}
    environment |= {"NO_COLOR": "1", "COLUMNS": str(columns)}
    return subprocess.run(
        [sys.executable, "-m", "slo.engine.cli", *words],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("ledger")) as served:
        yield served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Hold three weeks of ten events a second, and two hours of them with a tenth bad."""
    with run_victoria_metrics(tmp_path_factory.mktemp("victoria")) as url:
        now = int(time.time()) // 60 * 60
        week = span_of("week", now, UTC)
        times = range(now - 22 * 86_400, now + 1, 60)
        # From the third hour of the last whole week on.
        first, last = week.start + 2 * 3600, week.start + 4 * 3600
        bad = [(at, 1.0 if first < at <= last else 0.0) for at in times]
        fixed = {
            "slo:total_events:rate5m": 10.0,
            "slo:objective:ratio": 0.999,
            "slo:period_error_budget_remaining:ratio": 0.72,
            "slo:time_period:days": 30.0,
            "slo:sli_error:ratio_rate1h": 0.0,
        }
        with closing(RemoteWriter(Connection(f"{url}/api/v1/write"))) as writer:

            def send(name: str, samples: list[tuple[int, float]], **more: str) -> None:
                for index in range(0, len(samples), 20_000):
                    part = [(at * 1000, value) for at, value in samples[index : index + 20_000]]
                    writer.send([(name, {**LABELS, **more}, part)])

            send("slo:error_events:rate5m", bad)
            for name, value in fixed.items():
                send(name, [(at, value) for at in times])
            send(
                "sloth_slo_info",
                [(at, 1.0) for at in times],
                sloth_objective="99.9",
                sloth_mode="slostack",
                sloth_version="1",
            )
        time.sleep(2)
        yield url


class TestStatus:
    def test_the_worst_comes_first(self, engine: Served) -> None:
        result = slo("status", "--engine", engine.url, "checkout", "cart")

        assert 0 == result.returncode, result.stderr
        first = result.stdout.splitlines()[1]
        for expected in ("breached", "checkout/availability", "-62.0 %", "21.0x", "gone"):
            assert expected in first
        assert "6 SLOs: 1 breached, 3 frozen, 2 ok" in result.stdout
        assert "\033" not in result.stdout

    @pytest.mark.parametrize("columns", [40, 60, 80, 110, 200])
    def test_lines_fit_the_terminal(self, engine: Served, columns: int) -> None:
        result = slo("status", "--engine", engine.url, columns=columns)

        longest = max(map(len, result.stdout.splitlines()[:-1]))
        assert longest <= columns

    @pytest.mark.parametrize(
        ("target", "code"), [("checkout", 1), ("exports", 3), ("cart", 0), ("checkout/latency", 0)]
    )
    def test_exit_codes(self, engine: Served, target: str, code: int) -> None:
        assert code == slo("status", "--engine", engine.url, target, "--exit-code").returncode
        assert 0 == slo("status", "--engine", engine.url, target).returncode

    def test_json_is_that_of_the_api(self, engine: Served) -> None:
        result = slo("status", "--engine", engine.url, "--state", "no_data", "--format", "json")
        found = json.loads(result.stdout)

        assert ["exports/freshness", "webhooks/availability"] == [s["key"] for s in found["slos"]]
        assert "provenance" in found["slos"][0]

    def test_mistakes_are_pointed_at(self, engine: Served) -> None:
        unknown = slo("status", "--engine", engine.url, "nothing")
        neither = slo("status")
        gone = slo("status", "--engine", "http://127.0.0.1:1", "--timeout", "1s")

        assert (2, 2, 1) == (unknown.returncode, neither.returncode, gone.returncode)
        assert "no SLO or service is called nothing" in unknown.stderr
        assert "give one of --engine and --prometheus" in neither.stderr
        assert "gave no answer within 1 s" in gone.stderr

    def test_a_server_of_metrics_will_do(self, server: str) -> None:
        result = slo("status", "--prometheus", server)

        assert 0 == result.returncode, result.stderr
        assert "shop/web" in result.stdout
        assert "72.0 %" in result.stdout

    def test_watching_ends_with_q_and_leaves_the_terminal_as_it_was(self, engine: Served) -> None:
        child, terminal = pty.fork()
        if not child:
            os.environ |= {"COLUMNS": "100", "LINES": "30", "TERM": "xterm"}
            os.execv(
                sys.executable,
                [
                    sys.executable,
                    "-m",
                    "slo.engine.cli",
                    "status",
                    "--engine",
                    engine.url,
                    "--watch",
                    "--every=1s",
                ],
            )
        shown = b""
        asked = False
        ends = time.monotonic() + 60
        while time.monotonic() < ends:
            ready, _, _ = select.select([terminal], [], [], 1.0)
            try:
                shown += os.read(terminal, 65_536) if ready else b""
            except OSError:
                break
            if not asked and shown.count(b"\033[H") >= 2:
                os.write(terminal, b"q")
                asked = True
        _, code = os.waitpid(child, 0)
        os.close(terminal)

        assert 0 == os.waitstatus_to_exitcode(code)
        assert b"checkout/availability" in shown
        # No line is wiped before it is written anew, which would flicker.
        assert b"\033[2J" not in shown
        assert shown.rstrip().endswith(b"\033[?25h\033[?1049l")


class TestReport:
    def test_figures_from_a_server_are_those_of_what_happened(self, server: str) -> None:
        """6,048,000 events, 7,200 of them bad; thirty days allow 25,920."""
        result = slo("report", "--prometheus", server, "--period", "week", "--format", "json")
        assert 0 == result.returncode, result.stderr
        found = json.loads(result.stdout)
        (reported,) = found["slos"]

        assert reported["attained"]["total"] == pytest.approx(6_048_000, rel=1e-3)
        assert reported["attained"]["bad"] == pytest.approx(7_200, rel=1e-2)
        assert reported["attained"]["spent"] == pytest.approx(7_200 / 6_048, rel=1e-2)
        assert reported["met"] is False
        assert 0.0 == reported["before"]["spent"]
        (incident,) = found["incidents"]
        assert incident["share"] == pytest.approx(7_200 / 25_920, rel=1e-2)
        assert 7_200 == incident["end"] - incident["start"]

    def test_an_engine_knows_corrections_and_decisions_too(
        self, engine: Served, tmp_path: Path
    ) -> None:
        out = tmp_path / "report.html"
        result = slo(
            "report", "--engine", engine.url, "--period", "month", "--current",
            "--service", "checkout", "--out", str(out),
        )  # fmt: skip
        page = out.read_text("utf-8")

        assert 0 == result.returncode, result.stderr
        assert "objectives met in" in result.stderr
        assert "Database moved to the new cluster" in page
        assert "budget spent, page firing" in page
        assert [out] == list(tmp_path.iterdir())

    def test_an_unwritable_file_is_said_so(self, engine: Served, tmp_path: Path) -> None:
        result = slo("report", "--engine", engine.url, "--out", str(tmp_path / "no" / "r.html"))

        assert 1 == result.returncode
        assert "No such file or directory" in result.stderr
