"""Hold what somebody asks a gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slo.errors import SloError

__all__ = ["DEFAULT_ENVIRONMENT", "GateRequest", "InvalidRequest", "request_from_json"]

DEFAULT_ENVIRONMENT = "production"
_LONGEST = 200
_MOST_SLOS = 100
_TEXTS = (
    *("service", "environment", "cause", "reference"),
    *("approved_by", "version", "idempotency_key"),
)


class InvalidRequest(SloError):
    """Say what is wrong with a request; the message is shown to who sent it."""


@dataclass(frozen=True, slots=True)
class GateRequest:
    """
    Ask whether a deployment may go on.

    Args:
        slos: Names within the service; empty for all of them.
        cause: Why it is urgent, such as `security_fix`; the policy knows the causes.
        reference: Ticket, incident or review that speaks for it.
        approved_by: Who approved of it, where the policy asks for that.
        version: What is to be deployed, for the record.
        dry_run: Say what would be decided, and allow.
    """

    service: str
    slos: tuple[str, ...] = ()
    environment: str = DEFAULT_ENVIRONMENT
    cause: str | None = None
    reference: str | None = None
    approved_by: str | None = None
    version: str | None = None
    dry_run: bool = False
    idempotency_key: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the body of `POST /v1/gates/evaluate`."""
        return {
            "service": self.service,
            "slos": list(self.slos),
            "environment": self.environment,
            "cause": self.cause,
            "reference": self.reference,
            "approved_by": self.approved_by,
            "version": self.version,
            "dry_run": self.dry_run,
            "idempotency_key": self.idempotency_key,
        }


def request_from_json(body: Mapping[str, Any]) -> GateRequest:
    """
    Return the request that *body* holds.

    Raises:
        InvalidRequest: A key is unknown, missing, of another type or too long.
    """
    if not isinstance(body, Mapping):
        raise InvalidRequest("the body must be a JSON object")
    unknown = sorted(set(body) - {*_TEXTS, "slos", "dry_run"})
    if unknown:
        raise InvalidRequest(f"unknown key {unknown[0]!r}")
    texts = {key: _text(body, key) for key in _TEXTS if body.get(key) is not None}
    if not texts.get("service"):
        raise InvalidRequest("`service` is missing")
    slos = body.get("slos") or []
    if not isinstance(slos, (list, tuple)) or len(slos) > _MOST_SLOS:
        raise InvalidRequest(f"`slos` must be a list of at most {_MOST_SLOS} names")
    dry_run = body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise InvalidRequest("`dry_run` must be true or false")
    names = tuple(_text({"slos": name}, "slos") for name in slos)
    return GateRequest(slos=names, dry_run=dry_run, **texts)


def _text(body: Mapping[str, Any], key: str) -> str:
    value = body[key]
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise InvalidRequest(f"`{key}` must be text of at most {_LONGEST} printable characters")
    return value
