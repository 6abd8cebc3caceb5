"""The parts of the demo behave, each on its own."""

from __future__ import annotations

import io
import json
import socket
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from slo.duration import Duration, days, seconds
from slo.engine.commands.demo import command
from slo.errors import ToolError
from slo.stack.components.ports import DOCTOR_PORT, PORTS
from slo.stack.demo.engine import Engine, run_slo
from slo.stack.demo.history import event_records
from slo.stack.demo.listener import listening
from slo.stack.demo.receiver import run_receiver
from slo.stack.demo.reporter import run_reporter
from slo.stack.demo.running import PARTS, free_offset
from slo.stack.demo.service import ROUTES, Fault, Shop, run_shop
from slo.stack.demo.terminal import Terminal
from slo.stack.demo.traffic import run_traffic
from slo.stack.processes import LOOPBACK

EXAMPLE = Path(__file__).parents[2] / "examples" / "demo"

RULES = """
groups:
  - name: slo-fast-shop-availability
    interval: 2s
    rules:
      - record: slo:error_events:rate20s
        expr: vector(0)
        labels: {sloth_id: shop-availability}
  - name: slo-slow-shop-availability
    interval: 8s
    rules:
      - record: slo:error_events:rate20s_avg8s
        expr: vector(0)
        labels: {sloth_id: shop-availability}
      - record: slo:total_events:rate20s_avg8s
        expr: vector(1)
        labels: {sloth_id: shop-availability}
      - record: slo:sli_error:ratio_rate30d
        expr: >-
          sum_over_time(slo:error_events:rate20s_avg8s[30d])
          / sum_over_time(slo:total_events:rate20s_avg8s[30d])
        labels: {sloth_id: shop-availability}
      - alert: Other
        expr: vector(1)
"""

COUNTED_RULES = """
groups:
  - name: slo-period-shop-availability
    interval: 16s
    rules:
      - record: slo:error_events:rate20s_avg16s
        expr: avg_over_time(slo:error_events:rate20s{sloth_id="shop-availability"}[16s])
        labels: {sloth_id: shop-availability}
      - record: slo:total_events:rate20s_avg16s
        expr: avg_over_time(slo:total_events:rate20s{sloth_id="shop-availability"}[16s])
        labels: {sloth_id: shop-availability}
      - record: slo:error_events:count30d
        expr: 16 * sum_over_time(slo:error_events:rate20s_avg16s{sloth_id="shop-availability"}[30d])
        labels: {sloth_id: shop-availability}
      - record: slo:total_events:count30d
        expr: 16 * sum_over_time(slo:total_events:rate20s_avg16s{sloth_id="shop-availability"}[30d])
        labels: {sloth_id: shop-availability}
      - record: slo:sli_error:ratio_rate30d
        expr: slo:error_events:count30d / slo:total_events:count30d
        labels: {sloth_id: shop-availability}
"""


class TestShop:
    def test_counters_exist_before_the_first_error(self) -> None:
        """Every route has its error counter at zero, so that rate() sees the first error."""
        text = Shop().metrics().decode()

        for route in ROUTES:
            line = f'http_requests_total{{code="500",method="GET",route="{route}"}} 0.0'
            assert line in text
        assert 'le="0.3"' in text

    def test_fault_is_spread_evenly(self) -> None:
        """A fault of 30 % fails exactly three requests of ten."""
        shop = Shop()
        shop.set_fault(Fault(error_ratio=0.3))

        codes = [shop.answer("/cart").value for _ in range(100)]

        assert 29 <= codes.count(500) <= 30

    def test_repaired(self) -> None:
        """Without a fault nothing fails."""
        shop = Shop()
        shop.set_fault(Fault(error_ratio=1))
        assert shop.answer("/cart").value == 500

        shop.set_fault(Fault())

        assert {shop.answer("/cart").value for _ in range(20)} == {200}

    def test_latency(self) -> None:
        """Extra latency is felt and measured."""
        shop = Shop()
        shop.set_fault(Fault(extra_latency_seconds=0.05))
        started = time.perf_counter()

        shop.answer("/cart")

        assert time.perf_counter() - started >= 0.05
        assert 'le="0.05",method="GET",route="/cart"} 0.0' in shop.metrics().decode()

    @pytest.mark.parametrize(
        "fault", [{"error_ratio": 1.1}, {"error_ratio": -1}, {"extra_latency_seconds": 11}]
    )
    def test_fault_out_of_range(self, fault: dict[str, float]) -> None:
        """A fault that makes no sense is refused."""
        with pytest.raises(ValueError, match="must lie between"):
            Fault(**fault)

    def test_over_http(self) -> None:
        """The switch works over HTTP, and bad requests are answered, not followed."""
        with run_shop() as shop, httpx.Client(base_url=shop.url, trust_env=False) as client:
            assert client.get("/cart").status_code == 200
            assert client.get("/nowhere").status_code == 404
            assert client.post("/cart", json={}).status_code == 404
            for body in (
                b"[1]",
                b"{",
                b'{"error_ratio": 7}',
                b'{"unknown": 1}',
                b'{"error_ratio": "1"}',
            ):
                assert client.post("/fault", content=body).status_code == 400
            assert shop.fault == Fault()

            assert client.post("/fault", json={"error_ratio": 1}).status_code == 200
            assert client.get("/cart").status_code == 500
            assert client.get("/fault").json()["error_ratio"] == 1
            assert "http_requests_total" in client.get("/metrics").text


class TestTraffic:
    def test_steady(self) -> None:
        """Requests arrive at about the rate that was asked for, and errors are counted."""
        with run_shop() as shop:
            shop.set_fault(Fault(error_ratio=0.5))
            with run_traffic(shop.url, ROUTES, requests_per_second=50) as traffic:
                time.sleep(2)

            assert 50 <= traffic.sent <= 110
            assert 0 < traffic.failed < traffic.sent
            sent = traffic.sent
            time.sleep(0.2)
            assert sent == traffic.sent

    def test_nobody_listens(self) -> None:
        """A refused connection is a failed request."""
        with run_shop() as shop:
            url = shop.url
        with run_traffic(url, ROUTES, deadline_seconds=0.5) as traffic:
            time.sleep(0.5)

        assert traffic.sent == traffic.failed > 0

    def test_only_loopback(self) -> None:
        """Traffic never leaves the machine."""
        with pytest.raises(ValueError, match="stays on"), run_traffic("http://example.com", "/"):
            raise AssertionError("never reached")

    @pytest.mark.parametrize("rate", [0, -1, 201])
    def test_bounded(self, rate: float) -> None:
        """Nor is it faster than it should be."""
        url = "http://127.0.0.1:9"
        with (
            pytest.raises(ValueError, match="requests_per_second"),
            run_traffic(url, ROUTES, requests_per_second=rate),
        ):
            raise AssertionError("never reached")


def test_receiver_keeps_notifications() -> None:
    """A notification is kept; anything else is refused."""
    alert = {"status": "firing", "labels": {"a": "b"}, "annotations": {"title": "t"}}
    body = {"version": "4", "status": "firing", "alerts": [alert]}
    with run_receiver() as receiver:
        for bad in (b"", b"{", b"[]", b"{}", json.dumps({"alerts": 1}).encode()):
            response = httpx.post(receiver.url, content=bad, timeout=5, trust_env=False)
            assert response.is_client_error
        assert not receiver.notifications

        url = f"{receiver.url}/page"
        assert httpx.post(url, json=body, timeout=5, trust_env=False).status_code == 200

    (notification,) = receiver.notifications
    assert (notification.path, notification.status) == ("/page", "firing")
    assert notification.alerts[0].annotations == {"title": "t"}


class TestEventRecords:
    def test_those_that_the_period_is_summed_from(self, tmp_path: Path) -> None:
        """Only the thinned records are history; the fast ones are left alone."""
        path = tmp_path / "rules.yaml"
        path.write_text(RULES)

        records = event_records([path], "shop-availability", days(30))

        assert [(r.name, r.interval, r.errors) for r in records] == [
            ("slo:error_events:rate20s_avg8s", seconds(8), True),
            ("slo:total_events:rate20s_avg8s", seconds(8), False),
        ]

    def test_counted_first(self, tmp_path: Path) -> None:
        """Where the period's events are recorded as counts, the records that these sum up count."""
        path = tmp_path / "rules.yaml"
        path.write_text(COUNTED_RULES)

        records = event_records([path], "shop-availability", days(30))

        assert [r.name for r in records] == [
            "slo:error_events:rate20s_avg16s",
            "slo:total_events:rate20s_avg16s",
        ]

    def test_none(self, tmp_path: Path) -> None:
        """Rules of another SLO have none."""
        path = tmp_path / "rules.yaml"
        path.write_text(RULES)

        with pytest.raises(ToolError, match="other-slo"):
            event_records([path], "other-slo", days(30))


class TestEngine:
    def test_override_is_recorded_once(self, tmp_path: Path) -> None:
        """An override whose answer was lost is sent again as the same one."""
        asked: list[tuple[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                asked.append((self.headers["Idempotency-Key"], body))
                answer = b'{"id": "ovr-1"}'
                self.send_response(503 if len(asked) == 1 else 201)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None: ...

        with listening(Handler) as url:
            made = Engine(url, "sqlite:///unused", tmp_path).override("slo_x", {"verdict": "allow"})

        assert made == {"id": "ovr-1"}
        assert len(asked) == 2
        assert asked[0] == asked[1]

    def test_refused_override(self, tmp_path: Path) -> None:
        """A refusal is told at once, with the engine's words."""
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked.append(self.path)
                self.send_response(401)
                self.send_header("Content-Length", "6")
                self.end_headers()
                self.wfile.write(b"nobody")

            def log_message(self, format: str, *args: object) -> None: ...

        with (
            listening(Handler) as url,
            pytest.raises(ToolError, match="status 401: nobody"),
        ):
            Engine(url, "sqlite:///unused", tmp_path).override("slo_x", {})

        assert asked == ["/v1/overrides"]

    def test_settings_of_the_user_are_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Commands of the demo ask the demo's engine, whatever the environment names."""
        monkeypatch.setenv("SLO_PROMETHEUS", "http://127.0.0.1:1")

        done = run_slo(["status"], {})

        assert done.code == 2
        assert "--engine" in done.output


class TestReporter:
    def test_every_request_is_a_span_and_a_line(self) -> None:
        """The collector is told of both counters at once, then of each request that is served."""
        asked: list[tuple[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                asked.append((self.path, json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None: ...

        shop = Shop()
        with listening(Handler) as url, run_reporter(shop, url, "shop") as reporter:
            first = [path for path, _ in asked]
            shop.set_fault(Fault(error_ratio=0.5))
            for _ in range(4):
                shop.answer("/cart")
            reporter.send()
            # The thread may have been faster, and be at it.
            deadline = time.monotonic() + 10
            while reporter.sent < 4 and time.monotonic() < deadline:
                time.sleep(0.05)

        assert reporter.problem == ""
        assert first == ["/v1/traces", "/v1/logs"]
        spans = [
            span["status"].get("code", 0)
            for path, body in asked
            if path == "/v1/traces"
            for span in body["resourceSpans"][0]["scopeSpans"][0]["spans"]
        ]
        lines = [
            line["severityText"]
            for path, body in asked
            if path == "/v1/logs"
            for line in body["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
        ]
        assert (spans[:2], spans[2:].count(2), len(spans)) == ([0, 2], 2, 6)
        assert (lines[:2], lines[2:].count("ERROR"), len(lines)) == (["INFO", "ERROR"], 2, 6)

    def test_refusal_is_told(self) -> None:
        """What the collector refuses is lost, and the demo says why."""

        class Handler(BaseHTTPRequestHandler):
            answers = 0

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                type(self).answers += 1
                self.send_response(200 if self.answers <= 2 else 400)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None: ...

        shop = Shop()
        with listening(Handler) as url, run_reporter(shop, url, "shop") as reporter:
            shop.answer("/cart")
            deadline = time.monotonic() + 10
            while not reporter.problem and time.monotonic() < deadline:
                time.sleep(0.05)

        assert "answered 400" in reporter.problem
        assert reporter.sent == 0

    def test_nobody_listens(self) -> None:
        """A collector that cannot be reached is said at the start."""
        with (
            pytest.raises(ToolError, match="cannot be reached"),
            run_reporter(Shop(), f"http://{LOOPBACK}:9", "shop"),
        ):
            raise AssertionError("never reached")


class TestFreeOffset:
    def test_all_ports_are_free(self) -> None:
        """Every part of the demo's stack can listen, and the doctor too."""
        offset = free_offset()

        for number in [DOCTOR_PORT, *(n for part in PARTS for n in PORTS[part].values())]:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((LOOPBACK, number + offset))

    def test_one_that_is_taken_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An offset with which one port is taken is no offset."""
        first, second = free_offset(), free_offset()
        offsets = iter([first, second])
        monkeypatch.setattr("random.randrange", lambda *_: next(offsets))
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind((LOOPBACK, PORTS["prometheus"]["http"] + first))
            taken.listen()

            assert free_offset() == second


def test_missing_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the engine's packages the demo says what to install, before it starts anything."""
    monkeypatch.setattr("slo.engine.commands.demo._STACK_EXTRAS", ("json", "not_installed"))

    result = CliRunner().invoke(command, [])

    assert result.exit_code == 1
    assert "needs the Python package not_installed: pip install 'slostack[demo,engine,stack]'" in (
        result.output
    )


class TestTerminal:
    def test_plain_where_it_is_no_terminal(self) -> None:
        """A file gets no colour, and every observation the time elapsed."""
        out = io.StringIO()
        terminal = Terminal(out)
        terminal.step("Compile")
        terminal.seen("done")
        terminal.texts({"title": "short", "description": f"first\n{'word ' * 20}"})

        assert out.getvalue().splitlines() == [
            "",
            "1. Compile",
            "  0:00  ok  done",
            "            title        short",
            "            description  first",
            "                         " + "word " * 14 + "word",
            "                         " + "word " * 4 + "word",
        ]

    @pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
    def test_no_color(self, monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool) -> None:
        """A terminal gets colour unless NO_COLOR is set."""
        out = io.StringIO()
        monkeypatch.setattr(out, "isatty", lambda: True)
        monkeypatch.setenv("NO_COLOR", no_color)

        assert ("\033" in Terminal(out).paint("x", "red")) is coloured


def test_windows_are_what_their_comment_says() -> None:
    """The catalog's pairs burn at 14.4, 7.2, 3.6 and 1.8 times the sustainable rate."""
    catalog = yaml.safe_load((EXAMPLE / "windows" / "demo.yaml").read_text())["spec"]
    period = Duration.parse(catalog["sloPeriod"]).seconds
    pairs = [
        catalog[severity][pace] for severity in ("page", "ticket") for pace in ("quick", "slow")
    ]

    burns = [
        pair["errorBudgetPercent"] / 100 * period / Duration.parse(pair["longWindow"]).seconds
        for pair in pairs
    ]

    assert burns == pytest.approx([14.4, 7.2, 3.6, 1.8])
