"""Describe what goes over the wire, for the OpenAPI document and for what comes in."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from slo.engine.ledger.records import Correction, Decision, Freeze, Override, Token
from slo.engine.ledger.validation import CATEGORIES, EFFECTS, SCOPES
from slo.engine.status.model import SloStatus, SourceHealth, State

__all__ = [
    "BurnDownPoint",
    "CorrectionInput",
    "CorrectionList",
    "DecisionList",
    "FlaggerPayload",
    "FreezeInput",
    "FreezeList",
    "GateAnswer",
    "GateBrief",
    "GateQuestion",
    "History",
    "HistoryPoint",
    "Moment",
    "NewToken",
    "OverrideInput",
    "OverrideList",
    "ProblemDetails",
    "Ready",
    "ServiceList",
    "ServiceSummary",
    "SloList",
    "SourceList",
    "TargetInput",
    "TokenInput",
    "TokenList",
    "moment",
]

_YEAR_2200 = 7_258_118_400.0


def moment(value: Any) -> float:
    """
    Return Unix seconds from a number or an RFC 3339 time.

    Raises:
        ValueError: It is neither, or lies before 1970 or after 2200.
    """
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            try:
                found = datetime.fromisoformat(value)
            except ValueError:
                raise ValueError(_WANTED) from None
            if found.tzinfo is None:
                raise ValueError(f"{_WANTED}; the offset, such as Z, is missing") from None
            number = found.astimezone(UTC).timestamp()
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(_WANTED)
    else:
        number = float(value)
    if not math.isfinite(number) or not 0 <= number < _YEAR_2200:
        raise ValueError("must lie between the years 1970 and 2200, in seconds")
    return number


_WANTED = "must be Unix seconds, or a time such as 2026-11-24T18:00:00Z"
_MOMENT_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0, "exclusiveMaximum": _YEAR_2200},
        {"type": "string", "format": "date-time"},
    ],
    "description": "Unix seconds, or an RFC 3339 time.",
}
Moment = Annotated[float, BeforeValidator(moment), WithJsonSchema(_MOMENT_SCHEMA)]
_Reason = Annotated[str, Field(min_length=1, max_length=4_000, description="Why; for people.")]
_Effect = Literal["exclude", "credit"]
_Category = Literal["maintenance", "outside_hours", "deployment", "measurement_error", "other"]
_ScopeName = Literal["read", "gate", "write", "admin"]
assert set(_Effect.__args__) == set(EFFECTS)  # type: ignore[attr-defined]
assert set(_Category.__args__) == set(CATEGORIES)  # type: ignore[attr-defined]
assert set(_ScopeName.__args__) == set(SCOPES)  # type: ignore[attr-defined]


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TargetInput(_Input):
    """Choose SLOs by shell patterns."""

    slo: str = Field("*", min_length=1, max_length=200, examples=["checkout/*"])
    environment: str = Field("*", min_length=1, max_length=200, examples=["prod*"])


class _Span(_Input):
    target: TargetInput = TargetInput()  # type: ignore[call-arg]
    start: Moment
    end: Moment
    reason: _Reason
    recurrence: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="RRULE of RFC 5545, from `start` on; each lasts as long as the first.",
        examples=["FREQ=WEEKLY;BYDAY=FR"],
    )
    time_zone: str = Field("UTC", min_length=1, max_length=100, examples=["Europe/Berlin"])


class CorrectionInput(_Span):
    """Take a stretch of time out of the count."""

    effect: _Effect = Field(
        description="`exclude` drops good and bad events, `credit` counts the bad ones as good."
    )
    category: _Category = "other"


class FreezeInput(_Span):
    """Forbid deployments for a while."""


class OverrideInput(_Input):
    """Decide otherwise than the policy, until it expires."""

    target: TargetInput = TargetInput()  # type: ignore[call-arg]
    verdict: Literal["allow", "deny"] = "allow"
    reason: _Reason
    expires_at: Moment


class TokenInput(_Input):
    """Ask for a token."""

    name: str = Field(min_length=1, max_length=200, examples=["deploy pipeline"])
    scopes: list[_ScopeName] = Field(min_length=1, max_length=4)
    expires_at: Moment | None = None


class GateQuestion(BaseModel):
    """Ask whether a deployment may go on."""

    model_config = ConfigDict(extra="forbid")

    service: str = Field(min_length=1, max_length=200)
    slos: list[str] | None = Field(
        None, max_length=100, description="Names within the service; all if left out."
    )
    environment: str | None = Field(None, max_length=200)
    cause: str | None = Field(None, max_length=200, examples=["security_fix"])
    reference: str | None = Field(None, max_length=200)
    approved_by: str | None = Field(None, max_length=200)
    version: str | None = Field(None, max_length=200)
    dry_run: bool = False
    idempotency_key: str | None = Field(None, max_length=200)


class GateAnswer(BaseModel):
    """Hold a decision; the page on gates explains every field."""

    model_config = ConfigDict(extra="allow")

    id: str
    verdict: Literal["allow", "deny", "unknown"]
    reasons: list[dict[str, Any]]
    slos: list[dict[str, Any]]
    changes: list[str] = Field(description="What would change the answer.")
    policy: str
    evaluated_at: float
    data_age: float | None
    expires_at: float
    dry_run: bool
    recorded: bool = Field(description="Whether the ledger has the decision.")


class GateBrief(BaseModel):
    """Hold a decision for tools that look at little."""

    model_config = ConfigDict(extra="allow")

    verdict: Literal["allow", "deny", "unknown"]
    reason: str | None = None
    message: str | None = None


class FlaggerPayload(BaseModel):
    """Hold what Flagger sends."""

    name: str = Field(min_length=1, max_length=200, description="Of the canary; the service.")
    namespace: str | None = None
    phase: str | None = None
    metadata: dict[str, str] | None = Field(
        None, description="Fields of the question by name, and `token`."
    )


class _Aged(BaseModel):
    snapshot: int
    taken_at: float
    age: float = Field(description="Seconds since the numbers were read.")
    stale: bool = Field(description="The numbers are too old to be relied on.")
    stale_after: float = Field(description="The age from which they are.")
    complete: bool = Field(description="Every query of the refresh was answered.")


class SloList(_Aged):
    """Hold one page of SLOs."""

    total: int = Field(description="SLOs that the filter chooses, on all pages.")
    next: str | None = Field(description="Cursor of the next page.")
    slos: list[SloStatus]


class ServiceSummary(BaseModel):
    """Sum up the SLOs of one service."""

    service: str
    state: State = Field(description="The worst of its SLOs.")
    slos: int
    least_remaining: float | None
    owners: list[str]
    tiers: list[str]
    states: dict[str, int]


class ServiceList(_Aged):
    """Hold all services."""

    services: list[ServiceSummary]


class SourceList(_Aged):
    """Hold the metrics servers, the preferred one first."""

    sources: list[SourceHealth]


class HistoryPoint(BaseModel):
    """Hold how an SLO stood at the end of one stretch of time."""

    at: float
    seconds: float
    bad: float | None
    total: float | None
    remaining: float | None


class BurnDownPoint(BaseModel):
    """Hold how much of the budget of the present period was left at a moment."""

    at: float
    remaining: float


class History(BaseModel):
    """Hold how an SLO stood, oldest first."""

    slo: str
    start: float
    end: float
    age: float
    complete: bool = Field(description="The ledger could be read; else there are no points.")
    points: list[HistoryPoint] = Field(
        description="What was recorded at the time; a rolling window moved along with it."
    )
    burn_down: list[BurnDownPoint] | None = Field(
        description="How the budget of the present period was spent: from 1 at its start to "
        "what is left now. Only without `start` and `end`, and where the events are known."
    )


class CorrectionList(BaseModel):
    """Hold corrections."""

    corrections: list[Correction]


class FreezeList(BaseModel):
    """Hold freezes."""

    freezes: list[Freeze]


class OverrideList(BaseModel):
    """Hold overrides."""

    overrides: list[Override]


class DecisionList(BaseModel):
    """Hold decisions, newest first."""

    decisions: list[Decision]
    before: float | None = Field(description="Ask for those before it for the next page.")


class TokenList(BaseModel):
    """Hold tokens; nobody can read their secrets any more."""

    tokens: list[Token]


class NewToken(BaseModel):
    """Hold a new token with its secret, which is shown this once."""

    token: Token
    secret: str


class Ready(BaseModel):
    """Say whether the engine can serve."""

    ready: bool
    reasons: list[str]


class ProblemDetails(BaseModel):
    """Say what is wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    request_id: str
