"""Give the board to an application: one page, its parts, and a login for browsers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from slo.engine.api.parts import parts_of
from slo.engine.api.problems import Problem

__all__ = ["COOKIE", "assets", "mount_board"]

# Event streams cannot send an Authorization header: a browser shows its token in this cookie.
COOKIE = "slo_token"
_DAY_SECONDS = 86_400
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    media_type: str
    etag: str


def assets() -> Mapping[str, _Asset]:
    """Return the files of the board by name; nothing else is ever served."""
    found = {}
    for entry in files(__package__).joinpath("static").iterdir():
        suffix = "." + entry.name.rpartition(".")[2]
        if suffix in _TYPES:
            content = entry.read_bytes()
            digest = hashlib.blake2s(content, digest_size=8).hexdigest()
            found[entry.name] = _Asset(content, _TYPES[suffix], f'"{digest}"')
    return found


def mount_board(app: FastAPI) -> None:
    """
    Serve the page at `/` and its parts below `/board/`.

    They hold no numbers, so that they need no token; the page asks for one where the API does.
    """
    known = assets()

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return _answer(request, known[_PAGE])

    @app.get("/board", include_in_schema=False)
    @app.get("/board/", include_in_schema=False)
    async def elsewhere(request: Request) -> Response:
        home = "../" if request.url.path.endswith("/") else "./"
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(home + query)

    @app.get("/board/{name}", include_in_schema=False)
    async def part(request: Request, name: str) -> Response:
        asset = known.get(name)
        if asset is None or name == _PAGE:
            raise Problem(404, "not-found", "the board has no such part")
        return _answer(request, asset)

    @app.post("/board/session", include_in_schema=False)
    async def log_in(request: Request) -> Response:
        secret = _secret(await request.body())
        parts = parts_of(request)
        if not parts.standing.now.tokens.find(secret, parts.clock()).may("read"):
            raise Problem(403, "forbidden", "this token may not read")
        answer = Response(status_code=204)
        answer.set_cookie(
            COOKIE,
            secret,
            max_age=_DAY_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @app.delete("/board/session", include_in_schema=False)
    async def log_out(request: Request) -> Response:
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer


def _answer(request: Request, asset: _Asset) -> Response:
    # A new version of the engine must not meet the old version of its page.
    headers = {"ETag": asset.etag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _secret(body: bytes) -> str:
    try:
        secret = json.loads(body)["token"]
    except (ValueError, TypeError, KeyError, RecursionError):
        secret = None
    if not isinstance(secret, str):
        raise Problem(422, "invalid-request", 'send {"token": "slo_..."}')
    return secret.strip()
