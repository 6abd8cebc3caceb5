"""Each call ends in time and says what went wrong, whatever the server does."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from slo.duration import minutes, seconds
from slo.engine.sources.breaker import Circuit
from slo.engine.sources.connection import Connection
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.metrics import SourceMetrics
from slo.engine.sources.protocol import BadAnswer, QueryRefused, TooMuchData, Unavailable
from slo.errors import ToolError
from slo.stack.processes import LOOPBACK, free_ports

from .misbehaving import Server, answer_of, serving, vector

GOOD = answer_of(vector(({"a": "b"}, 1.5)))


def good(form: dict[str, str]) -> Any:
    return 200, {}, GOOD


def asked(
    reply: Callable[[dict[str, str]], Any],
    work: Callable[[HttpSource, Server], Awaitable[Any]],
    **options: Any,
) -> Any:
    """Return what *work* returns with a source of a server that answers by *reply*."""

    async def run() -> Any:
        async with serving(reply) as server:
            given = {"timeout": seconds(5), **options.pop("connection", {})}
            source = HttpSource(Connection(server.url, **given), **options)
            try:
                return await work(source, server)
            finally:
                await source.aclose()

    return asyncio.run(run())


async def instant(source: HttpSource, server: Server) -> Any:
    return await source.instant("up")


class TestRequests:
    def test_query_stands_in_the_body(self) -> None:
        """Queries are in the body, with the time that is left for the server to stop at."""

        async def work(source: HttpSource, server: Server) -> Server:
            await source.instant("up", 12.5)
            await source.range("up", 10, 20, minutes(1))
            return server

        first, second = asked(good, work).requests

        assert "POST /api/v1/query HTTP/1.1" == first[0]
        assert "POST /api/v1/query_range HTTP/1.1" == second[0]
        assert {"query": "up", "time": "12.500"} == {k: first[2][k] for k in ("query", "time")}
        assert ("10.000", "20.000", "60") == tuple(second[2][k] for k in ("start", "end", "step"))
        assert first[2]["timeout"].endswith("ms")
        assert 0 < int(first[2]["timeout"].removesuffix("ms")) <= 5000

    def test_login_and_tenant(self, tmp_path: Path) -> None:
        """Token, password, tenant and further headers are sent; files are read each time."""
        token, password = tmp_path / "token", tmp_path / "password"
        token.write_text("one\n")
        password.write_text("me:secret\n")

        async def work(source: HttpSource, server: Server) -> Server:
            await source.instant("up")
            token.write_text("two\n")
            await source.instant("up")
            return server

        headers = {"X-Scope-OrgID": "team"}
        server = asked(good, work, connection={"token_file": token, "headers": headers})
        basic = asked(good, work, connection={"basic_auth_file": password})

        assert ["Bearer one", "Bearer two"] == [r[1]["authorization"] for r in server.requests]
        assert {"team"} == {r[1]["x-scope-orgid"] for r in server.requests}
        expected = "Basic " + base64.b64encode(b"me:secret").decode()
        assert expected == basic.requests[0][1]["authorization"]

    def test_at_most_four_at_once(self) -> None:
        """However many calls are made, four are under way."""

        async def slow(form: dict[str, str]) -> Any:
            await asyncio.sleep(0.02)
            return 200, {}, GOOD

        async def work(source: HttpSource, server: Server) -> Server:
            await asyncio.gather(*(source.instant("up") for _ in range(20)))
            return server

        assert 4 == asked(slow, work).most_at_once

    def test_clock_of_the_server(self) -> None:
        """The time in the answer's head is kept."""
        date = {"Date": "Thu, 01 Jan 1970 00:16:40 GMT"}

        answer = asked(lambda form: (200, date, GOOD), instant)

        assert 1000.0 == answer.answered_at
        assert (1000.0, 1.5) == answer.series[0].samples[0]


class TestFailures:
    def test_server_that_hangs(self) -> None:
        """A server that takes the request and says nothing costs no more than the deadline."""

        async def work(source: HttpSource, server: Server) -> float:
            began = time.monotonic()
            with pytest.raises(Unavailable, match=r"gave no answer within 0\.3 s"):
                await source.instant("up", within=0.3)
            return time.monotonic() - began

        assert 0.2 < asked(lambda form: None, work) < 4

    def test_slow_drip(self) -> None:
        """An answer that comes byte by byte is cut off at the deadline."""

        async def work(source: HttpSource, server: Server) -> None:
            server.drip = 0.05
            with pytest.raises(Unavailable, match="gave no answer within"):
                await source.instant("up", within=0.4)

        asked(good, work)

    def test_nobody_listens(self) -> None:
        """A refused connection is tried again until the deadline."""

        async def run() -> None:
            source = HttpSource(Connection(f"http://{LOOPBACK}:{free_ports(1)[0]}"))
            with pytest.raises(Unavailable, match=r"within 0\.7 s \([2-9] attempts\)"):
                await source.instant("up", within=0.7)
            await source.aclose()

        asyncio.run(run())

    def test_repeats_what_may_pass(self) -> None:
        """After two failures the third attempt is the answer, and the call a success."""
        replies = [(503, {}, b"busy"), (500, {}, b""), (200, {}, GOOD)]

        async def work(source: HttpSource, server: Server) -> tuple[Any, int, Circuit]:
            return await source.instant("up"), len(server.requests), source.breaker.circuit

        answer, requests, circuit = asked(lambda form: replies.pop(0), work)

        assert (1, 3, Circuit.CLOSED) == (len(answer.series), requests, circuit)

    def test_wrong_query(self) -> None:
        """A query that is wrong is asked once, and does not speak against the server."""
        error = b'{"status":"error","errorType":"bad_data","error":"parse error: x"}'

        async def work(source: HttpSource, server: Server) -> tuple[int, Circuit]:
            for _ in range(30):
                with pytest.raises(QueryRefused, match="parse error: x"):
                    await source.instant("up(")
            return len(server.requests), source.breaker.circuit

        assert (30, Circuit.CLOSED) == asked(lambda form: (400, {}, error), work)

    @pytest.mark.parametrize(
        ("status", "body"), [(200, b"<html>"), (404, b"gone"), (301, b""), (401, b"")]
    )
    def test_garbage(self, status: int, body: bytes) -> None:
        """What is no Prometheus is said to be none, after one attempt."""

        async def work(source: HttpSource, server: Server) -> int:
            with pytest.raises(BadAnswer):
                await source.instant("up")
            return len(server.requests)

        assert 1 == asked(lambda form: (status, {"Location": "/x"}, body), work)

    def test_endless_answer(self) -> None:
        """An answer that is too large is cut off."""

        async def work(source: HttpSource, server: Server) -> None:
            with pytest.raises(TooMuchData, match="larger than"):
                await source.instant("up")

        asked(lambda form: (200, {}, b"x" * 2_000_000), work, largest_answer=1_000_000)

    def test_circuit_opens(self) -> None:
        """After five calls without an answer the next one is not made."""

        async def work(source: HttpSource, server: Server) -> int:
            for _ in range(5):
                with pytest.raises(Unavailable):
                    await source.instant("up", within=0.05)
            before = len(server.requests)
            with pytest.raises(Unavailable, match="did not answer lately"):
                await source.instant("up")
            return len(server.requests) - before

        assert 0 == asked(lambda form: None, work)

    def test_cancelled_call_frees_its_slot(self) -> None:
        """Calls that are given up leave room for others."""
        hangs = True

        async def work(source: HttpSource, server: Server) -> Any:
            nonlocal hangs
            tasks = [asyncio.create_task(source.instant("up")) for _ in range(8)]
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            hangs = False
            return await source.instant("up")

        answer = asked(lambda form: None if hangs else (200, {}, GOOD), work)

        assert 1 == len(answer.series)

    def test_token_that_cannot_be_read(self, tmp_path: Path) -> None:
        """A missing token file is named."""

        async def work(source: HttpSource, server: Server) -> None:
            with pytest.raises(ToolError, match=r"token: No such file"):
                await source.instant("up")

        asked(good, work, connection={"token_file": tmp_path / "token"})


class TestTls:
    def test_certificate_that_is_none(self, tmp_path: Path) -> None:
        """A file that holds no certificate is named at once."""
        path = tmp_path / "ca.pem"
        path.write_text("nothing")

        with pytest.raises(ToolError, match=r"ca\.pem"):
            HttpSource(Connection("https://server", ca_file=path))


def test_metrics() -> None:
    """Calls are counted by how they ended, with the state of the circuit."""
    registry = CollectorRegistry()
    replies = [(200, {}, GOOD), (400, {}, b"{}"), (200, {}, b"<html>")]

    async def work(source: HttpSource, server: Server) -> None:
        await source.instant("up")
        for _ in range(2):
            with pytest.raises(ToolError):
                await source.instant("up")

    asked(lambda form: replies.pop(0), work, name="main", metrics=SourceMetrics(registry))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"source": "main", **labels})

    for outcome in ("answered", "refused", "bad_answer"):
        assert 1 == value("slo_engine_source_queries_total", outcome=outcome)
    assert 3 == value("slo_engine_source_query_seconds_count")
    assert 1 == value("slo_engine_source_circuit", state="closed")
    assert 0 == value("slo_engine_source_circuit", state="open")
