"""Hold what a gate policy says: data only, read by `policy_reader` and applied by `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from slo.engine.ledger.records import Freeze

__all__ = [
    "DEFAULT_POLICY",
    "BurnLimit",
    "Exemption",
    "GatePolicy",
    "IncidentLimit",
    "LastKnown",
    "PolicyFreeze",
    "Rule",
    "Scope",
    "Then",
    "Topic",
    "Unknown",
]


class Then(StrEnum):
    """Say what follows from what a rule looks at."""

    DENY = "deny"
    WARN = "warn"
    IGNORE = "ignore"


class Unknown(StrEnum):
    """Say what an answer becomes that the numbers cannot give."""

    ALLOW = "allow"
    DENY = "deny"
    UNKNOWN = "unknown"


class Topic(StrEnum):
    """Name what an exemption can lift."""

    BUDGET = "budget"
    BURNING = "burning"
    INCIDENT = "incident"
    FREEZE = "freeze"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LastKnown:
    """
    Keep the last answer that numbers gave, for a while.

    Args:
        seconds: How long after it.
        then: What follows when that time is over, or there is no such answer.
    """

    seconds: float
    then: Unknown


@dataclass(frozen=True, slots=True)
class BurnLimit:
    """Say what follows when the burn rate over *window*, such as `1h`, exceeds *above*."""

    window: str
    above: float
    then: Then


@dataclass(frozen=True, slots=True)
class IncidentLimit:
    """
    Say what follows when one incident spends much of the budget.

    Args:
        share: Of the budget of the whole period, as a ratio.
        reviewed_by: Regular expression of the references that stand for a review of the
            incident; `None` where a review changes nothing.
    """

    share: float
    then: Then
    reviewed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Choose SLOs (`service/name`), tiers and environments by shell patterns; empty for all."""

    slos: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()

    def covers(self, slo: str, tier: str | None, environment: str) -> bool:
        """Tell whether an SLO in an environment is meant."""
        return (
            _matches(self.slos, slo)
            and _matches(self.tiers, tier or "")
            and _matches(self.environments, environment)
        )


def _matches(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Say what an SLO must be like for a deployment to go on.

    Args:
        deny_at: Remaining budget, as a ratio, at which and below which it may not; `None`
            where the budget never forbids. *warn_at* likewise.
        recover_at: Once denied for the budget, it stays so until this much is left.
        page: What follows while a page fires; *ticket* likewise.
        min_coverage: Share of the period that must have been measured for the numbers to count.
        dry_run: Say what would be decided, and allow.
    """

    name: str
    scope: Scope = Scope()
    deny_at: float | None = 0.0
    warn_at: float | None = 0.2
    recover_at: float | None = None
    page: Then = Then.DENY
    ticket: Then = Then.WARN
    burn_rates: tuple[BurnLimit, ...] = ()
    incident: IncidentLimit | None = None
    min_coverage: float = 0.0
    on_unknown: Unknown | LastKnown = Unknown.UNKNOWN
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class PolicyFreeze:
    """
    Forbid deployments in some stretches of time.

    Args:
        spans: Each once or by a recurrence; their own targets are not used.
    """

    name: str
    reason: str
    scope: Scope
    time_zone: str
    spans: tuple[Freeze, ...]


@dataclass(frozen=True, slots=True)
class Exemption:
    """
    Let a deployment through for its cause.

    Args:
        lifts: What it is exempted from.
        reference: Regular expression that the reference must match; `None` where none is needed.
        approvers: Who may approve of it; empty where nobody has to.
    """

    cause: str
    lifts: tuple[Topic, ...]
    scope: Scope = Scope()
    reference: str | None = None
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """
    Hold a whole policy.

    Args:
        digest: Of its text; decisions name the policy by it.
        fresh_for: Seconds for which numbers are taken as they are. After that the worst case
            must still leave budget.
        max_age: Seconds after which numbers are not relied on at all.
        reuse_for: Seconds for which an answer may be reused at most.
    """

    name: str
    digest: str
    fresh_for: float = 300.0
    max_age: float = 3_600.0
    reuse_for: float = 600.0
    rules: tuple[Rule, ...] = ()
    freezes: tuple[PolicyFreeze, ...] = ()
    exemptions: tuple[Exemption, ...] = ()

    def rule_of(self, slo: str, tier: str | None, environment: str) -> Rule:
        """Return the first rule that covers an SLO in an environment, or the default one."""
        for rule in self.rules:
            if rule.scope.covers(slo, tier, environment):
                return rule
        return _DEFAULT_RULE


_DEFAULT_RULE = Rule("default")
DEFAULT_POLICY = GatePolicy("default", "built-in")
"""What holds without a policy: no deployment while the budget is gone, or a page fires."""
