from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from slo.engine.server import protocol
from slo.engine.server.protocol import LARGEST_HEADERS

from .made import shop
from .running import running
from .served import Served, served


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, shop()) as found:
        yield found


def exchange(server: Served, sent: bytes) -> bytes:
    """Return everything that comes back until the server closes."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as wire:
        wire.sendall(sent)
        while data := wire.recv(65_536):
            received += data
    return received


class TestHeaders:
    @pytest.mark.parametrize(
        "head",
        [
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * LARGEST_HEADERS + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 6_000,
            b"GET /" + b"x" * LARGEST_HEADERS + b" HTTP/1.1\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00",
        ],
        ids=["large", "many", "address", "nonsense", "tls"],
    )
    def test_that_are_wrong_end_the_connection(self, server: Served, head: bytes) -> None:
        answer = exchange(server, head)

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert 400 == json.loads(answer.partition(b"\r\n\r\n")[2])["status"]

    def test_may_be_as_large_as_they_may(self, server: Served) -> None:
        head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: "

        assert exchange(server, head + b"y" * 20_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")

    @pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\nHost: loc"])
    def test_that_do_not_end_are_not_waited_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
    ) -> None:
        monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
        with served(tmp_path, shop()) as server:
            assert b"" == exchange(server, begun)

    def test_of_the_next_request_are_waited_for_longer(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A client that keeps its connection for later is welcome."""
        monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
        with served(tmp_path, shop()) as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            for pause in (0.0, 1.0):
                threading.Event().wait(pause)
                connection.request("GET", "/healthz")
                assert b"ok\n" == connection.getresponse().read()
            connection.close()


def test_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slo.engine.api.shell._BODY_SECONDS", 0.3)
    with served(tmp_path, shop()) as server:
        head = b"POST /v1/freezes HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"

        assert exchange(server, head).startswith(b"HTTP/1.1 408 ")


def test_serves_tls(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    with running(tmp_path, "--tls-cert", str(cert), "--tls-key", str(key)) as engine:
        trust = ssl.create_default_context(cafile=str(cert))
        connection = http.client.HTTPSConnection(
            "localhost", engine.port, context=trust, timeout=20
        )
        connection.request("GET", "/healthz")
        answer = connection.getresponse()

        assert 200 == answer.status
        assert "max-age=31536000" == answer.headers["strict-transport-security"]
        connection.close()
