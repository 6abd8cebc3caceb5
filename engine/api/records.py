"""Let people record corrections, freezes and overrides, and read what is recorded."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from slo.engine.api.access import ScopedRoute, needs, principal_of
from slo.engine.api.answers import JSON, described
from slo.engine.api.hub import event_of
from slo.engine.api.parts import parts_of
from slo.engine.api.problems import of_ledger
from slo.engine.api.schema import (
    CorrectionInput,
    CorrectionList,
    DecisionList,
    FreezeInput,
    FreezeList,
    Moment,
    OverrideInput,
    OverrideList,
)
from slo.engine.ledger.records import Correction, Decision, Freeze, Override, Target
from slo.engine.ledger.sql import SqlLedger
from slo.errors import LedgerError

__all__ = ["from_ledger", "new_id", "router", "written"]

T = TypeVar("T")

router = APIRouter(prefix="/v1", tags=["records"], route_class=ScopedRoute)

_READ, _WRITE = needs("read"), needs("write")
_AROUND_SECONDS = 90 * 86_400.0
_LONGEST_AHEAD = 400 * 86_400.0
_MOST_DECISIONS = 1_000
_RecordId = Annotated[str, Path(min_length=1, max_length=200)]
_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="A request that is sent again with it records nothing new.",
    ),
]
_Start = Annotated[Moment | None, Query(description="90 days ago if left out.")]
_End = Annotated[Moment | None, Query(description="In 90 days if left out.")]

_CORRECTIONS: TypeAdapter[tuple[Correction, ...]] = TypeAdapter(tuple[Correction, ...])
_FREEZES: TypeAdapter[tuple[Freeze, ...]] = TypeAdapter(tuple[Freeze, ...])
_OVERRIDES: TypeAdapter[tuple[Override, ...]] = TypeAdapter(tuple[Override, ...])
_DECISIONS: TypeAdapter[tuple[Decision, ...]] = TypeAdapter(tuple[Decision, ...])


@router.get(
    "/corrections",
    summary="Corrections that touch a stretch of time",
    responses=described(422, 503, model=CorrectionList),
    openapi_extra=_READ,
)
async def corrections(request: Request, start: _Start = None, end: _End = None) -> Response:
    """Return corrections, oldest first; also those that were taken back."""
    since, until = _around(request, start, end)
    found = await from_ledger(
        request, lambda ledger: ledger.corrections(since, until, cancelled=True)
    )
    return _listed("corrections", _CORRECTIONS, found)


@router.post(
    "/corrections",
    status_code=201,
    summary="Take a stretch of time out of the count",
    responses=described(400, 409, 413, 422, 503, model=Correction, status=201),
    openapi_extra=_WRITE,
)
async def add_correction(
    request: Request, given: CorrectionInput, idempotency_key: _Key = None
) -> Response:
    """Record a correction; budgets hold it with the next refresh, gates and board likewise."""
    record = Correction(
        effect=given.effect, category=given.category, **_span(request, given, "cor")
    )
    return await written(
        request,
        "correction",
        lambda ledger: ledger.add_correction(record, idempotency_key),
        status=201,
    )


@router.delete(
    "/corrections/{record_id}",
    summary="Take a correction back",
    responses=described(404, 422, 503, model=Correction),
    openapi_extra=_WRITE,
)
async def cancel_correction(request: Request, record_id: _RecordId) -> Response:
    """Cancel a correction; it stays on record, and says who cancelled it."""
    who, now = principal_of(request).name, parts_of(request).clock()
    return await written(
        request, "correction", lambda ledger: ledger.cancel_correction(record_id, who, now)
    )


@router.get(
    "/freezes",
    summary="Freezes that touch a stretch of time",
    responses=described(422, 503, model=FreezeList),
    openapi_extra=_READ,
)
async def freezes(request: Request, start: _Start = None, end: _End = None) -> Response:
    """Return freezes, oldest first; also those that were taken back."""
    since, until = _around(request, start, end)
    found = await from_ledger(request, lambda ledger: ledger.freezes(since, until, cancelled=True))
    return _listed("freezes", _FREEZES, found)


@router.post(
    "/freezes",
    status_code=201,
    summary="Forbid deployments for a while",
    responses=described(400, 409, 413, 422, 503, model=Freeze, status=201),
    openapi_extra=_WRITE,
)
async def add_freeze(
    request: Request, given: FreezeInput, idempotency_key: _Key = None
) -> Response:
    """Record a freeze; gates know of it at once."""
    record = Freeze(**_span(request, given, "frz"))
    return await written(
        request, "freeze", lambda ledger: ledger.add_freeze(record, idempotency_key), status=201
    )


@router.delete(
    "/freezes/{record_id}",
    summary="End a freeze",
    responses=described(404, 422, 503, model=Freeze),
    openapi_extra=_WRITE,
)
async def cancel_freeze(request: Request, record_id: _RecordId) -> Response:
    """End a freeze now, or prevent it; it stays on record."""
    who, now = principal_of(request).name, parts_of(request).clock()
    return await written(
        request, "freeze", lambda ledger: ledger.cancel_freeze(record_id, who, now)
    )


@router.get(
    "/overrides",
    summary="Overrides that touch a stretch of time",
    responses=described(422, 503, model=OverrideList),
    openapi_extra=_READ,
)
async def overrides(request: Request, start: _Start = None, end: _End = None) -> Response:
    """Return overrides, oldest first."""
    since, until = _around(request, start, end)
    found = await from_ledger(request, lambda ledger: ledger.overrides_between(since, until))
    return _listed("overrides", _OVERRIDES, found)


@router.post(
    "/overrides",
    status_code=201,
    summary="Decide otherwise than the policy, for a while",
    responses=described(400, 409, 413, 422, 503, model=Override, status=201),
    openapi_extra=_WRITE,
)
async def add_override(
    request: Request, given: OverrideInput, idempotency_key: _Key = None
) -> Response:
    """Record an override; gates know of it at once, and name it in their answers."""
    record = Override(
        id=new_id("ovr"),
        target=Target(given.target.slo, given.target.environment),
        verdict=given.verdict,
        reason=given.reason,
        created_by=principal_of(request).name,
        created_at=parts_of(request).clock(),
        expires_at=given.expires_at,
    )
    return await written(
        request, "override", lambda ledger: ledger.add_override(record, idempotency_key), status=201
    )


@router.delete(
    "/overrides/{record_id}",
    summary="Take an override back",
    responses=described(404, 422, 503, model=Override),
    openapi_extra=_WRITE,
)
async def revoke_override(request: Request, record_id: _RecordId) -> Response:
    """Revoke an override; it stays on record."""
    who, now = principal_of(request).name, parts_of(request).clock()
    return await written(
        request, "override", lambda ledger: ledger.revoke_override(record_id, who, now)
    )


@router.get(
    "/decisions",
    summary="What the gates decided",
    responses=described(422, 503, model=DecisionList),
    openapi_extra=_READ,
)
async def decisions(
    request: Request,
    slo: Annotated[
        str | None,
        Query(min_length=1, max_length=400, description="`service/name`, or a service."),
    ] = None,
    before: Annotated[Moment | None, Query(description="Only those that are older.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_DECISIONS)] = 100,
) -> Response:
    """Return decisions, newest first."""
    found = await from_ledger(
        request, lambda ledger: ledger.decisions(slo=slo, before=before, limit=limit)
    )
    following = found[-1].at if len(found) == limit else None
    rest = b',"before":%b}' % json.dumps(following).encode()
    body = b'{"decisions":' + _DECISIONS.dump_json(found) + rest
    return Response(body, media_type=JSON)


async def from_ledger(
    request: Request, work: Callable[[SqlLedger], T], *, writing: bool = False
) -> T:
    """
    Return what *work* does with the ledger.

    Raises:
        Problem: It did not work.
    """
    try:
        return await parts_of(request).access.call(work)
    except LedgerError as error:
        raise of_ledger(error, writing=writing) from error


async def written(
    request: Request, kind: str, work: Callable[[SqlLedger], Any], *, status: int = 200
) -> Response:
    """Return the record that *work* wrote, once gates go by it and those who listen know."""
    record = await from_ledger(request, work, writing=True)
    parts = parts_of(request)
    await parts.standing.refresh()
    parts.hub.publish(event_of("records", json.dumps({"kind": kind, "id": record.id})))
    body = TypeAdapter(type(record)).dump_json(record)
    return Response(body, status, media_type=JSON)


def new_id(prefix: str) -> str:
    """Return a new id that nobody can guess."""
    return f"{prefix}-{secrets.token_hex(12)}"


def _span(request: Request, given: CorrectionInput | FreezeInput, prefix: str) -> dict[str, Any]:
    return {
        "id": new_id(prefix),
        "target": Target(given.target.slo, given.target.environment),
        "start": given.start,
        "end": given.end,
        "reason": given.reason,
        "created_by": principal_of(request).name,
        "created_at": parts_of(request).clock(),
        "recurrence": given.recurrence,
        "time_zone": given.time_zone,
    }


def _around(request: Request, start: float | None, end: float | None) -> tuple[float, float]:
    now = parts_of(request).clock()
    since = max(0.0, now - _AROUND_SECONDS) if start is None else start
    until = now + _AROUND_SECONDS if end is None else end
    # A recurrence is worked out for the whole stretch.
    return since, min(until, since + _LONGEST_AHEAD)


def _listed(name: str, adapter: TypeAdapter[Any], found: Any) -> Response:
    return Response(b'{"%b":%b}' % (name.encode(), adapter.dump_json(found)), media_type=JSON)
