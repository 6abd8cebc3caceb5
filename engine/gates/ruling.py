"""
Rule on one SLO: what its numbers say, then freezes, the cause, and overrides.

In this order: the rule of the policy, freezes, the exemption of the cause, what the policy
makes of unknown numbers, overrides, and a dry run at last.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from slo.engine.gates.decision import Effect, GateDecision, Reason, Verdict
from slo.engine.gates.exemptions import exempting
from slo.engine.gates.freezes import Subject, active_freezes, next_freeze, targeted
from slo.engine.gates.incidents import Incident
from slo.engine.gates.judgement import Finding, Judged, judge_slo
from slo.engine.gates.policy import GatePolicy, LastKnown, Rule, Topic, Unknown
from slo.engine.gates.reason_codes import Code
from slo.engine.gates.request import GateRequest
from slo.engine.gates.words import length, moment
from slo.engine.ledger.records import Freeze, Override
from slo.engine.status.model import SloStatus

__all__ = ["Ruler", "Ruling"]

_NOT_THERE = (Code.SERVICE_NOT_KNOWN, Code.SLO_NOT_KNOWN)


@dataclass(slots=True)
class Ruling:
    """
    Hold what becomes of one SLO, or of a service that has none.

    Args:
        holds_until: Until when it would be the same without newer numbers.
        override: Id of the override that decided; *exemption*: the cause that did.
        would_be: What it is but for a dry run.
    """

    subject: Subject
    rule: Rule
    judged: Judged | None
    findings: list[Finding]
    verdict: Verdict = Verdict.ALLOW
    holds_until: float = 0.0
    override: str | None = None
    exemption: str | None = None
    would_be: Verdict = Verdict.ALLOW

    def lift(self, topics: Iterable[Topic]) -> bool:
        """Make notes of the findings about *topics*; tell whether any stood in the way."""
        lifted = False
        kept = []
        for finding in self.findings:
            reason = finding.reason
            if finding.topic in topics and reason.effect in (Effect.DENY, Effect.UNKNOWN):
                lifted = True
                kept.append(Finding(finding.topic, replace(reason, effect=Effect.NOTE)))
            else:
                kept.append(finding)
        self.findings = kept
        return lifted


class Ruler:
    """
    Rule on the SLOs of one request.

    Args:
        previous: The last decision about the same service and environment.
    """

    def __init__(
        self,
        policy: GatePolicy,
        request: GateRequest,
        freezes: Sequence[Freeze],
        overrides: Sequence[Override],
        previous: GateDecision | None,
        now: float,
    ) -> None:
        self._policy, self._request, self._now = policy, request, now
        self._freezes, self._overrides, self._previous = freezes, overrides, previous
        self._was_held = frozenset(previous.held if previous else ())

    def rule_on(self, status: SloStatus, incidents: Sequence[Incident] | None) -> Ruling:
        """Return the ruling on one SLO."""
        judged = judge_slo(
            status,
            self._policy,
            self._request,
            was_held=status.key in self._was_held,
            incidents=incidents,
            now=self._now,
        )
        slo = f"{status.service}/{status.name}"
        subject = Subject(slo, status.tier, self._request.environment)
        verdict = Ruling(subject, judged.rule, judged, list(judged.findings))
        verdict.holds_until = judged.holds_until
        return self._settled(verdict, status.key)

    def rule_without(self, reason: Reason | None, change: str | None) -> Ruling:
        """Return the ruling on a service or an SLO that nobody knows how it stands."""
        named = reason.slo if reason else None
        slo = named or f"{self._request.service}/"
        subject = Subject(slo, None, self._request.environment)
        rule = self._policy.rule_of(slo, None, self._request.environment)
        findings = [] if reason is None else [Finding(Topic.UNKNOWN, reason, change)]
        verdict = Ruling(subject, rule, None, findings)
        verdict.holds_until = math.inf
        return self._settled(verdict, named)

    def _settled(self, verdict: Ruling, slo: str | None) -> Ruling:
        self._freeze(verdict)
        self._exempt(verdict)
        self._settle_unknown(verdict, slo)
        self._override(verdict, slo)
        effects = {finding.reason.effect for finding in verdict.findings}
        if Effect.DENY in effects:
            verdict.would_be = Verdict.DENY
        elif Effect.UNKNOWN in effects:
            verdict.would_be = Verdict.UNKNOWN
        dry = self._request.dry_run or verdict.rule.dry_run
        verdict.verdict = Verdict.ALLOW if dry else verdict.would_be
        return verdict

    def _freeze(self, verdict: Ruling) -> None:
        subject, now = verdict.subject, self._now
        for freeze in active_freezes(self._policy, self._freezes, subject, now):
            reason = freeze.reason.rstrip(".")
            message = f"Deployments to {subject.environment} are frozen by `{freeze.name}`"
            message += f": {reason}." if reason else "."
            change = f"The freeze `{freeze.name}` does not end within 60 days."
            if math.isfinite(freeze.until):
                ends = moment(freeze.until, freeze.time_zone)
                change = f"The freeze `{freeze.name}` ends on {ends}, "
                change += f"in {length(freeze.until - now)}."
            # Without an SLO: the same freeze of several is one reason.
            found = Reason(Code.FREEZE, Effect.DENY, message)
            verdict.findings.append(Finding(Topic.FREEZE, found, change, freeze.until))
        following = next_freeze(self._policy, self._freezes, subject, now, self._policy.reuse_for)
        verdict.holds_until = min(verdict.holds_until, following)

    def _exempt(self, verdict: Ruling) -> None:
        found = exempting(self._policy, self._request, verdict.subject)
        if found is None:
            return
        if found.refusal is not None:
            refused = Reason(found.code, Effect.NOTE, found.refusal)
            verdict.findings.append(Finding(Topic.BUDGET, refused, found.change))
        elif verdict.lift(found.lifts):
            cause = self._request.cause
            because = f" ({self._request.reference})" if self._request.reference else ""
            message = f"The cause `{cause}`{because} exempts it."
            reason = Reason(Code.EXEMPTED, Effect.ALLOW, message)
            verdict.findings.append(Finding(Topic.BUDGET, reason))
            verdict.exemption = cause
            verdict.holds_until = self._now

    def _settle_unknown(self, verdict: Ruling, slo: str | None) -> None:
        if all(finding.reason.effect is not Effect.UNKNOWN for finding in verdict.findings):
            return
        rule, now = verdict.rule, self._now
        choice = rule.on_unknown
        if self._never_known(verdict):
            verdict.holds_until = now
            return
        reason: Reason | None = None
        if isinstance(choice, LastKnown):
            known = self._last_known()
            if known is not None and now - known[1] <= choice.seconds:
                message = (
                    f"The last answer that numbers gave was {known[0].value}, "
                    f"{length(now - known[1])} ago; it counts for {length(choice.seconds)}."
                )
                effect = Effect.ALLOW if known[0] is Verdict.ALLOW else Effect.DENY
                reason = Reason(Code.LAST_KNOWN, effect, message, slo)
                until = known[1] + choice.seconds
            else:
                choice = choice.then
        if choice is Unknown.ALLOW:
            message = f"The rule `{rule.name}` allows what the numbers do not answer."
            reason = Reason(Code.UNKNOWN_ALLOWED, Effect.ALLOW, message, slo)
            until = now
        elif choice is Unknown.DENY:
            message = f"The rule `{rule.name}` denies what the numbers do not answer."
            reason = Reason(Code.UNKNOWN_DENIED, Effect.DENY, message, slo)
            until = now
        if reason is None:
            verdict.holds_until = now
            return
        changes = [f.change for f in verdict.findings if f.reason.effect is Effect.UNKNOWN]
        verdict.lift((Topic.UNKNOWN,))
        denied = reason.effect is Effect.DENY
        verdict.findings.append(
            Finding(Topic.UNKNOWN, reason, next(iter(changes), None) if denied else None)
        )
        verdict.holds_until = until

    def _never_known(self, verdict: Ruling) -> bool:
        """
        Tell whether the service or SLO has never been heard of.

        That is a slip of the pen in a pipeline, which would be allowed for good by a policy
        that allows what is unknown.
        """
        if all(f.reason.code not in _NOT_THERE for f in verdict.findings):
            return False
        seen = self._previous.slos if self._previous else ()
        return not any(numbers.slo.startswith(verdict.subject.slo) for numbers in seen)

    def _last_known(self) -> tuple[Verdict, float] | None:
        """Return the last verdict that numbers gave about the same SLOs."""
        previous = self._previous
        if previous is None or previous.request.slos != self._request.slos:
            return None
        return previous.last_known

    def _override(self, verdict: Ruling, slo: str | None) -> None:
        now = self._now
        found = [
            override
            for override in self._overrides
            if override.created_at <= now < override.expires_at
            and (override.revoked_at is None or now < override.revoked_at)
            and targeted(override.target, verdict.subject)
        ]
        # Who forbids something knows more than who allowed it.
        found.sort(key=lambda override: (override.verdict == "allow", -override.created_at))
        if not found:
            return
        override = found[0]
        until = f"until {moment(override.expires_at)}"
        said = f"by {override.created_by}, {until}: {override.reason.rstrip('.')}."
        if override.verdict == "allow":
            if not verdict.lift(Topic):
                return
            reason = Reason(Code.OVERRIDE_ALLOWS, Effect.ALLOW, f"Overridden {said}", slo)
            change = None
        else:
            reason = Reason(Code.OVERRIDE_DENIES, Effect.DENY, f"Stopped {said}", slo)
            change = f"The override `{override.id}` must be revoked; it expires "
            change += f"in {length(override.expires_at - now)}."
        verdict.findings.append(Finding(Topic.FREEZE, reason, change))
        verdict.override = override.id
        verdict.holds_until = override.expires_at
