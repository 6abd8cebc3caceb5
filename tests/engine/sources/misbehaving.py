"""Be a server that fails in ways that are hard to bring about with a real one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qs

__all__ = ["Server", "answer_of", "serving", "vector"]


def vector(*series: tuple[dict[str, str], float], at: float = 1000.0) -> list[dict[str, Any]]:
    """Return the result of an instant query."""
    return [{"metric": labels, "value": [at, str(value)]} for labels, value in series]


def answer_of(result: list[dict[str, Any]], **more: Any) -> bytes:
    """Return the body of a successful answer."""
    kind = "matrix" if result and "values" in result[0] else "vector"
    data = {"resultType": kind, "result": result}
    return json.dumps({"status": "success", "data": data, **more}, separators=(",", ":")).encode()


class Server:
    """
    Answer requests by `reply`, and remember them.

    Args:
        reply: Makes status, headers and body from the form of a request; or `None` to hang.
    """

    def __init__(self, reply: Callable[[dict[str, str]], Any]) -> None:
        self.reply = reply
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.at_once = self.most_at_once = 0
        self.drip: float | None = None
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                form = {k: v[0] for k, v in parse_qs(body.decode()).items()}
                self.requests.append((first, headers, form))
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                try:
                    await self._answer(writer, form)
                finally:
                    self.at_once -= 1
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, form: dict[str, str]) -> None:
        replied = self.reply(form)
        if isinstance(replied, Awaitable):
            replied = await replied
        if replied is None:
            await asyncio.sleep(3600)
        status, headers, body = replied
        lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if self.drip is None:
            writer.write(body)
            await writer.drain()
            return
        for place in range(len(body)):
            writer.write(body[place : place + 1])
            await writer.drain()
            await asyncio.sleep(self.drip)


@asynccontextmanager
async def serving(reply: Callable[[dict[str, str]], Any]) -> AsyncIterator[Server]:
    """Run a server on a free loopback port."""
    server = Server(reply)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
