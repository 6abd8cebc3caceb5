"""Stream what changes to those who listen (server-sent events)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from slo.engine.api.access import ScopedRoute, needs
from slo.engine.api.answers import described
from slo.engine.api.hub import Stream, event_of
from slo.engine.api.parts import Parts, parts_of
from slo.engine.api.problems import Problem
from slo.engine.status.model import SloStatus, Snapshot

__all__ = ["announce", "beat", "router"]

router = APIRouter(prefix="/v1", tags=["events"], route_class=ScopedRoute)

_MOST_CHANGED = 500
_RETRY = b"retry: 3000\n\n"


@router.get(
    "/events",
    summary="Changes as they happen",
    responses={
        **described(503),
        200: {
            "description": "A stream of the events `snapshot`, `records` and `age`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
    response_class=StreamingResponse,
    openapi_extra=needs("read"),
)
async def events(request: Request) -> Response:
    """Send the latest snapshot's number at once, then every change, and a sign of life."""
    parts = parts_of(request)
    stream = parts.hub.open()
    if stream is None:
        raise Problem(
            503,
            "too-many-streams",
            "too many clients listen already",
            headers={"Retry-After": "30"},
        )
    return StreamingResponse(
        _sent(parts, stream),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _sent(parts: Parts, stream: Stream) -> AsyncIterator[bytes]:
    try:
        yield _RETRY
        found = parts.views.now()
        if found is not None:
            yield _snapshot_event(parts, None)
        async for event in stream.events():
            yield event
    finally:
        parts.hub.leave(stream)


async def announce(parts: Parts) -> None:
    """Tell those who listen of every snapshot, until cancelled."""
    before: Snapshot | None = None
    async for snapshot in parts.holder.subscribe():
        if len(parts.hub):
            parts.hub.publish(_snapshot_event(parts, _changed(before, snapshot)))
        before = snapshot


async def beat(parts: Parts) -> None:
    """Send a sign of life with the age of the numbers now and then, until cancelled."""
    while True:
        await asyncio.sleep(parts.heartbeat)
        if len(parts.hub):
            parts.hub.publish(event_of("age", json.dumps(_state(parts))))


def _snapshot_event(parts: Parts, changed: list[str] | None) -> bytes:
    state = _state(parts)
    return event_of("snapshot", json.dumps({**state, "changed": changed}), state["snapshot"])


def _state(parts: Parts) -> dict[str, Any]:
    found = parts.views.now()
    if found is None:
        return {"snapshot": None, "taken_at": None, "age": None, "stale": True}
    view, age = found
    return {
        "snapshot": view.snapshot.number,
        "taken_at": view.snapshot.taken_at,
        "age": round(age, 3),
        "stale": age > parts.views.stale_after,
        "stale_after": parts.views.stale_after,
        "complete": view.snapshot.complete,
        "states": view.states(),
    }


def _changed(before: Snapshot | None, after: Snapshot) -> list[str] | None:
    """Return the keys of what differs; `None` where that is not known, or too much."""
    if before is None:
        return None
    old: Mapping[str, SloStatus] = {status.key: status for status in before.statuses}
    found = [status.key for status in after.statuses if _differs(old.get(status.key), status)]
    found += old.keys() - {status.key for status in after.statuses}
    return sorted(found) if len(found) <= _MOST_CHANGED else None


def _differs(old: SloStatus | None, new: SloStatus) -> bool:
    if old is new:
        return False
    return old is None or (
        (old.state, old.budget, old.burn_rates, old.alerts, old.corrections, old.revision)
        != (new.state, new.budget, new.burn_rates, new.alerts, new.corrections, new.revision)
    )
