"""Take gate policies that stand among the specs, so that one command checks them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slo.diagnostics import Diagnostic, Span
from slo.plan import SloPlan
from slo.source import Document, Map, span_of

__all__ = ["ReadPolicy", "check_policies", "is_policy", "policy_document"]


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """
    Hold what a policy shares with the specs.

    Args:
        tiers: Patterns of tiers, and where they stand.
    """

    tiers: tuple[tuple[str, Span], ...]


def is_policy(root: object) -> bool:
    """Tell whether a document is a gate policy."""
    return (
        isinstance(root, Map)
        and root.get("kind") == "GatePolicy"
        and root.get("version") == "slo/v1"
    )


def policy_document(document: Document, diagnostics: list[Diagnostic]) -> ReadPolicy:
    """Check the policy in *document*, and return what it shares with the specs."""
    # Most runs of the compiler meet no policy.
    from slo.engine.gates.policy_reader import read_policy

    policy, found = read_policy(document)
    diagnostics += found
    if policy is None:
        return ReadPolicy(())
    entries = [e for key in ("rules", "freezes", "exemptions") for e in document.root.get(key, ())]
    return ReadPolicy(
        tuple(
            (pattern, span_of(document.source, node))
            for entry in entries
            if "tiers" in entry
            for pattern, node in zip(entry["tiers"], entry["tiers"].nodes, strict=True)
        )
    )


def check_policies(policies: Sequence[ReadPolicy], slos: Iterable[SloPlan]) -> list[Diagnostic]:
    """Report tiers of policies that no service has."""
    tiers = [pair for policy in policies for pair in policy.tiers]
    if not tiers:
        return []
    from slo.engine.gates.policy_checks import check_tiers

    return check_tiers(tiers, (slo.tier for slo in slos))
