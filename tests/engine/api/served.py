"""Serve the API that tests make on a real socket, for what needs one."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from slo.engine.server.protocol import http_protocol
from slo.engine.status.model import Snapshot

from .made import Made, start


class Served:
    """Hold an API that runs in a thread."""

    def __init__(self, api: Made) -> None:
        self.api = api
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(20)

    def publish(self, found: Snapshot) -> None:
        """Make *found* what the API knows."""
        self.loop.call_soon_threadsafe(self.api.holder.publish, found)

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(20)
        self.api.ledger.close()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        await start(self.api)
        config = uvicorn.Config(
            self.api.app, http=http_protocol(), ws="none", lifespan="on", log_level="error"
        )
        self._server = uvicorn.Server(config)
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            await asyncio.sleep(0.01)
        self._ready.set()
        await serving


@contextmanager
def served(folder: Path, found: Snapshot | None, **settings: Any) -> Iterator[Served]:
    """Yield an API on a socket that knows *found*."""
    server = Served(Made(folder, **settings))
    try:
        if found is not None:
            server.publish(found)
        yield server
    finally:
        server.stop()
