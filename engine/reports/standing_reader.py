"""Read how SLOs stand, from an engine or straight from a metrics server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from pydantic import TypeAdapter

from slo.engine.reports.engine_client import EngineClient
from slo.engine.reports.server_reader import read_standing
from slo.engine.reports.status_table import Trends
from slo.engine.sources.connection import Connection
from slo.engine.status.model import SloStatus, Snapshot
from slo.engine.status.snapshots import aged
from slo.errors import ToolError

__all__ = ["Standing", "StandingReader", "as_json", "open_reader"]

_STATUS: TypeAdapter[SloStatus] = TypeAdapter(SloStatus)
_MOST_TRENDS = 60
_TREND_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Hold a snapshot, and when it is looked at."""

    snapshot: Snapshot
    now: float

    def at(self, now: float) -> Standing:
        """Return the same as it is to be read at *now*: what has become too old is stale."""
        return Standing(aged(replace(self.snapshot, stale_from=0.0), now), now)


class StandingReader(Protocol):
    """Read how SLOs stand."""

    def read(self) -> Standing:
        """
        Return it.

        Raises:
            ToolError: It cannot be read.
        """
        ...

    def trends(self, statuses: Sequence[SloStatus], now: float) -> Trends | None:
        """Return how their budgets went down; `None` where the past is not known."""
        ...

    def now(self) -> float:
        """Return Unix seconds."""
        ...


class _FromEngine:
    def __init__(self, client: EngineClient) -> None:
        self._client = client
        self._trends: dict[str, tuple[float, Sequence[float | None]]] = {}

    def read(self) -> Standing:
        snapshot = self._client.snapshot()
        return Standing(snapshot, self._client.now())

    def trends(self, statuses: Sequence[SloStatus], now: float) -> Trends | None:
        # Those that need attention come first; a burn-down changes slowly.
        for status in statuses[:_MOST_TRENDS]:
            kept = self._trends.get(status.key)
            if kept is not None and now - kept[0] < _TREND_SECONDS:
                continue
            start = status.period.start or now - (status.period.seconds or 30 * 86_400.0)
            try:
                points = self._client.history(status, start, now)
            except ToolError:
                return {key: values for key, (_, values) in self._trends.items()}
            self._trends[status.key] = (now, [point.remaining for point in points])
        return {key: values for key, (_, values) in self._trends.items()}

    def now(self) -> float:
        return self._client.now()


class _FromServer:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self) -> Standing:
        snapshot = read_standing(self._connection)
        return Standing(aged(snapshot, self.now()), self.now())

    def trends(self, statuses: Sequence[SloStatus], now: float) -> Trends | None:
        return None

    def now(self) -> float:
        return time.time()


@contextmanager
def open_reader(
    connection: Connection, token: str | None, *, is_engine: bool
) -> Iterator[StandingReader]:
    """Open what *connection* leads to."""
    import stamina

    # What went wrong is said once, at the end.
    stamina.instrumentation.set_on_retry_hooks([])
    if not is_engine:
        yield _FromServer(connection)
        return
    with EngineClient(connection, token) as client:
        yield _FromEngine(client)


def as_json(standing: Standing, statuses: Sequence[SloStatus]) -> str:
    """Return *statuses* in the form of `GET /v1/slos`."""
    snapshot = standing.snapshot
    body = {
        "taken_at": snapshot.taken_at,
        "age": round(snapshot.age(standing.now), 3),
        "complete": snapshot.complete,
        "total": len(statuses),
        "slos": [
            {"key": status.key, **_STATUS.dump_python(status, mode="json")} for status in statuses
        ],
    }
    return json.dumps(body, indent=2)
