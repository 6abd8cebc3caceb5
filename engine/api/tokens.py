"""Manage tokens over the API, for those who may do everything."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import TypeAdapter
from starlette.responses import Response

from slo.engine.api.access import ScopedRoute, needs, principal_of
from slo.engine.api.answers import JSON, described
from slo.engine.api.parts import parts_of
from slo.engine.api.records import from_ledger, new_id, written
from slo.engine.api.schema import NewToken, TokenInput, TokenList
from slo.engine.ledger.records import Token
from slo.engine.ledger.tokens import new_token

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["tokens"], route_class=ScopedRoute)

_ADMIN = needs("admin")
_TOKENS: TypeAdapter[tuple[Token, ...]] = TypeAdapter(tuple[Token, ...])


@router.get(
    "/tokens",
    summary="All tokens, without their secrets",
    responses=described(503, model=TokenList),
    openapi_extra=_ADMIN,
)
async def tokens(request: Request) -> Response:
    """Return tokens, oldest first."""
    found = await from_ledger(request, lambda ledger: ledger.tokens())
    listed = _TOKENS.dump_json(tuple(token for token, _ in found))
    return Response(b'{"tokens":%b}' % listed, media_type=JSON)


@router.post(
    "/tokens",
    status_code=201,
    summary="Make a token",
    responses=described(400, 409, 413, 422, 503, model=NewToken, status=201),
    openapi_extra=_ADMIN,
)
async def add_token(request: Request, given: TokenInput) -> Response:
    """Make a token and return its secret, which is stored nowhere."""
    secret, digest = new_token()
    parts = parts_of(request)
    record = Token(
        id=new_id("tok"),
        name=given.name,
        scopes=tuple(dict.fromkeys(given.scopes)),
        created_at=parts.clock(),
        expires_at=given.expires_at,
    )
    kept = await from_ledger(request, lambda ledger: ledger.add_token(record, digest), writing=True)
    await parts.standing.refresh()
    content = {"token": asdict(kept), "secret": secret}
    return Response(json.dumps(content), 201, media_type=JSON)


@router.delete(
    "/tokens/{token_id}",
    summary="Revoke a token",
    responses=described(404, 422, 503, model=Token),
    openapi_extra=_ADMIN,
)
async def revoke_token(
    request: Request, token_id: Annotated[str, Path(min_length=1, max_length=200)]
) -> Response:
    """Revoke a token; this replica refuses it at once, others within seconds."""
    who, now = principal_of(request).name, parts_of(request).clock()
    return await written(request, "token", lambda ledger: ledger.revoke_token(token_id, who, now))
