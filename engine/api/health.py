"""Say whether the engine lives, can serve, and what it has done."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from slo.engine.api.access import ScopedRoute, needs
from slo.engine.api.answers import JSON, described, large_answer
from slo.engine.api.metrics import METRICS_TYPE
from slo.engine.api.parts import parts_of
from slo.engine.api.schema import Ready
from slo.engine.api.standing_metrics import standing_text

__all__ = ["router"]

router = APIRouter(tags=["health"], route_class=ScopedRoute)


@router.get(
    "/healthz",
    summary="Is the process alive?",
    responses={
        **described(),
        200: {"description": "It is.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
    openapi_extra=needs("anybody"),
)
async def healthz() -> Response:
    """Answer as long as the event loop turns; restart the process when this fails."""
    return Response("ok\n", media_type="text/plain")


@router.get(
    "/readyz",
    summary="May it get traffic?",
    responses={
        **described(model=Ready),
        503: {"model": Ready, "description": "Not now; the reasons say why."},
    },
    openapi_extra=needs("anybody"),
)
async def readyz(request: Request) -> Response:
    """
    Answer 200 once there is something to answer with, and 503 before, and on shutting down.

    A metrics server or ledger that is away is no reason: reads and gates go on without them.
    """
    reasons = list(parts_of(request).unready())
    content = {"ready": not reasons, "reasons": reasons}
    return Response(json.dumps(content), 503 if reasons else 200, media_type=JSON)


@router.get(
    "/metrics",
    summary="The engine's own metrics",
    responses={
        **described(),
        200: {
            "description": "The text format of Prometheus.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
    },
    openapi_extra=needs("read"),
)
async def metrics(request: Request) -> Response:
    """Return counters of the engine, and the budgets that it has worked out."""
    parts = parts_of(request)
    found = parts.views.now()
    text = parts.metrics.text(found[0] if found else None)
    text += standing_text(parts.standing.now, parts.clock())
    return await large_answer(request, text, METRICS_TYPE)
