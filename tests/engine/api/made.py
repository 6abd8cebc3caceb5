"""Make the API over a real ledger and a made-up snapshot, with a clock that tests move."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.from_thread
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
from slo.engine.ledger.records import BudgetPoint, Token
from slo.engine.ledger.sql import SqlLedger, open_ledger
from slo.engine.ledger.tokens import new_token
from slo.engine.status.holder import Holder
from slo.engine.status.model import (
    Budget,
    BurnRate,
    Events,
    Period,
    Provenance,
    SloStatus,
    Snapshot,
    SourceHealth,
    State,
)

with warnings.catch_warnings():
    # It would like a newer httpx; ours is the one that the product uses.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NOW = 1_795_523_400.0
SCOPES = ("read", "gate", "write", "admin")
JSON = {"Content-Type": "application/json"}


def status(
    key: str = "checkout/availability", *, remaining: float | None = 0.5, **more: Any
) -> SloStatus:
    """Return how an SLO stands that is well unless *more* says otherwise."""
    service, name = key.split("/")
    bad, total = (1 - (remaining or 0.0)) * 1_000, 1_000_000.0
    settings: dict[str, Any] = {
        "id": f"{service}-{name}",
        "service": service,
        "name": name,
        "state": State.OK,
        "objective": 99.9,
        "method": "occurrences",
        "period": Period("30d", "rolling", 2_592_000.0, NOW - 2_592_000),
        "events": Events("events", total - bad, bad, total),
        "budget": Budget(0.001, 1 - (remaining or 0), remaining, remaining, 1_000 - bad, math.inf),
        "provenance": Provenance(NOW - 10, 10.0, 1.0, "prometheus"),
        "burn_rates": (BurnRate("1h", 0.4), BurnRate("6h", 0.4)),
        "owner": "payments",
        "tier": "critical",
    }
    return SloStatus(**{**settings, **more})


def snapshot(*statuses: SloStatus, number: int = 1, at: float = NOW, **more: Any) -> Snapshot:
    """Return a snapshot of *statuses*."""
    found = tuple(sorted(statuses, key=lambda s: s.key))
    health = (SourceHealth("prometheus", "up", "closed", at),)
    stale_from = min((s.provenance.evaluated_at or math.inf for s in found), default=math.inf) + 900
    return Snapshot(number, at, found, health, stale_from=stale_from, **more)


def shop() -> Snapshot:
    """Return a few services in several states, one of them with groups."""
    return snapshot(
        status(),
        status("checkout/latency", remaining=-0.25, state=State.BREACHED, tier="low"),
        status("search/availability", owner="search", state=State.WARNING),
        status("search/latency", group={"region": "eu"}),
        status("search/latency", group={"region": "us"}, remaining=0.9),
    )


@dataclass
class Made:
    """Hold an API that a test asks."""

    folder: Path
    now: float = NOW
    doors: Doors = field(default_factory=Doors)
    rate: float = 0.0
    heartbeat: float = 15.0
    client: TestClient = field(init=False)

    def __post_init__(self) -> None:
        self.ledger: SqlLedger = open_ledger(f"sqlite:///{self.folder / 'ledger.db'}")
        clock = lambda: self.now  # noqa: E731
        self.holder = Holder()
        views = Views(self.holder, clock)
        self.access = LedgerAccess(self.ledger)
        self.standing = Standing(self.access, clock)
        self.metrics = EngineMetrics(CollectorRegistry())
        self.recorder = DecisionRecorder(self.access, self.metrics, patience=5.0)
        decider = Decider(
            DEFAULT_POLICY, views=views, standing=self.standing, recorder=self.recorder, clock=clock
        )

        async def history(found: SloStatus, start: float, end: float) -> Sequence[BudgetPoint]:
            slo = f"{found.service}/{found.name}"
            return await self.access.call(lambda ledger: ledger.budget_points(slo, start, end))

        self.hub = EventHub()
        self.parts = Parts(
            holder=self.holder,
            views=views,
            access=self.access,
            standing=self.standing,
            decider=decider,
            hub=self.hub,
            metrics=self.metrics,
            history=history,
            limiter=RateLimiter(self.rate, clock=time.monotonic),
            clock=clock,
            doors=self.doors,
            heartbeat=self.heartbeat,
        )
        self.app = create_app(self.parts)
        self.client = TestClient(
            self.app, base_url="http://localhost", raise_server_exceptions=False
        )

    @property
    def portal(self) -> anyio.from_thread.BlockingPortal:
        """Return the way into the event loop of the application."""
        assert self.client.portal is not None
        return self.client.portal

    def publish(self, found: Snapshot) -> None:
        """Make *found* what the API knows."""
        self.portal.call(self.holder.publish, found)

    def refresh(self) -> None:
        """Let the API read the ledger anew."""
        assert self.portal.call(self.standing.refresh)

    def token(self, *scopes: str, expires_at: float | None = None, name: str = "robot") -> str:
        """Return the secret of a new token."""
        secret, digest = new_token()
        made = Token(f"tok-{digest[:12]}", name, scopes, self.now - 1, expires_at)
        self.ledger.add_token(made, digest)
        self.refresh()
        return secret


@contextmanager
def made(folder: Path, found: Snapshot | None = None, **settings: Any) -> Iterator[Made]:
    """Yield a running API that knows *found*."""
    api = Made(folder, **settings)
    with api.client:
        api.portal.call(start, api)
        if found is not None:
            api.publish(found)
        yield api
    api.ledger.close()


async def start(api: Made) -> None:
    await api.standing.refresh()
    api.recorder.start()


def bearer(secret: str) -> dict[str, str]:
    """Return the header that shows a token."""
    return {"Authorization": f"Bearer {secret}"}
