"""Say what is wrong with a request, as problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from slo.errors import InvalidRecord, LedgerConflict, LedgerError, UnknownRecord

__all__ = ["BUG", "PROBLEM_TYPE", "Problem", "of_ledger", "of_validation", "problem_response"]

PROBLEM_TYPE = "application/problem+json"
_NAMES = "urn:slostack:problem:"


class Problem(Exception):
    """
    End a request.

    Args:
        status: Of HTTP.
        name: What kind of problem it is, in words with hyphens; part of its `type`.
        detail: What is wrong this time, and what to do.
        headers: Sent with the answer.
        more: Members of the answer beside those of the RFC.
    """

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def body(self, request_id: str) -> bytes:
        """Return the answer's body."""
        content = {
            "type": _NAMES + self.name,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "request_id": request_id,
            **self.more,
        }
        return json.dumps(content, ensure_ascii=False).encode(errors="replace")


BUG = Problem(500, "internal", "the engine made a mistake; its log says more")


def problem_response(problem: Problem, request_id: str) -> Response:
    """Return the answer that says what is wrong."""
    return Response(
        problem.body(request_id),
        problem.status,
        headers={**problem.headers, "Content-Type": PROBLEM_TYPE},
    )


def of_ledger(error: LedgerError, *, writing: bool = True) -> Problem:
    """Return what to answer when the ledger refused or failed."""
    if isinstance(error, InvalidRecord):
        return Problem(422, "invalid-record", str(error))
    if isinstance(error, LedgerConflict):
        return Problem(409, "conflict", str(error))
    if isinstance(error, UnknownRecord):
        return Problem(404, "unknown-record", str(error))
    return Problem(
        503,
        "ledger-unavailable",
        f"nothing was recorded: {error}" if writing else str(error),
        headers={"Retry-After": "5"},
    )


def of_validation(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return what to answer to a request whose parts are not what they should be."""
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(400, "not-json", "the body is not valid JSON")
    found = [
        {
            "at": "/".join(map(str, error["loc"])),
            "message": str(error["msg"]).removeprefix("Value error, "),
        }
        for error in errors
    ]
    first = found[0]
    return Problem(
        422, "invalid-request", f"{first['at']}: {first['message']}", more={"errors": found}
    )
