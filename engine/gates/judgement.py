"""Judge one SLO by one rule of the policy; overrides and exemptions come later."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from slo.engine.gates import words
from slo.engine.gates.decision import Effect, Reason
from slo.engine.gates.incidents import Incident
from slo.engine.gates.policy import GatePolicy, IncidentLimit, Rule, Then, Topic
from slo.engine.gates.reason_codes import Code
from slo.engine.gates.request import GateRequest
from slo.engine.gates.staleness import safe_seconds, worst_case
from slo.engine.gates.words import length, moment, percent
from slo.engine.status.model import SloStatus, State

__all__ = ["Finding", "Judged", "judge_slo"]

# Clocks of servers that keep time differ by less.
_SKEW = 120.0
_EFFECTS = {Then.DENY: Effect.DENY, Then.WARN: Effect.WARN}


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Hold a reason, and what it is about.

    Args:
        change: Sentence that says what would end it.
        ends: When it ends by itself, where that is known.
    """

    topic: Topic
    reason: Reason
    change: str | None = None
    ends: float = math.inf


@dataclass(slots=True)
class Judged:
    """
    Hold how an SLO fares.

    Args:
        remaining: What is left of the budget, where the numbers can say so at all.
        worst: What is left of it at worst.
        needed: What must be left, or more.
        holds_until: Until when the judgement would stand without newer numbers.
        held: It is denied for its budget until it has recovered.
        reviews: References of reviews by incident.
    """

    status: SloStatus
    rule: Rule
    age: float | None
    remaining: float | None = None
    worst: float | None = None
    needed: float | None = None
    holds_until: float = 0.0
    held: bool = False
    findings: list[Finding] = field(default_factory=list)
    reviews: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        topic: Topic,
        code: Code,
        effect: Effect,
        message: str,
        change: str | None = None,
    ) -> None:
        """Note a reason about this SLO."""
        reason = Reason(code, effect, message, self.status.key)
        self.findings.append(Finding(topic, reason, change))


def judge_slo(
    status: SloStatus,
    policy: GatePolicy,
    request: GateRequest,
    *,
    was_held: bool,
    incidents: Sequence[Incident] | None,
    now: float,
) -> Judged:
    """
    Return how *status* fares by the rule of *policy* that covers it.

    Args:
        was_held: It was denied for its budget before, and had not recovered.
        incidents: Those of this SLO; `None` where nobody knows.
    """
    slo = f"{status.service}/{status.name}"
    rule = policy.rule_of(slo, status.tier, request.environment)
    at = status.provenance.evaluated_at
    age = None if at is None else now - at
    judged = Judged(status, rule, None if age is None else max(0.0, age), held=was_held)
    if _usable(judged, policy, age):
        _check_budget(judged, policy, was_held, now)
        _check_incidents(judged, rule.incident, request, incidents)
    # A page that fires is news, however old the budget is.
    _check_burning(judged)
    return judged


def _usable(judged: Judged, policy: GatePolicy, age: float | None) -> bool:
    """Tell whether the numbers may be looked at; note why not."""
    status, slo = judged.status, judged.status.key
    left = _left(status)
    if age is None or (status.state is State.NO_DATA and age <= policy.max_age) or left is None:
        why = status.reasons[0] if status.state is State.NO_DATA and status.reasons else ""
        message = f"{slo} records nothing to decide by" + (f": {why}" if why else ".")
        change = f"{slo} must record data again: are its rules loaded, and its metrics there?"
        judged.add(Topic.UNKNOWN, Code.NO_DATA, Effect.UNKNOWN, message, change)
        return False
    if age < -_SKEW:
        message = f"The numbers of {slo} are {length(-age)} ahead of this machine's clock."
        change = "Set the clocks right: this machine's and the metrics server's."
        judged.add(Topic.UNKNOWN, Code.CLOCK_SKEW, Effect.UNKNOWN, message, change)
        return False
    if age > policy.max_age:
        old, most = length(age), length(policy.max_age)
        if old == most:
            old = f"a little more than {most}"
        message = (
            f"The numbers of {slo} are {old} old; the policy relies on none older than {most}."
        )
        judged.add(Topic.UNKNOWN, Code.STALE, Effect.UNKNOWN, message, _newer(slo, policy))
        return False
    covered, least = status.provenance.coverage, judged.rule.min_coverage
    if covered is not None and covered < least:
        message = f"Only {percent(covered, least)} of the period of {slo} was measured."
        change = f"{percent(least)} of the period of {slo} must be measured, or backfilled."
        judged.add(Topic.UNKNOWN, Code.COVERAGE_LOW, Effect.UNKNOWN, message, change)
        return False
    judged.remaining = left
    return True


def _left(status: SloStatus) -> float | None:
    """Return what is left of the budget; of a calendar period's, at its end."""
    budget = status.budget
    left = budget.projected if budget.projected is not None else budget.remaining
    if left is None and budget.ratio == 0 and budget.remaining_events is not None:
        # An objective of 100 % has no budget to divide by: it is whole, or it is gone.
        return 1.0 if budget.remaining_events >= 0 else -1.0
    return left if left is not None and math.isfinite(left) else None


def _newer(slo: str, policy: GatePolicy) -> str:
    return (
        f"The numbers of {slo} must be younger than {length(policy.fresh_for)}: "
        "does the metrics server answer, and does it evaluate the rules?"
    )


def _check_budget(judged: Judged, policy: GatePolicy, was_held: bool, now: float) -> None:
    rule, left, age = judged.rule, judged.remaining, judged.age
    assert left is not None
    assert age is not None
    slo, taken_at = judged.status.key, now - age
    fresh_until = taken_at + policy.fresh_for
    if rule.deny_at is None:
        judged.held = False
        judged.holds_until = taken_at + policy.max_age
        return
    recovering = was_held and rule.recover_at is not None and left < rule.recover_at
    spent = left <= rule.deny_at
    judged.held = spent or recovering
    goal = rule.deny_at if rule.recover_at is None else max(rule.deny_at, rule.recover_at)
    judged.needed = goal if judged.held else rule.deny_at
    period = judged.status.period.seconds
    covered = judged.status.provenance.coverage
    measured = period if covered is None else period * min(1.0, covered)
    ratio = judged.status.budget.ratio
    judged.worst = worst_case(left, age, ratio, measured)
    aged = f" (as of {length(age)} ago)" if age > policy.fresh_for else ""
    if spent:
        message = f"{slo} has {percent(left)} of its error budget left{aged}; "
        if left <= 0:
            message = f"{slo} has spent {percent(1 - left)} of its error budget{aged}; "
        message += f"at {percent(rule.deny_at)} left or less nothing is deployed."
        change = _rise(judged, left, goal, now)
        judged.add(Topic.BUDGET, Code.BUDGET_SPENT, Effect.DENY, message, change)
    elif recovering:
        assert rule.recover_at is not None
        message = f"{slo} was out of budget and has {percent(left)} left{aged}; "
        message += f"it is free again at {percent(rule.recover_at)}."
        change = _rise(judged, left, rule.recover_at, now)
        judged.add(Topic.BUDGET, Code.RECOVERING, Effect.DENY, message, change)
    elif age > policy.fresh_for and judged.worst <= rule.deny_at:
        message = (
            f"The numbers of {slo} are {length(age)} old: {percent(left)} of the budget was left, "
            "but a full outage since then would have spent it."
        )
        judged.add(Topic.UNKNOWN, Code.STALE, Effect.UNKNOWN, message, _newer(slo, policy))
    else:
        _check_margin(judged, policy, left, age)
    safe = taken_at + safe_seconds(left, rule.deny_at, ratio, measured)
    judged.holds_until = max(fresh_until, min(safe, taken_at + policy.max_age))


def _check_margin(judged: Judged, policy: GatePolicy, left: float, age: float) -> None:
    rule, slo = judged.rule, judged.status.key
    if age > policy.fresh_for:
        assert judged.worst is not None
        message = (
            f"The numbers of {slo} are {length(age)} old, but even a full outage since then would "
            f"have left {percent(judged.worst)} of the budget."
        )
        judged.add(Topic.BUDGET, Code.STALE_BUT_SAFE, Effect.WARN, message)
    if rule.warn_at is not None and left <= rule.warn_at:
        message = f"{slo} has only {percent(left)} of its error budget left."
        judged.add(Topic.BUDGET, Code.BUDGET_LOW, Effect.WARN, message)


def _rise(judged: Judged, left: float, goal: float, now: float) -> str:
    """Say how far the budget is from *goal*, and when it may be there."""
    status = judged.status
    more = "to" if goal > left and judged.rule.recover_at is not None else "above"
    sentence = (
        f"{status.key}: what is left of the budget must rise from {percent(left, goal)} {more} "
    )
    sentence += percent(goal)
    period = status.period
    if period.kind == "calendar":
        if period.end is None:
            return sentence + "."
        return f"{sentence}; it starts anew on {moment(period.end)}, in {length(period.end - now)}."
    burn = _present_burn(status)
    if burn is None or period.seconds <= 0:
        return sentence + "."
    # Old errors leave the period as new ones enter it; when they happened is not looked at.
    gain = (1 - left - burn) / period.seconds
    if gain <= 0 or goal > 1 - burn:
        return f"{sentence}; at the present burn rate of {burn:.3g} it will not."
    wait = min(period.seconds, (goal - left) / gain)
    return f"{sentence}: at the present rate in about {length(wait)}."


def _present_burn(status: SloStatus) -> float | None:
    for window in ("6h", "1h", "5m"):
        rate = status.burn_rate(window)
        if rate is not None and math.isfinite(rate):
            return rate
    return None


def _check_incidents(
    judged: Judged,
    limit: IncidentLimit | None,
    request: GateRequest,
    incidents: Sequence[Incident] | None,
) -> None:
    if limit is None or limit.then is Then.IGNORE:
        return
    slo = judged.status.key
    if incidents is None:
        # Without an SLO: it is said once, not for each of them.
        message = "Single incidents could not be looked at: no history is at hand."
        reason = Reason(Code.INCIDENTS_NOT_KNOWN, Effect.NOTE, message)
        judged.findings.append(Finding(Topic.INCIDENT, reason))
        return
    for incident in incidents:
        if incident.share <= limit.share or incident.review is not None:
            continue
        if _reviews(limit, request.reference):
            assert request.reference is not None
            judged.reviews[incident.id] = request.reference
            continue
        message = (
            f"One incident of {slo}, on {moment(incident.start)}, spent "
            f"{percent(incident.share, limit.share)} of the error budget; more than "
            f"{percent(limit.share)} needs a review."
        )
        change = None
        if limit.reviewed_by is not None:
            change = f"Give the review of that incident as the reference ({limit.reviewed_by})."
        judged.add(Topic.INCIDENT, Code.INCIDENT_SHARE, _EFFECTS[limit.then], message, change)


def _reviews(limit: IncidentLimit, reference: str | None) -> bool:
    if limit.reviewed_by is None or reference is None:
        return False
    return re.fullmatch(limit.reviewed_by, reference) is not None


def _check_burning(judged: Judged) -> None:
    rule, slo = judged.rule, judged.status.key
    for severity, then, code in (
        ("page", rule.page, Code.PAGE_FIRES),
        ("ticket", rule.ticket, Code.TICKET_FIRES),
    ):
        firing = [
            alert
            for alert in judged.status.alerts
            if alert.severity == severity
            and alert.state == "firing"
            and alert.kind != "missing_data"
        ]
        if firing and then is not Then.IGNORE:
            alert = firing[0]
            over = f" over {alert.windows.replace('/', ' and ')}" if alert.windows else ""
            message = f"A {severity} of {slo} fires{over}: {alert.name}."
            change = f"The {severity} {alert.name} of {slo} must stop firing."
            judged.add(Topic.BURNING, code, _EFFECTS[then], message, change)
    for limit in rule.burn_rates:
        rate = judged.status.burn_rate(limit.window)
        if rate is not None and rate > limit.above and limit.then is not Then.IGNORE:
            times = words.rate(rate, limit.above)
            message = f"{slo} burns {times} times as fast as it may over {limit.window}; "
            message += f"the limit is {limit.above:g}."
            change = f"The burn rate of {slo} over {limit.window} must fall to {limit.above:g}."
            judged.add(Topic.BURNING, Code.BURNS_FAST, _EFFECTS[limit.then], message, change)
