"""Let pipelines ask whether a deployment may go on."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from slo.engine.api.access import NOBODY, ScopedRoute, admit, needs, principal_of
from slo.engine.api.answers import DATA_AGE, JSON, described
from slo.engine.api.decider import Decided
from slo.engine.api.parts import parts_of
from slo.engine.api.problems import PROBLEM_TYPE, Problem, of_ledger
from slo.engine.api.schema import FlaggerPayload, GateAnswer, GateBrief, GateQuestion
from slo.engine.gates.request import GateRequest, InvalidRequest, request_from_json
from slo.engine.gates.webhooks import (
    argo_answer,
    argo_request,
    flagger_answer,
    flagger_request,
    flagger_token,
    strict_status,
)
from slo.errors import LedgerConflict

__all__ = ["decided", "json_body", "late_router", "router"]

router = APIRouter(prefix="/v1/gates", tags=["gates"], route_class=ScopedRoute)

_GATE = needs("gate")
_STRICT: dict[int | str, dict[str, Any]] = {
    status: {
        "description": words,
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/GateBrief"}},
            PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}},
        },
    }
    for status, words in ((409, "Deny, or a conflict."), (503, "Unknown, or not now."))
}
_TEXT = {"type": "string", "maxLength": 200, "description": "Printable characters."}
_PARAMETERS = (
    [{"name": "service", "in": "query", "required": True, "schema": {**_TEXT, "minLength": 1}}]
    + [
        {"name": name, "in": "query", "schema": _TEXT}
        for name in ("environment", "cause", "reference", "approved_by", "version")
    ]
    + [
        {"name": "slos", "in": "query", "schema": _TEXT, "description": "Joined by commas."},
        {"name": "dry_run", "in": "query", "schema": {"enum": ["true", "false"]}},
    ]
)
_WEBHOOK = {
    "requestBody": {
        "required": True,
        "content": {JSON: {"schema": FlaggerPayload.model_json_schema()}},
    }
}
_QUESTION = {
    "requestBody": {
        "required": True,
        "content": {JSON: {"schema": GateQuestion.model_json_schema()}},
    }
}


# Who asks is known only from the body.
late_router = APIRouter(prefix="/v1/gates", tags=["gates"])


@router.post(
    "/evaluate",
    summary="May this be deployed?",
    responses={
        **described(400, 409, 413, 422, model=GateAnswer),
        **_STRICT,
    },
    openapi_extra={**_GATE, **_QUESTION},
)
async def evaluate(
    request: Request,
    strict: Annotated[
        bool, Query(description="Answer 409 for deny and 503 for unknown, for simple tools.")
    ] = False,
) -> Response:
    """Answer allow, deny or unknown; with status 200 for each of them, unless `strict`."""
    try:
        question = request_from_json(await json_body(request))
    except InvalidRequest as error:
        raise Problem(422, "invalid-request", str(error)) from error
    answer = await decided(request, question)
    age = answer.decision.data_age
    headers = {} if age is None else {DATA_AGE: f"{age:.3f}"}
    status = strict_status(answer.decision) if strict else 200
    return Response(answer.body, status, media_type=JSON, headers=headers)


@router.get(
    "/argo",
    summary="The same for the web metric of Argo Rollouts",
    responses=described(409, 422, model=GateBrief),
    openapi_extra={**_GATE, "parameters": _PARAMETERS},
)
async def argo(request: Request) -> Response:
    """Take the question from the URL, and answer with status 200 for every verdict."""
    pairs = request.query_params.multi_items()
    parameters = dict(pairs)
    try:
        if len(parameters) < len(pairs):
            raise InvalidRequest("a parameter is given twice")
        question = argo_request(parameters)
    except InvalidRequest as error:
        raise Problem(422, "invalid-request", str(error)) from error
    return _brief(*argo_answer((await decided(request, question)).decision))


@late_router.post(
    "/flagger",
    summary="The same for a webhook of Flagger",
    responses={**described(400, 409, 413, 422, model=GateBrief), **_STRICT},
    openapi_extra={**_GATE, **_WEBHOOK},
)
async def flagger(request: Request) -> Response:
    """
    Take the payload of a webhook; 2xx lets the canary go on, anything else does not.

    Flagger sends no headers: its token stands in the metadata of the webhook.
    """
    if principal_of(request) is NOBODY:
        await _log_in_by_body(request)
    admit(principal_of(request), "gate")
    body = await json_body(request)
    try:
        question = flagger_request(body)
    except InvalidRequest as error:
        raise Problem(422, "invalid-request", str(error)) from error
    return _brief(*flagger_answer((await decided(request, question)).decision))


async def _log_in_by_body(request: Request) -> None:
    try:
        secret = flagger_token(await json_body(request))
    except Problem:
        return
    if secret is not None:
        parts = parts_of(request)
        found = parts.standing.now.tokens.find(secret, parts.clock())
        request.scope["slo.principal"] = found


def _brief(status: int, content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), status, media_type=JSON)


async def json_body(request: Request) -> Any:
    """
    Return what the body says.

    Validation is left to the gates: at 2,000 questions a second, doing it twice costs.

    Raises:
        Problem: It is not JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON and not kind.endswith("+json"):
        # A form of another site could send anything else without asking.
        raise Problem(422, "invalid-request", f"send the body as `Content-Type: {JSON}`")
    try:
        return json.loads(await request.body(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "not-json", "the body is not valid JSON") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


async def decided(request: Request, question: GateRequest) -> Decided:
    """
    Return the answer to *question*, and count it.

    Raises:
        Problem: Its idempotency key was used for another request.
    """
    parts = parts_of(request)
    began = time.perf_counter()
    failed = True
    try:
        answer = await parts.decider.decide(question, principal_of(request))
        failed = False
    except LedgerConflict as error:
        failed = False
        raise of_ledger(error) from error
    finally:
        parts.metrics.gate(time.perf_counter() - began, failed=failed)
    parts.metrics.decided(answer.decision.verdict.value)
    return answer
