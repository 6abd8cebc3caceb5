"""Serve the board with the real API over a real ledger and a made-up snapshot."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry

from slo.engine.api.app import create_app
from slo.engine.api.decider import Decider
from slo.engine.api.hub import EventHub
from slo.engine.api.ledger_access import LedgerAccess
from slo.engine.api.limits import RateLimiter
from slo.engine.api.metrics import EngineMetrics
from slo.engine.api.parts import Parts
from slo.engine.api.recorder import DecisionRecorder
from slo.engine.api.shell import Doors
from slo.engine.api.standing import Standing
from slo.engine.api.view import Views
from slo.engine.gates.policy import DEFAULT_POLICY
from slo.engine.ledger.records import BudgetPoint
from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.engine.status.holder import Holder
from slo.engine.status.model import SloStatus, Snapshot

from . import sample


class Served:
    """An engine in a thread, whose snapshots a test chooses and whose clock it may move."""

    def __init__(self, folder: Path, *, tokens_required: bool = False, port: int = 0) -> None:
        self.ahead = 0.0
        self.ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
        fill(self.ledger, self.now())
        self._holder = Holder()
        self._doors = Doors(tokens_required=tokens_required)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def now(self) -> float:
        return time.time() + self.ahead

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(20)

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(20)
        self._socket.close()

    def publish(self, snapshot: Snapshot) -> None:
        """Make *snapshot* what the engine knows."""
        done = threading.Event()

        def work() -> None:
            self._holder.publish(snapshot)
            done.set()

        self._loop.call_soon_threadsafe(work)
        assert done.wait(10)

    def refresh_records(self) -> None:
        """Let the engine read its ledger anew."""
        asyncio.run_coroutine_threadsafe(self._standing.refresh(), self._loop).result(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        app = create_app(self._parts())
        config = uvicorn.Config(app, log_level="error", lifespan="on", ws="none")
        self._server = uvicorn.Server(config)
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            await asyncio.sleep(0.01)
        self._ready.set()
        await serving

    def _parts(self) -> Parts:
        clock = self.now
        views = Views(self._holder, clock)
        access = LedgerAccess(self.ledger)
        standing = Standing(access, clock)
        metrics = EngineMetrics(CollectorRegistry())
        recorder = DecisionRecorder(access, metrics)
        decider = Decider(
            DEFAULT_POLICY, views=views, standing=standing, recorder=recorder, clock=clock
        )

        async def history(status: SloStatus, start: float, end: float) -> Sequence[BudgetPoint]:
            return sample.history(status, start, end)

        self._standing = standing
        self._loop.create_task(standing.refresh())
        return Parts(
            holder=self._holder,
            views=views,
            access=access,
            standing=standing,
            decider=decider,
            hub=EventHub(),
            metrics=metrics,
            history=history,
            limiter=RateLimiter(0, clock=time.monotonic),
            clock=clock,
            doors=self._doors,
            heartbeat=0.5,
        )


def fill(ledger: SqlLedger, now: float) -> None:
    """Write what the sample company has on record."""
    for correction in sample.corrections(now):
        ledger.add_correction(correction)
    for freeze in sample.freezes(now):
        ledger.add_freeze(freeze)
    for override in sample.overrides(now):
        ledger.add_override(override)
    ledger.add_decisions(sample.decisions(now))


@contextmanager
def serving(
    folder: Path,
    make: Callable[[float], Snapshot] | None = sample.snapshot,
    *,
    tokens_required: bool = False,
) -> Iterator[Served]:
    served = Served(folder, tokens_required=tokens_required)
    served.start()
    try:
        if make is not None:
            served.publish(make(served.now()))
        yield served
    finally:
        served.stop()


if __name__ == "__main__":
    import sys
    import tempfile

    with tempfile.TemporaryDirectory() as place, serving(Path(place)) as engine:
        print(engine.url, flush=True)
        number = 1
        while True:
            time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 15)
            number += 1
            engine.publish(sample.snapshot(engine.now(), number))
