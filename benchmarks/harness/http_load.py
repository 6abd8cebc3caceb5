"""
Ask a server over HTTP as fast as it answers, or at a given rate.

Runs as a program of its own, so that asking and answering do not share a process. At a given
rate, the time of an answer counts from when the question was due, not from when it was sent:
a server that stalls is not let off by a client that waits for it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

__all__ = ["main"]


class _Client(asyncio.Protocol):
    """Ask one question after the other on one connection."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._buffer = b""
        self._due: float | None = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._load.idle(self)

    def ask(self, due: float) -> None:
        self._due = due
        self.transport.write(self._load.next_question())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lowered = head.lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            return
        self._buffer = b""
        assert self._due is not None
        self._load.answered(int(head[9:12]), time.perf_counter() - self._due)
        self._load.idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost()


class _Load:
    """Hand out questions to connections, and keep what became of them."""

    def __init__(self, question: Callable[[int], bytes], rate: float) -> None:
        self._question = question
        self._rate = rate
        self._asked = 0
        self._idle: deque[_Client] = deque()
        self._waiting: deque[float] = deque()
        self.ending = False
        self.counting = False
        self.times: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.broken = 0

    def next_question(self) -> bytes:
        self._asked += 1
        return self._question(self._asked)

    def idle(self, client: _Client) -> None:
        if self.ending:
            return
        if not self._rate:
            client.ask(time.perf_counter())
        elif self._waiting:
            client.ask(self._waiting.popleft())
        else:
            self._idle.append(client)

    def due(self, moment: float) -> None:
        if self._idle:
            self._idle.popleft().ask(moment)
        else:
            self._waiting.append(moment)

    def answered(self, status: int, seconds: float) -> None:
        if self.counting:
            self.statuses[status] += 1
            self.times.append(seconds)

    def lost(self) -> None:
        if not self.ending:
            self.broken += 1


async def _run(arguments: argparse.Namespace) -> dict[str, object]:
    load = _Load(_questions(arguments), arguments.rate)
    loop = asyncio.get_running_loop()
    connections = [
        await loop.create_connection(lambda: _Client(load), "127.0.0.1", arguments.port)
        for _ in range(arguments.connections)
    ]
    began = time.perf_counter()
    ends = began + arguments.warm_up + arguments.seconds
    due = began
    while (now := time.perf_counter()) < ends:
        load.counting = now - began >= arguments.warm_up
        if arguments.rate:
            while due <= now:
                load.due(due)
                due += 1 / arguments.rate
            await asyncio.sleep(0.001)
        else:
            await asyncio.sleep(0.05)
    load.ending = True
    for transport, _ in connections:
        transport.close()
    times = sorted(load.times)
    return {
        "requests": len(times),
        "seconds": arguments.seconds,
        "statuses": {str(status): count for status, count in load.statuses.items()},
        "broken": load.broken,
        "p50": _at(times, 0.5),
        "p99": _at(times, 0.99),
        "p999": _at(times, 0.999),
        "longest": times[-1] if times else None,
    }


def _at(times: list[float], share: float) -> float | None:
    return times[min(len(times) - 1, int(share * len(times)))] if times else None


def _questions(arguments: argparse.Namespace) -> Callable[[int], bytes]:
    services = arguments.services

    def get(number: int) -> bytes:
        path = arguments.path.format(service=f"service-{number * 7919 % services:05}")
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def gate(number: int) -> bytes:
        question = {"service": f"service-{number * 7919 % services:05}", "environment": "prod"}
        if arguments.distinct:
            question["version"] = str(number)
        body = json.dumps(question).encode()
        head = (
            "POST /v1/gates/evaluate HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    return get if arguments.path else gate


def main() -> int:
    """Print what was measured, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--rate", type=float, default=0, help="0: as fast as it answers")
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--distinct", action="store_true", help="ask nothing twice")
    parser.add_argument("--path", help="GET this instead of asking gates")
    arguments = parser.parse_args()
    try:
        import uvloop
    except ModuleNotFoundError:
        result = asyncio.run(_run(arguments))
    else:
        result = uvloop.run(_run(arguments))
    json.dump(result, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
