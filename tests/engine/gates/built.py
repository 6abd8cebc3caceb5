"""Build statuses, snapshots and policies for the tests of gates."""

from __future__ import annotations

from typing import Any

from slo.diagnostics import Diagnostic
from slo.engine.gates.policy import GatePolicy
from slo.engine.gates.policy_reader import read_policy
from slo.engine.status.model import (
    Alert,
    Budget,
    BurnRate,
    Events,
    Period,
    Provenance,
    SloStatus,
    Snapshot,
    State,
)
from slo.source import Source, parse_documents

# A Tuesday.
NOW = 1_795_521_600.0
DAYS = 86_400.0
HEAD = "version: slo/v1\nkind: GatePolicy\nname: test\n"


def read(text: str) -> tuple[GatePolicy | None, list[Diagnostic]]:
    """Return the policy of a text, and what is wrong with it."""
    (document,) = parse_documents(Source("policy.yaml", HEAD + text))
    return read_policy(document)


def policy(text: str = "") -> GatePolicy:
    """Return the policy of a text that is right."""
    found, diagnostics = read(text)
    assert [] == diagnostics
    assert found is not None
    return found


def page(severity: str = "page", state: str = "firing", kind: str = "burn_rate") -> Alert:
    return Alert("CheckoutBurns", severity, state, kind, "1h/5m")


def status(
    left: float | None = 0.5,
    *,
    service: str = "checkout",
    name: str = "availability",
    age: float | None = 20.0,
    coverage: float | None = 1.0,
    ratio: float = 0.001,
    projected: float | None = None,
    period: Period | None = None,
    burn: float = 0.5,
    state: State = State.OK,
    now: float = NOW,
    **more: Any,
) -> SloStatus:
    """Return how an SLO stands with *left* of its budget."""
    return SloStatus(
        id=f"{service}-{name}",
        service=service,
        name=name,
        state=state,
        objective=100 - 100 * ratio,
        method="occurrences",
        period=period or Period("30d", "rolling", 30 * DAYS),
        events=Events("events"),
        budget=Budget(ratio, remaining=left, projected=left if projected is None else projected),
        provenance=Provenance(None if age is None else now - age, age, coverage, "here"),
        burn_rates=tuple(BurnRate(window, burn) for window in ("5m", "1h", "6h")),
        **more,
    )


def snapshot(*statuses: SloStatus, now: float = NOW) -> Snapshot:
    """Return a snapshot as the poller publishes it: sorted by key."""
    return Snapshot(1, now, tuple(sorted(statuses, key=lambda s: s.key)), ())
