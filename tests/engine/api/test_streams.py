from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slo.engine.api.hub import EventHub, event_of
from slo.engine.ledger.records import Freeze, Target

from .made import JSON, NOW, shop, snapshot, status
from .served import Served, served


class Listener:
    """Read events from a stream."""

    def __init__(self, server: Served, **headers: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        self.connection.request("GET", "/v1/events", headers=headers)
        self.answer = self.connection.getresponse()

    def next(self) -> tuple[str, dict[str, Any]]:
        """Return the next event."""
        fields: dict[str, str] = {}
        while True:
            line = self.answer.readline().decode()
            if not line:
                raise EOFError
            if line == "\n" and "data" in fields:
                return fields["event"], json.loads(fields["data"])
            if line != "\n":
                name, _, value = line.rstrip("\n").partition(": ")
                fields[name] = value

    def until(self, name: str) -> dict[str, Any]:
        """Return the next event of that name."""
        while True:
            found, data = self.next()
            if found == name:
                return data


@contextmanager
def listening(server: Served) -> Iterator[Listener]:
    listener = Listener(server)
    try:
        yield listener
    finally:
        listener.connection.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, shop()) as found:
        yield found


class TestStream:
    def test_begins_with_what_is_known(self, server: Served) -> None:
        with listening(server) as listener:
            name, data = listener.next()

        assert "text/event-stream; charset=utf-8" == listener.answer.headers["content-type"]
        assert ("snapshot", 1, None) == (name, data["snapshot"], data["changed"])
        assert {"ok": 3, "breached": 1, "warning": 1} == data["states"]

    def test_names_what_changed(self, server: Served) -> None:
        with listening(server) as listener:
            listener.next()
            others = [s for s in shop().statuses if s.key != "checkout/availability"]
            server.publish(snapshot(status(remaining=0.1), *others, number=2))
            data = listener.until("snapshot")
            assert ["checkout/availability"] == data["changed"]
            server.publish(snapshot(status(remaining=0.1), *others[1:], number=3))
            assert ["checkout/latency"] == listener.until("snapshot")["changed"]

    def test_tells_of_records(self, server: Served) -> None:
        with listening(server) as listener:
            listener.next()
            body = json.dumps({"start": NOW, "end": NOW + 60, "reason": "launch"})
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            connection.request("POST", "/v1/freezes", body, JSON)
            made = json.loads(connection.getresponse().read())
            connection.close()

            assert {"kind": "freeze", "id": made["id"]} == listener.until("records")

    def test_shows_that_it_lives(self, tmp_path: Path) -> None:
        with served(tmp_path, shop(), heartbeat=0.1) as server, listening(server) as listener:
            server.api.now = NOW + 77
            data = listener.until("age")
            assert (77, 900, False) == (data["age"], data["stale_after"], data["stale"])

    def test_ends_when_the_engine_stops(self, server: Served) -> None:
        with listening(server) as listener:
            listener.next()
            server.loop.call_soon_threadsafe(server.api.hub.close)
            with pytest.raises(EOFError):
                listener.until("never")

    def test_is_forgotten_when_the_client_goes(self, server: Served) -> None:
        with listening(server) as listener:
            listener.next()
            assert 1 == len(server.api.hub)
        pause = threading.Event()

        assert any(not len(server.api.hub) or pause.wait(0.1) for _ in range(200))

    def test_serves_others_while_one_does_not_read(self, server: Served) -> None:
        """A client that reads nothing costs a bounded queue, and loses its place in the end."""
        slow = socket.create_connection(("127.0.0.1", server.port))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        slow.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with listening(server) as listener:
            listener.next()
            large = event_of("noise", json.dumps({"filler": "x" * 50_000}))

            def publish() -> None:
                server.api.hub.publish(large)

            for _ in range(200):
                server.loop.call_soon_threadsafe(publish)
                listener.until("noise")
            assert 1 == len(server.api.hub)
        slow.close()


class TestHub:
    def test_opens_no_more_streams_than_it_may(self) -> None:
        hub = EventHub(most=2)

        assert [True, True, False] == [hub.open() is not None for _ in range(3)]

    def test_opens_none_once_it_is_closed(self) -> None:
        hub = EventHub()
        hub.close()

        assert hub.open() is None

    def test_events_are_one_line_of_data(self) -> None:
        freeze = Freeze("f", Target(), 1, 2, "two\nlines", "me", 1)
        text = event_of("records", json.dumps({"reason": freeze.reason}), 7).decode()

        assert 'event: records\nid: 7\ndata: {"reason": "two\\nlines"}\n\n' == text
