"""
Decide whether a deployment may go on.

`evaluate` is a function of its arguments: it reads no clock, no file and no network. Each SLO
is judged by itself: its rule, then freezes, the exemption of the cause, what the policy makes
of unknown numbers, and overrides. The worst verdict decides.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace

from slo.engine.gates.decision import (
    Effect,
    GateDecision,
    Reason,
    SloNumbers,
    Verdict,
    identified,
)
from slo.engine.gates.incidents import Incident
from slo.engine.gates.policy import GatePolicy, Topic
from slo.engine.gates.reason_codes import Code
from slo.engine.gates.request import GateRequest
from slo.engine.gates.ruling import Ruler, Ruling
from slo.engine.gates.words import percent
from slo.engine.ledger.records import Freeze, Override
from slo.engine.status.model import SloStatus, Snapshot

__all__ = ["evaluate", "evaluate_without_numbers"]

_WORST = {Verdict.ALLOW: 0, Verdict.UNKNOWN: 1, Verdict.DENY: 2}
_ORDER = {effect: rank for rank, effect in enumerate(Effect)}
_FIRST: dict[str, int] = {
    **{code: rank for rank, code in enumerate(Code)},
    Code.DRY_RUN: -3,
    Code.OVERRIDE_DENIES: -2,
    Code.OVERRIDE_ALLOWS: -2,
    Code.FREEZE: -1,
}
_NUMBERS = (Topic.BUDGET, Topic.BURNING, Topic.INCIDENT)


def evaluate(
    policy: GatePolicy,
    request: GateRequest,
    snapshot: Snapshot | None,
    *,
    freezes: Sequence[Freeze] = (),
    overrides: Sequence[Override] = (),
    previous: GateDecision | None = None,
    incidents: Mapping[str, Sequence[Incident]] | None = None,
    now: float,
    decision_id: str | None = None,
) -> GateDecision:
    """
    Return the answer to *request*.

    Args:
        snapshot: Its statuses sorted by key, as `build_snapshot` makes it; `None` before the
            first one.
        freezes: Of the ledger; those of the policy come with it.
        overrides: Of the ledger, in force or not.
        previous: The last decision about the same service and environment.
        incidents: Of the present period, by key of the SLO; of an SLO that is missing here,
            nobody knows.
        now: Unix time.
        decision_id: Made of the content if left out.
    """
    ruler = Ruler(policy, request, freezes, overrides, previous, now)
    found = _of_service(snapshot, request.service) if snapshot else []
    rulings = [
        ruler.rule_on(status, None if incidents is None else incidents.get(status.key))
        for status in found
        if not request.slos or status.name in request.slos
    ]
    rulings += [
        ruler.rule_without(reason, change) for reason, change in _missing(request, snapshot, found)
    ]
    decision = _answer(policy, request, rulings, previous, now)
    return replace(decision, id=decision_id) if decision_id else identified(decision)


def evaluate_without_numbers(
    policy: GatePolicy,
    request: GateRequest,
    reason: Reason | None,
    *,
    change: str | None = None,
    previous: GateDecision | None = None,
    now: float,
) -> GateDecision:
    """
    Return the answer to *request* when nobody can say how its SLOs stand.

    Args:
        reason: Why not; `None` when only the freezes of the policy are asked for.
        change: Sentence that says what would help.
        previous: As for `evaluate`.
        now: Unix time.
    """
    ruling = Ruler(policy, request, (), (), previous, now).rule_without(reason, change)
    return identified(_answer(policy, request, [ruling], previous, now))


def _missing(
    request: GateRequest, snapshot: Snapshot | None, found: Sequence[SloStatus]
) -> list[tuple[Reason, str]]:
    """Return what was asked for and is not there, with what to do."""
    service = request.service
    if snapshot is None:
        reason = Reason(Code.NO_DATA, Effect.UNKNOWN, "No numbers have been read yet.")
        return [(reason, "Ask again when the first numbers are read.")]
    if not found:
        guess = _closest(service, {status.service for status in snapshot.statuses})
        message = f"No SLO of a service `{service}` is recorded.{guess}"
        reason = Reason(Code.SERVICE_NOT_KNOWN, Effect.UNKNOWN, message)
        return [(reason, f"`{service}` must have an SLO whose rules are loaded.")]
    names = {status.name for status in found}
    lacking = []
    for name in request.slos:
        if name not in names:
            message = f"{service} has no SLO `{name}`.{_closest(name, names)}"
            reason = Reason(Code.SLO_NOT_KNOWN, Effect.UNKNOWN, message, f"{service}/{name}")
            lacking.append((reason, f"`{service}/{name}` must be recorded, or not asked for."))
    return lacking


def _answer(
    policy: GatePolicy,
    request: GateRequest,
    rulings: Sequence[Ruling],
    previous: GateDecision | None,
    now: float,
) -> GateDecision:
    """Return the answer to *request*, without an id, from the rulings on its SLOs."""
    final = max((v.verdict for v in rulings), key=_WORST.__getitem__)
    would_be = max((v.would_be for v in rulings), key=_WORST.__getitem__)
    dry = request.dry_run or any(v.rule.dry_run for v in rulings)
    judged = [v.judged for v in rulings if v.judged is not None]
    held = set(previous.held if previous else ()) - {j.status.key for j in judged}
    held |= {j.status.key for j in judged if j.held}
    return GateDecision(
        id="",
        request=request,
        verdict=final,
        reasons=_reasons(rulings, final, would_be),
        slos=tuple(_numbers(v) for v in rulings if v.judged is not None),
        changes=_changes(rulings, would_be),
        policy=policy.digest,
        policy_name=policy.name,
        evaluated_at=now,
        expires_at=_expires_at(policy, rulings, final, would_be, now),
        override=next((v.override for v in rulings if v.override and v.verdict is final), None),
        exemption=next((v.exemption for v in rulings if v.exemption), None),
        dry_run=dry,
        would_be=would_be if dry else None,
        data_age=max((j.age for j in judged if j.age is not None), default=None),
        held=tuple(sorted(held)),
        last_known=_last_known(request, rulings, previous, now),
        reviews={key: text for j in judged for key, text in j.reviews.items()},
    )


def _reasons(rulings: Sequence[Ruling], final: Verdict, would_be: Verdict) -> tuple[Reason, ...]:
    found = dict.fromkeys(f.reason for v in rulings for f in v.findings)
    if would_be is Verdict.ALLOW and not any(r.effect is Effect.ALLOW for r in found):
        found[_fine(rulings)] = None
    if final is not would_be:
        word = "denied" if would_be is Verdict.DENY else would_be.value
        message = f"Only a dry run: it would have been {word}."
        found[Reason(Code.DRY_RUN, Effect.ALLOW, message)] = None
    wanted = Effect(final.value)
    left = {v.judged.status.key: v.judged.remaining for v in rulings if v.judged}

    def rank(reason: Reason) -> tuple[bool, int, int, float, str]:
        remaining = left.get(reason.slo or "")
        return (
            reason.effect is not wanted,
            _ORDER[reason.effect],
            _FIRST.get(reason.code, 0),
            math.inf if remaining is None else remaining,
            reason.message,
        )

    return tuple(sorted(found, key=rank))


def _expires_at(
    policy: GatePolicy,
    rulings: Sequence[Ruling],
    final: Verdict,
    would_be: Verdict,
    now: float,
) -> float:
    if final is Verdict.UNKNOWN or final is not would_be:
        return now
    latest = now + policy.reuse_for
    if final is Verdict.DENY:
        denying = [v for v in rulings if v.verdict is Verdict.DENY]
        ends = [max(f.ends for f in v.findings if f.reason.effect is Effect.DENY) for v in denying]
        return min(latest, *ends)
    return max(now, min(latest, *(v.holds_until for v in rulings)))


def _last_known(
    request: GateRequest,
    rulings: Sequence[Ruling],
    previous: GateDecision | None,
    now: float,
) -> tuple[Verdict, float] | None:
    """Return what the numbers alone say, or what they said when they last said something."""
    judged = [v.judged for v in rulings if v.judged is not None]
    found = [f for j in judged for f in j.findings]
    if len(judged) < len(rulings) or any(f.topic is Topic.UNKNOWN for f in found):
        same = previous is not None and previous.request.slos == request.slos
        return previous.last_known if previous is not None and same else None
    denied = any(f.topic in _NUMBERS and f.reason.effect is Effect.DENY for f in found)
    age = max((j.age for j in judged if j.age is not None), default=0.0)
    return (Verdict.DENY if denied else Verdict.ALLOW), now - age


def _of_service(snapshot: Snapshot, service: str) -> list[SloStatus]:
    """Return the SLOs of *service*; ten thousand of others cost nothing."""
    statuses = snapshot.statuses
    found = []
    for at in range(bisect_left(statuses, f"{service}/", key=lambda s: s.key), len(statuses)):
        if statuses[at].service != service:
            break
        found.append(statuses[at])
    return found


def _closest(word: str, choices: set[str]) -> str:
    from slo.schema import closest

    guess = closest(word, choices)
    return f" Did you mean `{guess}`?" if guess else ""


def _fine(rulings: Sequence[Ruling]) -> Reason:
    left = [
        (v.judged.remaining, v.judged.status.key)
        for v in rulings
        if v.judged is not None and v.judged.remaining is not None
    ]
    if not left:
        return Reason(Code.BUDGET_OK, Effect.ALLOW, "Nothing speaks against it.")
    least, slo = min(left)
    message = f"{slo} has {percent(least)} of its error budget left."
    if len(left) > 1:
        all_ = "Both" if len(left) == 2 else f"All {len(left)}"
        message = f"{all_} SLOs have error budget left; {slo} has least: {percent(least)}."
    return Reason(Code.BUDGET_OK, Effect.ALLOW, message)


def _changes(rulings: Sequence[Ruling], would_be: Verdict) -> tuple[str, ...]:
    """Return what would change a denial; of an answer that allows, nothing has to."""
    if would_be is Verdict.ALLOW:
        return ()
    found: dict[str, None] = {}
    for ruling in rulings:
        for finding in ruling.findings:
            standing = finding.reason.effect in (Effect.DENY, Effect.UNKNOWN)
            refused = finding.reason.code == Code.EXEMPTION_REFUSED
            if finding.change is not None and (standing or refused):
                found[finding.change] = None
    return tuple(found)


def _numbers(ruling: Ruling) -> SloNumbers:
    judged = ruling.judged
    assert judged is not None
    status, rule = judged.status, judged.rule

    def fires(severity: str) -> bool:
        return any(a.severity == severity and a.state == "firing" for a in status.alerts)

    worst = judged.worst
    return SloNumbers(
        slo=status.key,
        verdict=ruling.verdict,
        rule=rule.name,
        tier=status.tier,
        state=status.state.value,
        remaining=judged.remaining,
        worst_case=worst if worst is not None and math.isfinite(worst) else None,
        deny_at=rule.deny_at,
        warn_at=rule.warn_at,
        recover_at=rule.recover_at,
        needed=judged.needed,
        burn_rates={
            b.window: b.rate
            for b in status.burn_rates
            if b.rate is not None and math.isfinite(b.rate)
        },
        page=fires("page"),
        ticket=fires("ticket"),
        held=judged.held,
        evaluated_at=status.provenance.evaluated_at,
        age=judged.age,
        coverage=status.provenance.coverage,
    )
