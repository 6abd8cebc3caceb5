"""Make the answers that several routes share, and declare them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.responses import Response

from slo.engine.api.packing import SMALLEST, Kept, gzipped, packed, wants_gzip
from slo.engine.api.parts import Parts, parts_of
from slo.engine.api.problems import PROBLEM_TYPE, Problem
from slo.engine.api.view import View, etag_of

__all__ = ["DATA_AGE", "JSON", "aged_answer", "described", "large_answer", "latest"]

JSON = "application/json"
DATA_AGE = "Slo-Data-Age"
_WORDS = {
    400: "The body is not JSON.",
    401: "There is no token, or none that counts.",
    403: "The token lacks the scope.",
    404: "There is no such thing.",
    409: "The idempotency key or the id stands for something else.",
    413: "The body is too large.",
    414: "The address is too long.",
    421: "The engine does not answer for this host.",
    422: "A part of the request is not what it should be.",
    429: "Too many requests.",
    503: "It cannot be done at the moment.",
}
_ALWAYS = (401, 403, 414, 421, 429)


def described(
    *statuses: int, model: Any = None, example: Any = None, status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route: its own answer, and the problems it may meet."""
    found: dict[int | str, dict[str, Any]] = {
        code: {
            "description": _WORDS[code],
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
        for code in sorted({*_ALWAYS, *statuses})
    }
    if model is not None:
        found[status] = {"model": model, "description": "The answer."}
        if example is not None:
            found[status]["content"] = {JSON: {"example": example}}
    return found


def latest(parts: Parts) -> tuple[View, float]:
    """
    Return the view of the latest snapshot, and its age.

    Raises:
        Problem: There is none yet.
    """
    found = parts.views.now()
    if found is None:
        raise Problem(
            503,
            "no-snapshot",
            "no metrics server has been read yet; try again in a moment",
            headers={"Retry-After": "5"},
        )
    return found


async def aged_answer(
    request: Request, view: View, age: float, question: str, rest: bytes
) -> Response:
    """
    Return an answer with the age of its numbers, or 304 for who has it already.

    Args:
        question: What was asked, in one form only.
        rest: The answer without its head.
    """
    etag = etag_of(view, question)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", DATA_AGE: f"{age:.3f}"}
    known = request.headers.get("if-none-match")
    if known is not None and (known.strip() == "*" or etag in _tags(known)):
        return Response(status_code=304, headers={**headers, "Vary": "Accept-Encoding"})
    head = view.head(age, parts_of(request).views.stale_after)
    return await _sent(request, head, rest, headers, JSON, view.packed, question)


async def large_answer(
    request: Request, body: bytes, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an answer that nobody else gets, packed where it is large."""
    return await _sent(request, b"", body, headers or {}, media_type, {}, "")


async def _sent(
    request: Request,
    head: bytes,
    rest: bytes,
    headers: Mapping[str, str],
    media_type: str,
    kept: Kept,
    question: str,
) -> Response:
    varying = {**headers, "Vary": "Accept-Encoding"}
    if len(rest) < SMALLEST or not wants_gzip(request.headers):
        return Response(head + rest, headers=varying, media_type=media_type)
    body = gzipped(head, rest, await packed(kept, question, rest))
    return Response(body, headers={**varying, "Content-Encoding": "gzip"}, media_type=media_type)


def _tags(header: str) -> set[str]:
    tags = {tag.strip() for tag in header.split(",")}
    # A weak comparison: a proxy may have dropped the mark.
    return tags | {f"W/{tag}" for tag in tags}
