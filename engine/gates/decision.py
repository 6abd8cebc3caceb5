"""Hold a gate's answer, with everything that led to it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from slo.engine.gates.request import GateRequest
from slo.engine.ledger.records import Decision

__all__ = [
    "Effect",
    "GateDecision",
    "Reason",
    "SloNumbers",
    "Verdict",
    "canonical",
    "decision_from_json",
    "decision_record",
    "identified",
    "previous_decision",
]

_ASKED = frozenset(GateRequest.__slots__)


class Verdict(StrEnum):
    """Say whether a deployment may go on; the worst of several SLOs decides."""

    ALLOW = "allow"
    UNKNOWN = "unknown"
    DENY = "deny"


class Effect(StrEnum):
    """Say what a reason leads to."""

    DENY = "deny"
    UNKNOWN = "unknown"
    ALLOW = "allow"
    WARN = "warn"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Reason:
    """
    Give one reason.

    Args:
        code: One of `reason_codes.Code`; a newer engine may know more.
        message: For people: no code, no markup.
        slo: Key of the SLO that it is about; `None` where it is about the request.
    """

    code: str
    effect: Effect
    message: str
    slo: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the reason as it goes over the wire."""
        return {
            "code": str(self.code),
            "effect": self.effect.value,
            "message": self.message,
            "slo": self.slo,
        }


@dataclass(frozen=True, slots=True)
class SloNumbers:
    """
    Hold what one SLO was judged by; shares are ratios of its budget.

    Args:
        rule: Name of the rule of the policy.
        remaining: What is left of the budget; of a calendar period, projected to its end.
        worst_case: What a full outage since the last evaluation would have left.
        needed: What had to be left: more than *deny_at*, or *recover_at* after a denial.
        page: A page fires; *ticket* likewise.
        held: It was denied for its budget, and has not recovered yet.
    """

    slo: str
    verdict: Verdict
    rule: str
    tier: str | None
    state: str
    remaining: float | None
    worst_case: float | None
    deny_at: float | None
    warn_at: float | None
    recover_at: float | None
    needed: float | None
    burn_rates: Mapping[str, float]
    page: bool
    ticket: bool
    held: bool
    evaluated_at: float | None
    age: float | None
    coverage: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as they go over the wire."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {**found, "verdict": self.verdict.value, "burn_rates": dict(self.burn_rates)}


@dataclass(frozen=True, slots=True)
class GateDecision:
    """
    Answer a request.

    Args:
        reasons: The deciding one first.
        slos: By key.
        changes: Sentences that say what would change the answer.
        override: Id of the override that decided; *exemption*: the cause that did.
        would_be: What a dry run would have decided.
        policy: Digest of the policy.
        data_age: Seconds, of the oldest numbers used.
        expires_at: Until when the answer may be reused.
        held: Keys of the service's SLOs that have not recovered yet, asked for or not.
        last_known: The last verdict that numbers gave, and when.
        reviews: Reference of the review of each incident that this request has reviewed.
        signature: Of the keeper of a copy.
    """

    id: str
    request: GateRequest
    verdict: Verdict
    reasons: tuple[Reason, ...]
    slos: tuple[SloNumbers, ...]
    changes: tuple[str, ...]
    policy: str
    policy_name: str
    evaluated_at: float
    expires_at: float
    override: str | None = None
    exemption: str | None = None
    dry_run: bool = False
    would_be: Verdict | None = None
    data_age: float | None = None
    held: tuple[str, ...] = ()
    last_known: tuple[Verdict, float] | None = None
    reviews: Mapping[str, str] = field(default_factory=dict)
    signature: str | None = None

    @property
    def told(self) -> tuple[Reason, ...]:
        """Return the reasons for people: what is said of several SLOs alike comes once."""
        found: dict[tuple[Effect, str], Reason] = {}
        for reason in self.reasons:
            found.setdefault((reason.effect, reason.message), reason)
        return tuple(found.values())

    def to_json(self) -> dict[str, Any]:
        """Return the answer of `POST /v1/gates/evaluate`."""
        known = self.last_known
        return {
            "id": self.id,
            "verdict": self.verdict.value,
            "reasons": [reason.to_json() for reason in self.reasons],
            "slos": [numbers.to_json() for numbers in self.slos],
            "changes": list(self.changes),
            "override": self.override,
            "exemption": self.exemption,
            "dry_run": self.dry_run,
            "would_be": None if self.would_be is None else self.would_be.value,
            "policy": self.policy,
            "policy_name": self.policy_name,
            "request": self.request.to_json(),
            "evaluated_at": self.evaluated_at,
            "data_age": self.data_age,
            "expires_at": self.expires_at,
            "held": list(self.held),
            "last_known": known and {"verdict": known[0].value, "at": known[1]},
            "reviews": dict(self.reviews),
            "signature": self.signature,
        }


def decision_from_json(body: Mapping[str, Any]) -> GateDecision:
    """
    Return the decision that *body* holds; what newer engines add is ignored.

    Raises:
        ValueError: It is no decision.
    """
    try:
        return _decision(body)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not the answer of a gate: {error!r}") from error


def _decision(body: Mapping[str, Any]) -> GateDecision:
    asked: dict[str, Any] = {k: v for k, v in body["request"].items() if k in _ASKED}
    request = GateRequest(**{**asked, "slos": tuple(asked["slos"])})
    known, would_be = body.get("last_known"), body.get("would_be")
    return GateDecision(
        id=str(body["id"]),
        request=request,
        verdict=Verdict(body["verdict"]),
        reasons=tuple(_reason(reason) for reason in body["reasons"]),
        slos=tuple(_numbers(numbers) for numbers in body["slos"]),
        changes=tuple(map(str, body["changes"])),
        policy=str(body["policy"]),
        policy_name=str(body.get("policy_name", "")),
        evaluated_at=_finite(body["evaluated_at"]),
        expires_at=_finite(body["expires_at"]),
        override=body.get("override"),
        exemption=body.get("exemption"),
        dry_run=bool(body.get("dry_run")),
        would_be=None if would_be is None else Verdict(would_be),
        data_age=body.get("data_age"),
        held=tuple(body.get("held") or ()),
        last_known=(Verdict(known["verdict"]), _finite(known["at"])) if known else None,
        reviews=dict(body.get("reviews") or {}),
        signature=body.get("signature"),
    )


def _reason(body: Mapping[str, Any]) -> Reason:
    return Reason(str(body["code"]), Effect(body["effect"]), str(body["message"]), body["slo"])


def _numbers(body: Mapping[str, Any]) -> SloNumbers:
    known = {name: body[name] for name in SloNumbers.__slots__}
    return SloNumbers(**{**known, "verdict": Verdict(body["verdict"])})


def _finite(value: Any) -> float:
    found = float(value)
    if not math.isfinite(found):
        raise ValueError("a time is not a number")
    return found


def canonical(value: Any) -> bytes:
    """Return *value* as JSON that is the same whoever writes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def identified(decision: GateDecision) -> GateDecision:
    """Return *decision* with an id made of its content."""
    digest = hashlib.sha256(canonical(decision.to_json())).hexdigest()
    return replace(decision, id=f"gate-{digest[:24]}")


def decision_record(decision: GateDecision, actor: str) -> Decision:
    """Return what the ledger keeps of *decision*; `previous_decision` reads it back."""
    return Decision(
        id=decision.id,
        at=decision.evaluated_at,
        request=decision.request.to_json(),
        verdict=decision.verdict.value,
        reasons=tuple(str(reason.code) for reason in decision.reasons),
        evidence=decision.to_json(),
        policy=decision.policy,
        actor=actor,
        override=decision.override,
        dry_run=decision.dry_run,
    )


def previous_decision(records: Sequence[Decision], request: GateRequest) -> GateDecision | None:
    """
    Return the last decision about the same service and environment, for `evaluate`.

    Args:
        records: Newest first, as `Ledger.decisions` returns them.
    """
    for record in records:
        asked = record.request
        same = (asked.get("service"), asked.get("environment"))
        if same == (request.service, request.environment):
            try:
                return decision_from_json(record.evidence)
            except ValueError:
                continue
    return None
