"""Make records that are right in every field, and any other field on request."""

from __future__ import annotations

from typing import Any

from slo.engine.ledger.records import (
    BudgetPoint,
    Correction,
    Decision,
    Freeze,
    Override,
    Target,
    Token,
)

NOW = 1_790_000_000.0
HOUR, DAY = 3_600.0, 86_400.0
HASH = "ab" * 32


def correction(record_id: str = "c1", **fields: Any) -> Correction:
    given = {
        "target": Target("checkout/*"),
        "start": NOW - 2 * HOUR,
        "end": NOW - HOUR,
        "effect": "exclude",
        "category": "maintenance",
        "reason": "The database moved",
        "created_by": "ada",
        "created_at": NOW,
    }
    return Correction(record_id, **given | fields)


def freeze(record_id: str = "f1", **fields: Any) -> Freeze:
    given = {
        "target": Target(environment="prod*"),
        "start": NOW,
        "end": NOW + DAY,
        "reason": "The sale of the year",
        "created_by": "ada",
        "created_at": NOW,
    }
    return Freeze(record_id, **given | fields)


def override(record_id: str = "o1", **fields: Any) -> Override:
    given = {
        "target": Target("checkout/availability", "prod"),
        "verdict": "allow",
        "reason": "It repairs the outage",
        "created_by": "ada",
        "created_at": NOW,
        "expires_at": NOW + HOUR,
    }
    return Override(record_id, **given | fields)


def decision(record_id: str = "d1", **fields: Any) -> Decision:
    given = {
        "at": NOW,
        "request": {"service": "checkout", "slos": ["availability"], "environment": "prod"},
        "verdict": "deny",
        "reasons": ("budget_exhausted",),
        "evidence": {"remaining": -0.25, "burn_rates": {"1h": 14.4}},
        "policy": "sha256:abc",
        "actor": "pipeline",
    }
    return Decision(record_id, **given | fields)


def token(record_id: str = "t1", **fields: Any) -> Token:
    given = {"name": "ci", "scopes": ("read", "gate"), "created_at": NOW}
    return Token(record_id, **given | fields)


def point(slo: str = "checkout/availability", at: float = NOW, **fields: Any) -> BudgetPoint:
    given = {"seconds": 60.0, "bad": 1.0, "total": 100.0, "remaining": 0.5}
    return BudgetPoint(slo, at, **given | fields)
