"""Send a bounded, steady stream of requests to a service on this machine."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from slo.stack.processes import LOOPBACK

__all__ = ["Traffic", "run_traffic"]

_WORKERS = 8
_FASTEST = 200.0


class Traffic:
    """Count what the clients saw."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent = 0
        self._failed = 0

    @property
    def sent(self) -> int:
        """Return how many requests have ended."""
        with self._lock:
            return self._sent

    @property
    def failed(self) -> int:
        """Return how many requests ended with a server error, or without an answer."""
        with self._lock:
            return self._failed

    def record(self, failed: bool) -> None:
        """Count one request."""
        with self._lock:
            self._sent += 1
            self._failed += failed


@contextmanager
def run_traffic(
    url: str,
    routes: Sequence[str],
    *,
    requests_per_second: float = 50.0,
    deadline_seconds: float = 2.0,
) -> Iterator[Traffic]:
    """
    Send GET requests to *routes* in turn until the block ends.

    Slow answers lower the rate; they never pile up, since each of a few workers has at most
    one request under way.

    Args:
        url: Scheme, host and port; only the loopback address is accepted.
        routes: Paths.
        requests_per_second: At most 200.
        deadline_seconds: How long one request may take.

    Raises:
        ValueError: *url* leaves this machine, or the rate is out of range.
    """
    if urlsplit(url).hostname != LOOPBACK:
        raise ValueError(f"traffic stays on {LOOPBACK}, not {url}")
    if not 0 < requests_per_second <= _FASTEST:
        raise ValueError(f"requests_per_second must be in (0, {_FASTEST:g}]")
    traffic = Traffic()
    done = threading.Event()
    pause = _WORKERS / requests_per_second

    def work(number: int) -> None:
        turns = itertools.cycle(routes)
        due = time.monotonic() + pause * number / _WORKERS
        with httpx.Client(base_url=url, timeout=deadline_seconds, trust_env=False) as client:
            while not done.wait(max(0.0, due - time.monotonic())):
                try:
                    failed = client.get(next(turns)).is_server_error
                except httpx.TransportError:
                    failed = True
                traffic.record(failed)
                # A worker that fell behind starts afresh instead of catching up in a burst.
                due = max(due + pause, time.monotonic())

    workers = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(_WORKERS)]
    for worker in workers:
        worker.start()
    try:
        yield traffic
    finally:
        done.set()
        for worker in workers:
            worker.join(deadline_seconds + 1)
