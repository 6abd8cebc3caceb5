"""Turn records into canonical JSON and back, and say where an index finds them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from slo.engine.ledger.records import Correction, Decision, Freeze, Override, Target, Token
from slo.errors import InvalidRecord, LedgerError

__all__ = [
    "ADDED",
    "ENDED",
    "KINDS",
    "Ending",
    "Record",
    "canonical",
    "decode",
    "encode",
    "same_content",
    "slos_of",
    "span_of",
]

Record: TypeAlias = Correction | Freeze | Override | Decision | Token

KINDS: Mapping[type[Any], str] = {
    Correction: "correction",
    Freeze: "freeze",
    Override: "override",
    Decision: "decision",
    Token: "token",
}
# What happens to a record; an event is called `freeze.added`. Decisions stand.
ADDED = "added"
ENDED: Mapping[str, str] = {
    "correction": "cancelled",
    "freeze": "cancelled",
    "override": "revoked",
    "token": "revoked",
}
# These stand in the event that ends a record, or outside the chain.
_ELSEWHERE = frozenset(("cancelled_at", "cancelled_by", "revoked_at", "revoked_by", "last_used_at"))
_MOMENTS = ("start", "end", "expires_at")
_LARGEST_PAYLOAD = 256 * 1024


@dataclass(frozen=True, slots=True)
class Ending:
    """Say when and by whom a record was taken back."""

    at: float
    by: str


def canonical(value: Any) -> str:
    """
    Return *value* as JSON that has one form only.

    Numbers that JSON has no name for become the words that Prometheus uses for them.

    Raises:
        InvalidRecord: It holds something that is not JSON, or is too large.
    """
    try:
        text = json.dumps(
            _plain(value),
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
            allow_nan=False,
        )
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRecord(f"the record cannot be written as JSON: {error}") from error
    if size > _LARGEST_PAYLOAD:
        raise InvalidRecord(f"the record is larger than {_LARGEST_PAYLOAD // 1024} KiB")
    return text


def encode(record: Record, **more: Any) -> str:
    """Return *record* as canonical JSON, without how it ended; *more* is kept beside it."""
    content = {
        field.name: getattr(record, field.name)
        for field in fields(record)
        if field.name not in _ELSEWHERE
    }
    target = content.get("target")
    if isinstance(target, Target):
        content["target"] = {"slo": target.slo, "environment": target.environment}
    for name in ("created_at", "at", *_MOMENTS):
        # One moment must not have two forms, 10 and 10.0.
        if isinstance(content.get(name), int):
            content[name] = float(content[name])
    return canonical(content | more)


def decode(kind: str, payload: str, ending: Ending | None = None) -> Record:
    """
    Return the record of *kind* that `encode` wrote, with how it ended.

    Raises:
        LedgerError: The payload is damaged.
    """
    try:
        return _DECODERS[kind](json.loads(payload), ending)
    except (ValueError, TypeError, KeyError) as error:
        raise LedgerError(
            f"a {kind} in the ledger is damaged; restore a backup of it (docs/ledger.md)"
        ) from error


def same_content(kind: str, before: str, now: str) -> bool:
    """
    Tell whether two payloads ask for the same.

    A request that is sent again gets a new id and a later time of creation; moments that were
    counted from then move with it. Of a decision, what was asked counts, not the answer.
    """
    old, new = json.loads(before), json.loads(now)
    if kind == KINDS[Decision]:
        return all(old[name] == new[name] for name in ("request", "actor", "dry_run"))
    for name in _MOMENTS:
        first, second = old.pop(name, None), new.pop(name, None)
        if first == second:
            continue
        if first is None or second is None:
            return False
        lengths = (first - old["created_at"], second - new["created_at"])
        if not math.isclose(*lengths, rel_tol=0, abs_tol=0.001):
            return False
    for content in (old, new):
        del content["id"], content["created_at"]
    return bool(old == new)


def span_of(kind: str, payload: str) -> tuple[float, float | None]:
    """Return from when to when a record can matter; without an end where it recurs."""
    content = json.loads(payload)
    if kind in (KINDS[Correction], KINDS[Freeze]):
        return content["start"], None if content["recurrence"] else content["end"]
    if kind == KINDS[Decision]:
        return content["at"], content["at"]
    return content["created_at"], content["expires_at"]


def slos_of(kind: str, payload: str) -> tuple[str, ...]:
    """
    Return under which names a decision is found: its SLOs, and their services.

    A request that names a service and no SLO is about all of them, `checkout/*`.
    """
    if kind != KINDS[Decision]:
        return ()
    request = json.loads(payload)["request"]
    service, named = request.get("service"), request.get("slos") or request.get("slo") or ()
    names = (named,) if isinstance(named, str) else named
    slos = {
        name if "/" in name or not service else f"{service}/{name}"
        for name in names
        if isinstance(name, str)
    }
    if not slos and isinstance(service, str):
        slos = {f"{service}/*"}
    return tuple(sorted(slos | {slo.partition("/")[0] for slo in slos}))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _correction(content: dict[str, Any], ending: Ending | None) -> Record:
    return Correction(**_with_target(content), **_cancelled(ending))


def _freeze(content: dict[str, Any], ending: Ending | None) -> Record:
    return Freeze(**_with_target(content), **_cancelled(ending))


def _override(content: dict[str, Any], ending: Ending | None) -> Record:
    ended: dict[str, Any] = {}
    if ending is not None:
        ended = {"revoked_at": ending.at, "revoked_by": ending.by}
    return Override(**_with_target(content), **ended)


def _decision(content: dict[str, Any], ending: Ending | None) -> Record:
    assert ending is None, "a decision stands"
    return Decision(**content | {"reasons": tuple(content["reasons"])})


def _token(content: dict[str, Any], ending: Ending | None) -> Record:
    known = {name: value for name, value in content.items() if name != "secret_hash"}
    known["scopes"] = tuple(known["scopes"])
    return Token(**known, revoked_at=ending.at if ending else None)


def _with_target(content: dict[str, Any]) -> dict[str, Any]:
    return content | {"target": Target(**content["target"])}


def _cancelled(ending: Ending | None) -> dict[str, Any]:
    return {"cancelled_at": ending.at, "cancelled_by": ending.by} if ending else {}


_DECODERS: Mapping[str, Callable[[dict[str, Any], Ending | None], Record]] = {
    "correction": _correction,
    "freeze": _freeze,
    "override": _override,
    "decision": _decision,
    "token": _token,
}
