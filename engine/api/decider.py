"""Answer questions to gates from memory, and see to it that the answers are recorded."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from slo.engine.api.access import Principal
from slo.engine.api.incident_book import IncidentBook
from slo.engine.api.recorder import DecisionRecorder
from slo.engine.api.standing import Standing
from slo.engine.api.view import View, Views
from slo.engine.gates.decision import (
    GateDecision,
    Verdict,
    decision_from_json,
    decision_record,
    previous_decision,
)
from slo.engine.gates.evaluate import evaluate
from slo.engine.gates.policy import GatePolicy
from slo.engine.gates.request import GateRequest

__all__ = ["Decided", "Decider"]

K = TypeVar("K")
V = TypeVar("V")

_REUSE_SECONDS = 5.0
_REPEAT_SECONDS = 60.0
_MOST_KEPT = 4_096


class Decided:
    """
    Hold a decision with the bytes of its answer.

    Args:
        content: The decision as JSON.
        recorded: Whether the ledger has it.
    """

    __slots__ = ("body", "decision", "recorded")

    def __init__(self, decision: GateDecision, content: Mapping[str, Any], recorded: bool) -> None:
        self.decision = decision
        self.recorded = recorded
        content = {**content, "recorded": recorded}
        self.body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


class Decider:
    """
    Decide by a policy.

    What asks in a loop neither costs much nor fills the ledger: the same question, of the same
    asker, against the same numbers and records gets the same answer for a few seconds. Against
    newer numbers it is decided anew, and is the same decision with the same id as long as the
    verdict and its reasons stay, for up to a minute.

    Args:
        policy: Decides.
        views: Have the snapshot.
        standing: Has freezes, overrides and what was decided before.
        recorder: Takes the decisions.
        clock: Returns Unix seconds.
        incidents: Knows what single incidents have spent.
    """

    def __init__(
        self,
        policy: GatePolicy,
        *,
        views: Views,
        standing: Standing,
        recorder: DecisionRecorder,
        clock: Callable[[], float],
        incidents: IncidentBook | None = None,
    ) -> None:
        self.policy = policy
        self._incidents = incidents
        self._views = views
        self._standing = standing
        self._recorder = recorder
        self._clock = clock
        self._kept: OrderedDict[tuple[object, ...], asyncio.Future[Decided]] = OrderedDict()
        self._previous: OrderedDict[tuple[str, str], GateDecision] = OrderedDict()
        self._standing_for: OrderedDict[tuple[GateRequest, str], _Recorded] = OrderedDict()

    def replace_policy(self, policy: GatePolicy) -> None:
        """Decide by *policy* from now on."""
        self.policy = policy
        self._kept.clear()

    async def decide(self, request: GateRequest, principal: Principal) -> Decided:
        """
        Return the answer to *request*.

        Raises:
            LedgerConflict: Its idempotency key was used for another request.
        """
        now = self._clock()
        seen = self._views.now()
        tag = seen[0].tag if seen else ""
        version = self._standing.now.version
        key = (request, principal.name, tag, version)
        kept = self._kept.get(key)
        if kept is None or _useless(kept, now):
            # Those who ask meanwhile wait for the same answer.
            work = self._decided(request, principal, seen[0] if seen else None, now)
            kept = asyncio.ensure_future(work)
            _keep(self._kept, key, kept)
        return await asyncio.shield(kept)

    async def _decided(
        self, request: GateRequest, principal: Principal, view: View | None, now: float
    ) -> Decided:
        decision = self._decision(request, view, now)
        question = (request, principal.name)
        before = self._standing_for.get(question)
        if before is not None and before.says(decision, now):
            decision = replace(decision, id=before.id)
            return Decided(decision, decision.to_json(), True)
        record = decision_record(decision, principal.name)
        known = await self._recorder.record(record, request.idempotency_key)
        if known is None:
            return Decided(decision, record.evidence, False)
        if known.id != record.id:
            # The question was answered before, perhaps by another replica.
            return Decided(decision_from_json(known.evidence), known.evidence, True)
        # At random, so that what began together does not come back together.
        until = now + _REPEAT_SECONDS * random.uniform(0.5, 1)  # noqa: S311 - no secret
        recorded = _Recorded(decision.id, _substance(decision), until)
        _keep(self._standing_for, question, recorded)
        return Decided(decision, record.evidence, True)

    def _decision(self, request: GateRequest, view: View | None, now: float) -> GateDecision:
        records = self._standing.now
        place = (request.service, request.environment)
        incidents = None
        if self._incidents is not None and view is not None:
            incidents = self._incidents.of(self.policy, view, request.service)
        decision = evaluate(
            self.policy,
            request,
            view.snapshot if view else None,
            freezes=records.freezes_at(now),
            overrides=records.overrides_at(now),
            previous=self._last(request, place),
            incidents=incidents,
            now=now,
            # One made of the content would cost as much as all the rest.
            decision_id=f"gate-{secrets.token_hex(12)}",
        )
        if not request.dry_run:
            _keep(self._previous, place, decision)
        return decision

    def _last(self, request: GateRequest, place: tuple[str, str]) -> GateDecision | None:
        ours = self._previous.get(place)
        known = self._standing.now.last_decision(place)
        if known is None or (ours is not None and known.at <= ours.evaluated_at):
            return ours
        # Another replica has answered since.
        return previous_decision((known,), request) or ours


@dataclass(frozen=True, slots=True)
class _Recorded:
    """Hold what the ledger has about a question, and until when that is enough."""

    id: str
    substance: tuple[object, ...]
    until: float

    def says(self, decision: GateDecision, now: float) -> bool:
        return now < self.until and self.substance == _substance(decision)


def _substance(decision: GateDecision) -> tuple[object, ...]:
    """Return what makes a decision another one; the numbers behind it move all the time."""
    reasons = tuple((reason.code, reason.effect, reason.slo) for reason in decision.reasons)
    return (
        decision.verdict,
        reasons,
        decision.policy,
        decision.override,
        decision.exemption,
        decision.would_be,
        decision.held,
    )


def _useless(kept: asyncio.Future[Decided], now: float) -> bool:
    if not kept.done():
        return False
    if kept.cancelled() or kept.exception() is not None:
        return True
    decided = kept.result()
    decision = decided.decision
    # An unknown verdict expires at once, and is asked for in loops all the same.
    expired = decision.verdict is not Verdict.UNKNOWN and now >= decision.expires_at
    old = not 0 <= now - decision.evaluated_at < _REUSE_SECONDS
    return not decided.recorded or expired or old


def _keep(kept: OrderedDict[K, V], key: K, value: V) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
