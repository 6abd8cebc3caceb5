from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from slo.engine.ledger.sql import open_ledger
from slo.engine.ledger.tokens import TOKEN_PREFIX

from .running import eventually, refused, running

SPEC = """\
version: slo/v1
service: shop
slos:
  - name: requests
    objective: 99.9
    indicator:
      events:
        error: sum(rate(bad_total[{{.window}}]))
        total: sum(rate(all_total[{{.window}}]))
"""
POLICY = """\
version: slo/v1
kind: GatePolicy
name: {name}
rules:
  - name: all
    on_unknown: {then}
"""


def token(folder: Path, *scopes: str) -> str:
    """Make a token as users do, and return its secret."""
    options = [word for scope in scopes for word in ("--scope", scope)]
    ledger = ("--ledger", f"sqlite:///{folder / 'ledger.db'}")
    command = [
        sys.executable,
        "-m",
        "slo.engine.cli",
        "token",
        "create",
        "robot",
        *options,
        *ledger,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class TestLife:
    def test_starts_without_a_metrics_server_and_says_what_it_does_not_know(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "spec.yaml").write_text(SPEC)
        with running(tmp_path, "--specs", str(tmp_path / "spec.yaml")) as engine:
            assert 200 == engine.ask("/readyz")[0]
            (slo,) = engine.ask("/v1/slos")[1]["slos"]
            assert ("shop/requests", "no_data") == (slo["key"], slo["state"])
            assert "down" == engine.ask("/v1/sources")[1]["sources"][0]["state"]
            assert "unknown" == engine.gate("shop")["verdict"]
            assert 0 == engine.stop()
        assert '"stopped"' in engine.log

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_goes_on_serving_while_it_drains(self, tmp_path: Path, number: signal.Signals) -> None:
        with running(tmp_path, "--drain", "3") as engine:
            engine.process.send_signal(number)
            assert eventually(lambda: engine.ask("/readyz")[0] == 503)
            assert "stopping" in engine.ask("/readyz")[1]["reasons"][0]
            assert 200 == engine.ask("/v1/slos")[0]
            assert 0 == engine.process.wait(30)

    def test_ends_event_streams_when_it_stops(self, tmp_path: Path) -> None:
        with running(tmp_path) as engine:
            wire = socket.create_connection(("127.0.0.1", engine.port), timeout=20)
            wire.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert wire.recv(65_536).startswith(b"HTTP/1.1 200")
            assert 0 == engine.stop()
            while wire.recv(65_536):
                pass

    def test_keeps_what_it_acknowledged_when_it_is_killed(self, tmp_path: Path) -> None:
        body = {"start": 1_795_000_000, "end": 1_795_003_600, "reason": "launch"}
        with running(tmp_path) as engine:
            freeze = engine.ask("/v1/freezes", body)[1]["id"]
            decisions = [engine.gate("shop", version=str(n)) for n in range(20)]
            engine.stop(signal.SIGKILL)
        ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")

        assert ledger.freeze(freeze)
        assert {d["id"] for d in decisions if d["recorded"]} == {d.id for d in ledger.decisions()}
        assert ledger.verify() is None
        ledger.close()

    def test_takes_a_new_policy_and_keeps_the_old_one_when_that_is_wrong(
        self, tmp_path: Path
    ) -> None:
        policy = tmp_path / "policy.yaml"
        policy.write_text(POLICY.format(name="first", then="unknown"))
        with running(tmp_path, "--policy", str(policy)) as engine:
            assert "first" == engine.gate("shop")["policy_name"]
            policy.write_text(POLICY.format(name="second", then="deny"))
            engine.process.send_signal(signal.SIGHUP)
            assert eventually(lambda: engine.gate("shop")["policy_name"] == "second")
            policy.write_text(POLICY.format(name="third", then="perhaps"))
            engine.process.send_signal(signal.SIGHUP)
            assert eventually(lambda: "nothing was reloaded" in engine.log)
            assert "second" == engine.gate("shop")["policy_name"]

    def test_takes_new_specs_and_keeps_the_old_ones_when_these_are_wrong(
        self, tmp_path: Path
    ) -> None:
        folder = tmp_path / "specs"
        folder.mkdir()
        spec = folder / "shop.yaml"
        spec.write_text(SPEC)
        with running(tmp_path, "--specs", str(folder)) as engine:

            def names() -> list[str]:
                return [slo["key"] for slo in engine.ask("/v1/slos")[1]["slos"]]

            def reload(text: str) -> None:
                spec.write_text(text)
                engine.process.send_signal(signal.SIGHUP)

            assert ["shop/requests"] == names()
            reload(SPEC.replace("requests", "orders"))
            assert eventually(lambda: names() == ["shop/orders"])
            reload(SPEC.replace("objective: 99.9", "objective: 199.9"))
            assert eventually(lambda: "nothing was reloaded" in engine.log)
            assert "shop.yaml:5" in engine.log
            assert ["shop/orders"] == names()
            reload(SPEC.replace("objective: 99.9", "objective: 99.5"))
            assert eventually(lambda: engine.ask("/v1/slos")[1]["slos"][0]["objective"] == 99.5)


class TestStart:
    def test_is_refused_where_others_could_come_in(self, tmp_path: Path) -> None:
        code, words = refused(tmp_path, "--listen", "0.0.0.0:0")

        assert 1 == code
        assert "slo token create" in words

    def test_is_not_where_the_user_insists(self, tmp_path: Path) -> None:
        with running(tmp_path, "--listen", "0.0.0.0:0", "--insecure-no-auth") as engine:
            assert 200 == engine.ask("/v1/slos")[0]

    def test_names_a_busy_address(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            code, words = refused(tmp_path, "--listen", f"127.0.0.1:{busy.getsockname()[1]}")

        assert (1, True) == (code, "choose another address" in words)

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (("--ledger", "mysql://x/y"), "cannot be kept in 'mysql'"),
            (("--listen", "nowhere"), "is not an address"),
            (("--tls-key", "k.pem"), "give both"),
            (("--require-token", "--insecure-no-auth"), "not both"),
            (("--policy", "none.yaml"), "none.yaml"),
            (("--specs", "none.yaml"), "none.yaml"),
        ],
    )
    def test_says_what_is_wrong(self, tmp_path: Path, more: tuple[str, ...], words: str) -> None:
        code, said = refused(tmp_path, *more)

        assert code in (1, 2)
        assert words in said
        assert "Traceback" not in said


class TestTokens:
    def test_open_an_engine_that_others_can_reach(self, tmp_path: Path) -> None:
        secret = token(tmp_path, "read")
        with running(tmp_path, "--listen", "0.0.0.0:0", "--access-log") as engine:
            assert 401 == engine.ask("/v1/slos")[0]
            assert 401 == engine.ask("/metrics")[0]
            assert 200 == engine.ask("/healthz")[0]
            engine.token = secret
            assert 200 == engine.ask("/v1/slos")[0]
            assert 403 == engine.ask("/v1/gates/evaluate", {"service": "x"})[0]
            engine.ask(f"/v1/slos?token={secret[:12]}", **{"X-Custom": secret})
            assert 0 == engine.stop()

        assert secret.startswith(TOKEN_PREFIX)
        assert '"principal": "robot"' in engine.log
        for found in (engine.log.encode(), *(p.read_bytes() for p in tmp_path.glob("ledger*"))):
            assert secret.encode() not in found

    def test_made_and_revoked_elsewhere_are_known_within_seconds(self, tmp_path: Path) -> None:
        token(tmp_path, "read")
        with running(tmp_path, "--require-token") as engine:
            engine.token = token(tmp_path, "read")
            assert eventually(lambda: engine.ask("/v1/slos")[0] == 200)
            ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
            for found, _ in ledger.tokens():
                ledger.revoke_token(found.id, "me", found.created_at + 1)
            ledger.close()
            assert eventually(lambda: engine.ask("/v1/slos")[0] == 401)

    def test_list_shows_them(self, tmp_path: Path) -> None:
        token(tmp_path, "read", "gate")
        ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
        command = [sys.executable, "-m", "slo.engine.cli", "token", "list", "--ledger", ledger]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout

        assert "robot" in shown
        assert "read,gate" in shown
        assert "valid" in shown


class TestServiceManager:
    def test_hears_when_it_is_ready_lives_and_stops(self, tmp_path: Path) -> None:
        address = str(tmp_path / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            manager.settimeout(20)
            environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "600000"}
            with running(tmp_path, environment=environment) as engine:
                heard: list[bytes] = []
                while heard.count(b"WATCHDOG=1") < 3 or b"READY=1" not in heard:
                    heard.append(manager.recv(100))
                engine.stop()
                while heard[-1] != b"STOPPING=1":
                    heard.append(manager.recv(100))


class TestConfigFile:
    def test_gives_what_the_command_line_does_not(self, tmp_path: Path) -> None:
        (tmp_path / "specs").mkdir()
        (tmp_path / "specs" / "shop.yaml").write_text(SPEC)
        config = tmp_path / "engine.yaml"
        config.write_text(
            "source:\n"
            "  - {url: 'http://127.0.0.1:9', name: main, tenant: team-a, timeout: 3s}\n"
            "  - http://127.0.0.1:11\n"
            "specs: specs\n"
            "rate-limit: 50\n"
            "interval: 2s\n"
            f"ledger: sqlite:///{tmp_path / 'of-config.db'}\n"
        )
        command = [sys.executable, "-m", "slo.engine.cli", "serve", "--config", str(config)]
        log = tmp_path / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, "--listen", "127.0.0.1:0", "--log-format", "json"],
                stdout=out,
                stderr=out,
                cwd="/",
            )
        try:
            assert eventually(lambda: '"serving"' in log.read_text()), log.read_text()
            (line,) = (line for line in log.read_text().splitlines() if '"serving"' in line)
            facts = json.loads(line)
            assert ["main", "http://127.0.0.1:11"] == facts["sources"]
            assert 1 == facts["slos"]
            assert str(tmp_path / "of-config.db") == facts["ledger"]
        finally:
            process.kill()
            process.wait()

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("sorce: x", "did you mean `source`?"),
            ("source: {urll: x}", "did you mean `url`?"),
            ("source: {name: x}", "needs a `url`"),
            ("listen: [a, b]", "`listen` must be a single value"),
            ("- a", "expected one mapping"),
            ("listen: x\nlisten: y", "engine.yaml:2:1: "),
            ("timeout: never", "not a duration"),
        ],
    )
    def test_names_mistakes(self, tmp_path: Path, text: str, words: str) -> None:
        (tmp_path / "engine.yaml").write_text(text)
        code, said = refused(tmp_path, "--config", str(tmp_path / "engine.yaml"))

        assert 2 == code
        assert words in said


class TestTraces:
    def test_go_on_with_the_trace_of_the_caller(self, tmp_path: Path) -> None:
        pytest.importorskip("opentelemetry.sdk")
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        spans: list[tuple[str, str]] = []
        with socket.create_server(("127.0.0.1", 0)) as collector:
            port = collector.getsockname()[1]
            thread = threading.Thread(
                target=_collect, args=(collector, spans, ExportTraceServiceRequest), daemon=True
            )
            thread.start()
            with running(tmp_path, "--otlp", f"http://127.0.0.1:{port}") as engine:
                parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                engine.ask("/v1/slos", traceparent=parent)
                engine.stop()
            thread.join(20)

        assert ("GET /v1/slos", "0af7651916cd43dd8448eb211c80319c") in spans


def _collect(collector: socket.socket, spans: list[tuple[str, str]], kind: type) -> None:
    import gzip

    wire, _ = collector.accept()
    data = b""
    while b"\r\n\r\n" not in data:
        data += wire.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    while len(body) < int(fields[b"content-length"]):
        body += wire.recv(65_536)
    wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    wire.close()
    if fields.get(b"content-encoding") == b"gzip":
        body = gzip.decompress(body)
    message = kind.FromString(body)  # type: ignore[attr-defined]
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            spans += [(span.name, span.trace_id.hex()) for span in scope.spans]


def test_log_is_json_line_by_line(tmp_path: Path) -> None:
    with running(tmp_path, "--access-log") as engine:
        engine.ask("/v1/slos", **{"X-Request-Id": "abc"})
        engine.stop()
    lines = [json.loads(line) for line in engine.log.splitlines()]

    assert {"time", "level", "message"} <= lines[0].keys()
    assert ["abc"] == [line["request_id"] for line in lines if line.get("request_id") == "abc"]
    assert os.environ.get("PATH", "?") not in engine.log


class TestMonitorToken:
    def test_lets_in_who_watches_without_the_ledger_knowing(self, tmp_path: Path) -> None:
        file = tmp_path / "engine-token"
        file.write_text(f"{TOKEN_PREFIX}{'a1B2' * 10}\n")
        options = ("--require-token", "--monitor-token-file", str(file))
        with running(tmp_path, *options) as engine:
            assert 401 == engine.ask("/metrics")[0]
            engine.token = file.read_text().strip()
            assert 200 == engine.ask("/metrics")[0]
            assert 200 == engine.ask("/v1/gates/evaluate", {"service": "shop"})[0]
            assert 403 == engine.ask("/v1/tokens")[0]
            freeze = {"service": "shop", "reason": "none", "starts_at": 1, "ends_at": 2}
            assert 403 == engine.ask("/v1/freezes", freeze)[0]
        assert () == open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}").tokens()

    @pytest.mark.parametrize("text", ["", "password", "slo_short", "slo_a b" + "c" * 40])
    def test_refuses_what_could_be_guessed(self, tmp_path: Path, text: str) -> None:
        file = tmp_path / "engine-token"
        file.write_text(text)

        options = ("--require-token", "--monitor-token-file", str(file))
        code, said = refused(tmp_path, *options)

        assert 1 == code
        assert "expected one token" in said
