"""
Hold what the ledger keeps, and what it promises to those who use it.

Records are never changed: whoever takes one back appends another one that says so. Times are
Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = [
    "BudgetPoint",
    "Correction",
    "Decision",
    "Freeze",
    "Ledger",
    "Override",
    "Target",
    "Token",
]


@dataclass(frozen=True, slots=True)
class Target:
    """
    Choose SLOs, as shell patterns; the empty target chooses all.

    Args:
        slo: `service/name`, such as `checkout/*`.
        environment: Deployment environment, such as `prod*`; `*` for all.
    """

    slo: str = "*"
    environment: str = "*"


@dataclass(frozen=True, slots=True)
class Correction:
    """
    Take a stretch of time out of the count.

    Args:
        effect: `exclude` drops good and bad events alike, `credit` counts the bad ones as good.
        category: `maintenance`, `outside_hours`, `deployment`, `measurement_error` or `other`.
        recurrence: An RRULE (RFC 5545) from *start* on, in *time_zone*; each lasts as long.
        cancelled_at: When somebody took it back.
    """

    id: str
    target: Target
    start: float
    end: float
    effect: str
    category: str
    reason: str
    created_by: str
    created_at: float
    recurrence: str | None = None
    time_zone: str = "UTC"
    cancelled_at: float | None = None
    cancelled_by: str | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """Forbid deployments for a while, once or again and again; fields as in `Correction`."""

    id: str
    target: Target
    start: float
    end: float
    reason: str
    created_by: str
    created_at: float
    recurrence: str | None = None
    time_zone: str = "UTC"
    cancelled_at: float | None = None
    cancelled_by: str | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """Allow (or deny) what the policy would decide otherwise, until it expires."""

    id: str
    target: Target
    verdict: str
    reason: str
    created_by: str
    created_at: float
    expires_at: float
    revoked_at: float | None = None
    revoked_by: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """
    Keep one answer of a gate.

    Args:
        request: Who asked what: service, SLOs, environment, version, cause.
        verdict: `allow`, `deny` or `unknown`.
        reasons: Reason codes, the deciding one first.
        evidence: The numbers behind it.
        policy: Digest of the policy that decided.
    """

    id: str
    at: float
    request: Mapping[str, Any]
    verdict: str
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any]
    policy: str
    actor: str
    override: str | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """
    Hold an API token; the secret itself is known only to who was given it.

    Args:
        scopes: Of `read`, `gate`, `write` and `admin`.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None


@dataclass(frozen=True, slots=True)
class BudgetPoint:
    """
    Keep how an SLO stood in one stretch of time, for burn-downs and reports.

    Args:
        at: Start of the stretch.
        seconds: Its length: a refresh, and later an hour or a day (retention rolls up).
        bad: Bad events in it; *total* likewise; `None` where nothing was measured.
        remaining: Share of the budget left at its end.
    """

    slo: str
    at: float
    seconds: float
    bad: float | None
    total: float | None
    remaining: float | None
    labels: Mapping[str, str] = field(default_factory=dict)


class Ledger(Protocol):
    """
    Keep records for good: what was acknowledged is on disk, once, in order.

    Methods block; callers in an event loop run them in a thread. They raise `LedgerError`
    (`slo.errors`) when the database cannot be written or read; nothing is then half done. An
    `idempotency_key` seen before returns the record that it made then.
    """

    def add_correction(self, record: Correction, idempotency_key: str | None = None) -> Correction:
        """Append a correction."""

    def cancel_correction(self, record_id: str, actor: str, at: float) -> Correction:
        """Take a correction back."""

    def corrections(self, start: float, end: float) -> Sequence[Correction]:
        """Return those that touch the time from *start* to *end*, recurring ones included."""

    def add_freeze(self, record: Freeze, idempotency_key: str | None = None) -> Freeze:
        """Append a freeze."""

    def cancel_freeze(self, record_id: str, actor: str, at: float) -> Freeze:
        """End a freeze."""

    def freezes(self, start: float, end: float) -> Sequence[Freeze]:
        """Return those that touch the time from *start* to *end*, recurring ones included."""

    def add_override(self, record: Override, idempotency_key: str | None = None) -> Override:
        """Append an override."""

    def revoke_override(self, record_id: str, actor: str, at: float) -> Override:
        """Take an override back."""

    def overrides(self, at: float) -> Sequence[Override]:
        """Return those in force at *at*."""

    def add_decision(self, record: Decision, idempotency_key: str | None = None) -> Decision:
        """Append a decision."""

    def decisions(
        self, *, slo: str | None = None, before: float | None = None, limit: int = 100
    ) -> Sequence[Decision]:
        """Return decisions, newest first."""

    def add_budget_points(self, points: Sequence[BudgetPoint]) -> None:
        """Append how SLOs stood; a point that is there already is left alone."""

    def budget_points(self, slo: str, start: float, end: float) -> Sequence[BudgetPoint]:
        """Return how an SLO stood, oldest first."""

    def add_token(self, record: Token, secret_hash: str) -> Token:
        """Append a token."""

    def revoke_token(self, record_id: str, actor: str, at: float) -> Token:
        """Take a token back."""

    def tokens(self) -> Sequence[tuple[Token, str]]:
        """Return all tokens with the hashes of their secrets."""

    def acquire_lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew the lease *name*; only one holder has it at a time."""

    def release_lease(self, name: str, holder: str) -> None:
        """Give the lease *name* back."""

    def verify(self) -> str | None:
        """Return what is wrong with the chain of records, or `None`."""
