"""Say what the cause of a deployment exempts it from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from slo.engine.gates.freezes import Subject
from slo.engine.gates.policy import Exemption, GatePolicy, Topic
from slo.engine.gates.reason_codes import Code
from slo.engine.gates.request import GateRequest

__all__ = ["Exempting", "exempting"]


@dataclass(frozen=True, slots=True)
class Exempting:
    """
    Hold what a cause does.

    Args:
        refusal: Why it does nothing; *change* says what would be needed.
    """

    code: Code
    lifts: tuple[Topic, ...] = ()
    refusal: str | None = None
    change: str | None = None


def exempting(policy: GatePolicy, request: GateRequest, subject: Subject) -> Exempting | None:
    """Return what the cause of *request* does for *subject*; `None` without a cause."""
    cause = request.cause
    if not cause:
        return None
    meant = [entry for entry in policy.exemptions if entry.cause == cause]
    if not meant:
        from slo.schema import closest

        guess = closest(cause, [entry.cause for entry in policy.exemptions])
        hint = f" Did you mean `{guess}`?" if guess else ""
        return Exempting(
            Code.CAUSE_NOT_KNOWN, refusal=f"The policy knows no cause `{cause}`.{hint}"
        )
    covering = [
        entry
        for entry in meant
        if entry.scope.covers(subject.slo, subject.tier, subject.environment)
    ]
    if not covering:
        refusal = f"The cause `{cause}` does not cover {subject.slo} in {subject.environment}."
        return Exempting(Code.EXEMPTION_REFUSED, refusal=refusal)
    problems = [_problem(entry, request) for entry in covering]
    for entry, problem in zip(covering, problems, strict=True):
        if problem is None:
            return Exempting(Code.EXEMPTED, entry.lifts)
    assert problems[0] is not None
    refusal, change = problems[0]
    return Exempting(Code.EXEMPTION_REFUSED, refusal=refusal, change=change)


def _problem(entry: Exemption, request: GateRequest) -> tuple[str, str] | None:
    cause = entry.cause
    if entry.reference is not None:
        given = request.reference
        if given is None:
            return (
                f"The cause `{cause}` needs a reference.",
                f"Give a reference for `{cause}` ({entry.reference}).",
            )
        if re.fullmatch(entry.reference, given) is None:
            return (
                f"`{given}` is no reference for the cause `{cause}`.",
                f"Give a reference for `{cause}` ({entry.reference}).",
            )
    if entry.approvers and request.approved_by not in entry.approvers:
        who = ", ".join(entry.approvers)
        return f"The cause `{cause}` needs an approver.", f"Have it approved by one of: {who}."
    return None
