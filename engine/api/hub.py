"""Tell those who listen what changes, without ever waiting for one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

__all__ = ["EventHub", "Stream", "event_of"]

_QUEUED = 16


class Stream:
    """Hold what one listener has still to get; one that does not keep up is cut off."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUED)
        self._cut = False

    def put(self, event: bytes | None) -> bool:
        """Queue an event, `None` for the end; tell whether there was room."""
        if self._cut:
            return False
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._cut = True
            # What it has not read yet is old; the end must get through.
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(None)
        return not self._cut

    async def events(self) -> AsyncIterator[bytes]:
        """Yield events until the end."""
        while (event := await self._queue.get()) is not None:
            yield event


class EventHub:
    """
    Pass events on to all streams.

    Args:
        most: How many streams may be open at once.
    """

    def __init__(self, most: int = 2_000) -> None:
        self._most = most
        self._streams: set[Stream] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._streams)

    def open(self) -> Stream | None:
        """Return a new stream; `None` where there are enough, or all is about to end."""
        if self._closed or len(self._streams) >= self._most:
            return None
        stream = Stream()
        self._streams.add(stream)
        return stream

    def leave(self, stream: Stream) -> None:
        """Forget a stream."""
        self._streams.discard(stream)

    def publish(self, event: bytes) -> None:
        """Pass *event* on."""
        for stream in tuple(self._streams):
            if not stream.put(event):
                self._streams.discard(stream)

    def close(self) -> None:
        """End all streams, and open no more."""
        self._closed = True
        for stream in self._streams:
            stream.put(None)
        self._streams.clear()


def event_of(name: str, data: str, number: int | None = None) -> bytes:
    """Return one event as it goes over the wire; *data* is a single line."""
    identity = "" if number is None else f"id: {number}\n"
    return f"event: {name}\n{identity}data: {data}\n\n".encode()
