"""Know who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from slo.engine.api.problems import Problem
from slo.engine.ledger.records import Token
from slo.engine.ledger.tokens import TOKEN_PREFIX, hash_token, is_token

__all__ = [
    "LOCAL",
    "NOBODY",
    "Principal",
    "ScopedRoute",
    "TokenBook",
    "admit",
    "needs",
    "principal_of",
]

_SCOPES = frozenset(("read", "gate", "write", "admin"))
_LONGEST_TOKEN = 256
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="slo"'}
_ANYBODY = "anybody"


@dataclass(frozen=True, slots=True)
class Principal:
    """
    Hold who asks.

    Args:
        name: Stands in the ledger as who did it.
        token_id: `None` for who showed no token.
    """

    name: str
    scopes: frozenset[str]
    token_id: str | None = None

    def may(self, scope: str) -> bool:
        """Tell whether they may do what needs *scope*; `admin` includes everything."""
        return scope in self.scopes or "admin" in self.scopes


LOCAL = Principal("local", _SCOPES)
NOBODY = Principal("nobody", frozenset())


class TokenBook:
    """
    Find tokens by their secrets, without a look into the database.

    Args:
        tokens: Tokens with the hashes of their secrets.
    """

    def __init__(self, tokens: Mapping[str, Token]) -> None:
        self._tokens = dict(tokens)

    def __len__(self) -> int:
        return len(self._tokens)

    def find(self, secret: str, now: float) -> Principal:
        """
        Return whose token *secret* is.

        The look-up is by hash, which tells nobody how near a guess came; what is found is
        compared in constant time all the same.

        Raises:
            Problem: It is nobody's, or not valid any more.
        """
        if not secret.startswith(TOKEN_PREFIX) or len(secret) > _LONGEST_TOKEN:
            raise _refused("this is not a token of the engine; make one with `slo token create`")
        digest = hash_token(secret)
        token = self._tokens.get(digest)
        if token is None or not is_token(secret, digest):
            raise _refused("nobody has this token")
        if token.revoked_at is not None and token.revoked_at <= now:
            raise _refused("this token was revoked")
        if token.expires_at is not None and token.expires_at <= now:
            raise _refused("this token has expired")
        return Principal(token.name, frozenset(token.scopes), token.id)


def _refused(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers=_CHALLENGE)


def needs(scope: str) -> dict[str, Any]:
    """Return what a route declares to be open to those with *scope*; `anybody` for no token."""
    if scope == _ANYBODY:
        return {"security": []}
    return {"security": [{"token": [scope]}]}


def principal_of(request: Request) -> Principal:
    """Return who makes *request*."""
    found: Principal = request.scope["slo.principal"]
    return found


def admit(principal: Principal, scope: str) -> None:
    """
    Let only those go on who may do what needs *scope*.

    Raises:
        Problem: They may not.
    """
    if principal.may(scope):
        return
    if principal is NOBODY:
        raise _refused("send a token: `Authorization: Bearer slo_...`")
    held = ", ".join(sorted(principal.scopes))
    raise Problem(
        403,
        "forbidden",
        f"this needs a token with the scope `{scope}`; {principal.name} has {held}",
    )


class ScopedRoute(APIRoute):
    """Check the scope that a route declares before anything of the request is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, behind the check."""
        handler = super().get_route_handler()
        # A route that declares nothing is a mistake, and must not be open.
        security: list[dict[str, list[str]]] = (self.openapi_extra or {})["security"]
        if not security:
            return handler
        (scope,) = security[0]["token"]

        async def guarded(request: Request) -> Response:
            admit(principal_of(request), scope)
            return await handler(request)

        return guarded
