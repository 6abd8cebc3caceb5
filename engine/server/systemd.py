"""Tell systemd how the engine is doing, over the socket that it names (sd_notify)."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

__all__ = ["ServiceManager"]

_log = logging.getLogger(__name__)
_SECONDS = 1.0


class ServiceManager:
    """
    Talk to whoever started the engine; without `NOTIFY_SOCKET` nobody listens.

    Args:
        environment: Of the process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        address = given.get("NOTIFY_SOCKET", "")
        # An abstract socket begins with a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._pause = _pause(given)

    def tell(self, message: str) -> None:
        """Send a message such as `READY=1`."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.settimeout(_SECONDS)
                wire.sendto(message.encode(), self._address)
        except OSError as error:
            _log.warning("systemd does not listen: %s", error)

    async def watch(self) -> None:
        """Say often enough that the event loop still turns, until cancelled."""
        if self._pause is None or not self._address:
            return
        while True:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self._pause)


def _pause(given: Mapping[str, str]) -> float | None:
    text, process = given.get("WATCHDOG_USEC", ""), given.get("WATCHDOG_PID", "")
    if not text.isdigit() or int(text) == 0:
        return None
    if process and process != str(os.getpid()):
        return None
    return int(text) / 1e6 / 3
