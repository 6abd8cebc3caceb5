"""The source asks real servers, and says clearly what went wrong."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from slo.duration import minutes, seconds
from slo.engine.sources.api_client import ApiClientSource
from slo.engine.sources.connection import Connection, connect, is_loopback
from slo.engine.sources.protocol import BadAnswer, MetricsSource, QueryRefused, TooMuchData
from slo.errors import ToolError
from slo.stack.processes import LOOPBACK, free_ports, running_server
from slo.stack.prometheus import prometheus_config, run_prometheus

Reply = tuple[int, Any]


class Stub:
    """Be a server that fails in ways that are hard to bring about with a real one."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.requests: list[tuple[str, dict[str, str], dict[str, list[str]]]] = []
        self.delay = 0.0
        self.headers: dict[str, str] = {}
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                stub.requests.append((self.path, dict(self.headers), parse_qs(body)))
                time.sleep(stub.delay)
                status, content = stub.replies.pop(0) if stub.replies else (200, success([]))
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in stub.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def success(result: list[Any], **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


def failure(kind: str, reason: str) -> dict[str, Any]:
    return {"status": "error", "errorType": kind, "error": reason}


@pytest.fixture
def stub() -> Iterator[Stub]:
    server = Stub()
    yield server
    server.close()


@pytest.fixture
def source_of() -> Iterator[Callable[..., ApiClientSource]]:
    opened = []

    def function(url: str, **fields: Any) -> ApiClientSource:
        fields.setdefault("timeout", seconds(5))
        source = ApiClientSource(Connection(url, **fields), sleep=lambda _: None)
        opened.append(source)
        return source

    yield function
    for source in opened:
        source.close()


class TestFailures:
    @pytest.mark.parametrize("status", [408, 429, 502, 503])
    def test_passing_ones_are_tried_again(
        self, stub: Stub, source_of: Callable[..., ApiClientSource], status: int
    ) -> None:
        stub.replies = [(status, failure("internal", "come back")), (200, success([]))]

        assert () == source_of(stub.url).instant("up").series
        assert 2 == len(stub.requests)

    @pytest.mark.parametrize(
        ("status", "reply", "words"),
        [
            (400, failure("bad_data", "1:5: parse error: limitk"), "status 400.*parse error"),
            (401, b"<html>who are you?</html>", "who are you.*--token-file"),
            (404, b"404 page not found", "path prefix"),
            (422, failure("execution", "many-to-many matching"), "many-to-many"),
        ],
    )
    def test_the_last_word_of_a_server(
        self,
        stub: Stub,
        source_of: Callable[..., ApiClientSource],
        status: int,
        reply: Any,
        words: str,
    ) -> None:
        """It is not asked again, and its reason is shown."""
        stub.replies = [(status, reply)]

        with pytest.raises(QueryRefused, match=words) as caught:
            source_of(stub.url).instant("up")
        assert not isinstance(caught.value, TooMuchData)
        assert 1 == len(stub.requests)

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (400, "exceeded maximum resolution of 11,000 points per timeseries"),
            (422, "query processing would load too many samples into memory"),
            (422, "the number of matching timeseries exceeds 30000; -search.maxUniqueTimeseries"),
            (422, "the query exceeded the maximum number of chunks (err-mimir-max-chunks)"),
            (503, "query timed out in expression evaluation"),
        ],
    )
    def test_too_much(
        self, stub: Stub, source_of: Callable[..., ApiClientSource], status: int, reason: str
    ) -> None:
        stub.replies = [(status, failure("execution", reason))]

        with pytest.raises(TooMuchData, match=reason[:20]):
            source_of(stub.url).range("up", 0, 60, seconds(30))

    def test_nobody_answers(self, source_of: Callable[..., ApiClientSource]) -> None:
        url = f"http://{LOOPBACK}:{free_ports(1)[0]}"
        source = ApiClientSource(Connection(url, timeout=seconds(0.7)))

        with pytest.raises(ToolError, match=r"within 0.7 s \(\d attempts\).*refused"):
            source.instant("up")
        source.close()

    def test_an_answer_that_does_not_come(
        self, stub: Stub, source_of: Callable[..., ApiClientSource]
    ) -> None:
        stub.delay = 3
        source = source_of(stub.url, timeout=seconds(0.3))

        with pytest.raises(ToolError, match=r"gave no answer within 0\.3 s"):
            source.instant("up")

    @pytest.mark.parametrize(
        "reply",
        [
            b"<html>Sign in</html>",
            b"",
            b"[1, 2]",
            b"{}",
            {"status": "success"},
            {"status": "success", "data": None},
            {"status": "success", "data": {"result": "x"}},
            {"status": "success", "data": {"result": [{"metric": {}, "values": [["x", "y"]]}]}},
            {"status": "success", "data": {"result": [{"metric": {}, "value": "abc"}]}},
            {"status": "error", "error": "boom"},
        ],
    )
    def test_what_is_no_prometheus(
        self, stub: Stub, source_of: Callable[..., ApiClientSource], reply: Any
    ) -> None:
        """It is not asked again, and the message names it."""
        stub.replies = [(200, reply)]

        with pytest.raises(BadAnswer, match=re.escape(stub.url)):
            source_of(stub.url).instant("up")
        assert 1 == len(stub.requests)

    def test_an_answer_that_is_cut_off(
        self, stub: Stub, source_of: Callable[..., ApiClientSource]
    ) -> None:
        stub.replies = [(200, b'{"status": "succ'), (200, success([]))]

        assert () == source_of(stub.url).instant("up").series

    def test_a_redirect_is_not_followed(
        self, stub: Stub, source_of: Callable[..., ApiClientSource]
    ) -> None:
        """What we send is for this server only."""
        stub.replies = [(302, b"")]
        stub.headers = {"Location": "https://login.example.com/"}

        with pytest.raises(BadAnswer, match=r"redirects to https://login\.example\.com/"):
            source_of(stub.url).instant("up")
        assert 1 == len(stub.requests)


class TestRequests:
    def test_warnings(self, stub: Stub, source_of: Callable[..., ApiClientSource]) -> None:
        stub.replies = [(200, success([], warnings=["store 2 did not answer"]))]

        assert ("store 2 did not answer",) == source_of(stub.url).instant("up").warnings

    def test_headers_and_body(
        self, stub: Stub, source_of: Callable[..., ApiClientSource], tmp_path: Path
    ) -> None:
        """A query travels in the body, a token is read anew each time."""
        token = tmp_path / "token"
        token.write_text("first\n")
        source = source_of(
            f"{stub.url}/prometheus/", headers={"X-Scope-OrgID": "shop"}, token_file=token
        )
        source.instant("up" * 5000, 12.3456)
        token.write_text("second\n")
        source.range("up", 1.5, 61.5, minutes(1))
        (path, headers, body), (_, later, ranged) = stub.requests

        assert "/prometheus/api/v1/query" == path
        assert ["up" * 5000] == body["query"]
        assert ["12.346"] == body["time"]
        assert ["false"] == body["partial_response"]
        assert "shop" == headers["X-Scope-OrgID"]
        assert "Bearer first" == headers["Authorization"]
        assert "Bearer second" == later["Authorization"]
        assert (["1.500"], ["61.500"]) == (ranged["start"], ranged["end"])
        assert ["60.000"] == ranged["step"]

    def test_basic_auth(
        self, stub: Stub, source_of: Callable[..., ApiClientSource], tmp_path: Path
    ) -> None:
        pair = tmp_path / "auth"
        pair.write_text("user:password\n")
        source_of(stub.url, basic_auth_file=pair).instant("up")

        assert "Basic dXNlcjpwYXNzd29yZA==" == stub.requests[0][1]["Authorization"]

    @pytest.mark.parametrize("content", ["", "a\nb", None])
    def test_files_that_hold_no_secret(
        self,
        stub: Stub,
        source_of: Callable[..., ApiClientSource],
        tmp_path: Path,
        content: str | None,
    ) -> None:
        token = tmp_path / "token"
        if content is not None:
            token.write_text(content)

        with pytest.raises(ToolError, match="token"):
            source_of(stub.url, token_file=token).instant("up")

    def test_no_proxy_for_this_machine(
        self,
        stub: Stub,
        source_of: Callable[..., ApiClientSource],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://{LOOPBACK}:{free_ports(1)[0]}")

        assert () == source_of(stub.url).instant("up").series
        assert is_loopback("http://localhost:9090")
        assert is_loopback("http://[::1]:9090")
        assert not is_loopback("https://prometheus.example.com")


def ask(source: MetricsSource) -> None:
    """Demand the same answers of every server."""
    now = time.time()
    (one,) = source.instant("vector(42)").series
    assert 42 == one.samples[0][1]
    (line,) = source.range("vector(7)", now - 600, now, minutes(1)).series
    assert 11 == len(line.samples)
    assert now - 600 == pytest.approx(line.samples[0][0], abs=0.002)
    assert {7.0} == {value for _, value in line.samples}
    with pytest.raises(QueryRefused):
        source.instant("sum(")


@pytest.mark.servers
class TestServers:
    @pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus")
    def test_prometheus(self, tmp_path: Path) -> None:
        with (
            run_prometheus(tmp_path, prometheus_config()) as client,
            connect(Connection(client.url)) as source,
        ):
            ask(source)
            with pytest.raises(TooMuchData, match="maximum resolution"):
                source.range("vector(1)", 0, 20_000, seconds(1))
            head = source.head_start()
            assert head is not None
            assert head <= time.time()

    @pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus")
    def test_sample_limit(self, tmp_path: Path) -> None:
        config = prometheus_config()
        with (
            run_prometheus(tmp_path, config, arguments=["--query.max-samples=10"]) as client,
            connect(Connection(client.url)) as source,
            pytest.raises(TooMuchData, match="too many samples"),
        ):
            source.range("vector(1)", 0, 3000, seconds(30))

    @pytest.mark.skipif(shutil.which("victoria-metrics") is None, reason="needs victoria-metrics")
    def test_victoria_metrics(self, tmp_path: Path) -> None:
        def arguments(address: str) -> list[str]:
            return [
                f"-httpListenAddr={address}",
                f"-storageDataPath={tmp_path / 'data'}",
                "-search.maxPointsPerTimeseries=1000",
            ]

        with (
            running_server("victoria-metrics", tmp_path, arguments, ready_path="/health") as url,
            connect(Connection(url)) as source,
        ):
            ask(source)
            with pytest.raises(TooMuchData):
                source.range("vector(1)", 0, 20_000, seconds(1))
            assert source.head_start() is None
