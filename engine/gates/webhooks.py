"""
Speak with tools that bring their own shape of request, or read the status only.

Pure functions: what came in becomes a `GateRequest`, and a decision becomes a status and a
body. The API mounts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slo.engine.gates.decision import GateDecision, Verdict
from slo.engine.gates.request import GateRequest, InvalidRequest, request_from_json

__all__ = [
    "argo_answer",
    "argo_request",
    "flagger_answer",
    "flagger_request",
    "flagger_token",
    "strict_status",
]

_STRICT = {Verdict.ALLOW: 200, Verdict.DENY: 409, Verdict.UNKNOWN: 503}
_TEXTS = ("service", "environment", "cause", "reference", "approved_by", "version")
_SWITCHES = {"true": True, "false": False}


def strict_status(decision: GateDecision) -> int:
    """Return the HTTP status for tools that look at nothing else."""
    return _STRICT[decision.verdict]


def argo_request(parameters: Mapping[str, str]) -> GateRequest:
    """
    Return the request that the parameters of a URL hold; `slos` are joined by commas.

    Raises:
        InvalidRequest: A parameter is unknown, missing or too long.
    """
    return _from_texts(parameters, "parameter")


def argo_answer(decision: GateDecision) -> tuple[int, dict[str, Any]]:
    """
    Return the answer for the web metric of Argo Rollouts.

    Its conditions read `verdict`: what is neither allowed nor denied is inconclusive there,
    and pauses the rollout. The status is always 200, since anything else aborts it.
    """
    return 200, _brief(decision)


def flagger_request(body: Any) -> GateRequest:
    """
    Return the request that the payload of a Flagger webhook holds.

    The canary's name is the service; everything can be said by the webhook's metadata, under
    the names of the fields of `GateRequest`.

    Raises:
        InvalidRequest: It is no such payload, or its metadata says something unknown.
    """
    if not isinstance(body, Mapping):
        raise InvalidRequest("the body must be a JSON object")
    metadata = {} if body.get("metadata") is None else body["metadata"]
    if not isinstance(metadata, Mapping):
        raise InvalidRequest("`metadata` must be a JSON object")
    for key in ("namespace", "phase"):
        if not isinstance(body.get(key, ""), str | None):
            raise InvalidRequest(f"`{key}` must be text")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise InvalidRequest(f"the entry of `metadata` `{key}` must be text")
    # Flagger adds entries of its own to events.
    known = {key: metadata[key] for key in (*_TEXTS, "slos", "dry_run") if key in metadata}
    return _from_texts({"service": body.get("name"), **known}, "entry of `metadata`")


def flagger_token(body: Any) -> str | None:
    """
    Return the token in the metadata of a Flagger webhook, which cannot send headers.

    It should have no scope but `gate`: whoever may read the canary can read it.
    """
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    token = metadata.get("token") if isinstance(metadata, Mapping) else None
    return token if isinstance(token, str) and token else None


def flagger_answer(decision: GateDecision) -> tuple[int, dict[str, Any]]:
    """Return the answer for a Flagger webhook: 2xx goes on, anything else waits or halts."""
    return strict_status(decision), _brief(decision)


def _from_texts(texts: Mapping[str, Any], what: str) -> GateRequest:
    body: dict[str, Any] = {}
    for key, value in texts.items():
        if not isinstance(value, str):
            if key == "service":
                raise InvalidRequest("`service` is missing")
            raise InvalidRequest(f"the {what} `{key}` must be text")
        if key == "slos":
            body[key] = [name.strip() for name in value.split(",") if name.strip()]
        elif key == "dry_run":
            if value not in _SWITCHES:
                raise InvalidRequest(f"the {what} `dry_run` must be true or false")
            body[key] = _SWITCHES[value]
        elif key in _TEXTS:
            body[key] = value or None
        else:
            raise InvalidRequest(f"unknown {what} `{key}`")
    return request_from_json(body)


def _brief(decision: GateDecision) -> dict[str, Any]:
    first = decision.reasons[0]
    return {
        "verdict": decision.verdict.value,
        "reason": str(first.code),
        "message": first.message,
        "changes": list(decision.changes),
        "decision": decision.id,
        "evaluated_at": decision.evaluated_at,
        "data_age": decision.data_age,
        "expires_at": decision.expires_at,
    }
