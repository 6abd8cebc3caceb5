"""Send samples by Prometheus's remote write protocol, version 1."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import cramjam
import httpx

from slo.engine.sources.connection import Connection
from slo.errors import ToolError

__all__ = ["STALE", "RemoteWriter", "encoded"]

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""What Prometheus writes where a series ends."""

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_LONGEST_REQUEST_SECONDS = 30.0

TimeSeries = tuple[str, Mapping[str, str], Sequence[tuple[int, float]]]
"""Name, labels, and samples as Unix milliseconds and value."""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def encoded(series: Iterable[TimeSeries]) -> bytes:
    """
    Return a `WriteRequest` in protobuf, not yet compressed.

    It holds field 1 per series, which holds labels (1: name 1, value 2), sorted by name, and
    samples (2: value 1 as double, time 2 in milliseconds).
    """
    request = bytearray()
    for name, labels, samples in series:
        every = sorted({**labels, "__name__": name}.items())
        parts = [
            _field(1, _field(1, label.encode()) + _field(2, value.encode()))
            for label, value in every
        ]
        parts += [
            _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at))
            for at, value in samples
        ]
        request += _field(1, b"".join(parts))
    return bytes(request)


class RemoteWriter:
    """
    Send samples to one server; each request ends within the connection's deadline.

    Args:
        connection: Where to, with the path: `http://localhost:8428/api/v1/write`.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self, connection: Connection, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.url = connection.url
        self._connection, self._sleep = connection, sleep
        self._http = httpx.Client(verify=connection.tls(), trust_env=connection.trusts_environment)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, series: Iterable[TimeSeries]) -> None:
        """
        Send samples; those of one series in the order of their times.

        Raises:
            ToolError: The server refused them, or gave no answer in time.
        """
        body = bytes(cramjam.snappy.compress_raw(encoded(series)))
        headers = {
            **self._connection.headers,
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "User-Agent": "slostack",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        limit = self._connection.timeout.seconds
        deadline, pause = time.monotonic() + limit, _FIRST_PAUSE_SECONDS
        while True:
            authorization = self._connection.authorization()
            if authorization is not None:
                headers["Authorization"] = authorization
            left = max(0.001, min(deadline - time.monotonic(), _LONGEST_REQUEST_SECONDS))
            try:
                response = self._http.post(self.url, content=body, headers=headers, timeout=left)
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            else:
                if response.is_success:
                    return
                problem = f"status {response.status_code}: {_reason(response)}"
                if response.status_code != 429 and response.status_code < 500:
                    raise ToolError(f"{self.url} refused samples ({problem}){_hint(response)}")
                if "out of" in problem or "too old" in problem:
                    # Prometheus answers some refusals with 500, as if another try could help.
                    raise ToolError(f"{self.url} refused samples ({problem}){_hint(response)}")
            wait = pause * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
            if time.monotonic() + wait >= deadline:
                raise ToolError(f"{self.url} took no samples within {limit:g} s: {problem}")
            self._sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _reason(response: httpx.Response) -> str:
    return " ".join(response.text.split())[:300] or "no reason given"


def _hint(response: httpx.Response) -> str:
    reason = _reason(response)
    if "out of" in reason or "too old" in reason:
        return (
            "\nIt takes no samples this old: set `storage.tsdb.out_of_order_time_window` of "
            "Prometheus to more than the time to fill, or write blocks with --out"
        )
    if response.status_code in (404, 405):
        return (
            "\nIs this the address for remote write? Prometheus needs "
            "--web.enable-remote-write-receiver, and its path is /api/v1/write"
        )
    if response.status_code in (401, 403):
        return "\nLog in with --token-file or --basic-auth-file, or name the --tenant"
    return ""
