"""Ask whoever can tell, and make an answer also when nobody can."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from slo.engine.gates.answer_copies import AnswerCopies
from slo.engine.gates.decision import Effect, GateDecision, Reason, Verdict, canonical
from slo.engine.gates.evaluate import evaluate, evaluate_without_numbers
from slo.engine.gates.policy import DEFAULT_POLICY, GatePolicy
from slo.engine.gates.reason_codes import Code
from slo.engine.gates.request import GateRequest
from slo.engine.gates.words import length
from slo.engine.sources.connection import Connection
from slo.engine.status.model import SloStatus

__all__ = ["Asker", "EngineAsker", "FreezeAsker", "ServerAsker", "settled"]

Clock = Callable[[], float]
"""Returns Unix seconds."""


@dataclass(frozen=True, slots=True)
class EngineAsker:
    """
    Ask an engine, and use the copy of its last answer while it is away.

    Args:
        policy: Used when there is neither.
    """

    connection: Connection
    token: str | None
    policy: GatePolicy | None
    copies: AnswerCopies | None
    clock: Clock

    def ask(self, request: GateRequest, within: float) -> GateDecision:
        """
        Return an answer to *request*.

        Args:
            within: Seconds that it may take.

        Raises:
            EngineRefused: The engine will not answer such a request.
        """
        from slo.engine.gates.client import EngineAway, ask_engine

        name = f"engine {self.connection.url} {canonical(request.to_json()).decode()}"
        if request.idempotency_key is None:
            request = replace(request, idempotency_key=str(uuid.uuid4()))
        try:
            decision = ask_engine(self.connection, request, token=self.token, within=within)
        except EngineAway as error:
            return self._alone(name, request, str(error))
        if self.copies is not None:
            self.copies.keep(name, decision)
        return decision

    def _alone(self, name: str, request: GateRequest, problem: str) -> GateDecision:
        now = self.clock()
        copy = self.copies.last(name) if self.copies is not None else None
        away = Reason(Code.ENGINE_AWAY, Effect.UNKNOWN, f"The engine is away: {problem}.")
        if copy is not None and copy.evaluated_at <= now < copy.expires_at:
            aged = length(now - copy.evaluated_at)
            message = f"This is the engine's answer of {aged} ago. {away.message}"
            note = Reason(Code.LOCAL_COPY, Effect.NOTE, message)
            return replace(copy, reasons=(*copy.reasons, note))
        policy = self.policy or DEFAULT_POLICY
        change = "The engine must answer: is it up, and does this machine reach it?"
        return evaluate_without_numbers(
            policy, request, away, change=change, previous=copy, now=now
        )


@dataclass(frozen=True, slots=True)
class ServerAsker:
    """Read a metrics server and decide here; the last answer is kept, for hysteresis."""

    connection: Connection
    policy: GatePolicy
    copies: AnswerCopies | None
    clock: Clock

    def ask(self, request: GateRequest, within: float) -> GateDecision:
        """
        Return an answer to *request*.

        Args:
            within: Seconds that it may take.

        Raises:
            ToolError: The server refuses, or is no Prometheus.
        """
        from slo.engine.gates.one_shot import read_once
        from slo.engine.sources.protocol import Unavailable

        name = f"server {self.connection.url} {request.service} {request.environment}"
        previous = self.copies.last(name) if self.copies is not None else None

        def limited(status: SloStatus) -> bool:
            slo = f"{status.service}/{status.name}"
            rule = self.policy.rule_of(slo, status.tier, request.environment)
            return status.service == request.service and rule.incident is not None

        try:
            snapshot, incidents = read_once(self.connection, within, limited)
        except Unavailable as error:
            away = Reason(Code.SERVER_AWAY, Effect.UNKNOWN, f"The metrics server is away: {error}.")
            return evaluate_without_numbers(
                self.policy,
                request,
                away,
                change="The metrics server must answer: is it up, and does this machine reach it?",
                previous=previous,
                now=self.clock(),
            )
        decision = evaluate(
            self.policy,
            request,
            snapshot,
            previous=previous,
            incidents=incidents,
            now=self.clock(),
        )
        if self.copies is not None:
            self.copies.keep(name, decision)
        return decision


@dataclass(frozen=True, slots=True)
class FreezeAsker:
    """Look at the freezes of a policy only."""

    policy: GatePolicy
    clock: Clock

    def ask(self, request: GateRequest, within: float) -> GateDecision:
        """Return an answer to *request*, at once."""
        return evaluate_without_numbers(self.policy, request, None, now=self.clock())


Asker = EngineAsker | ServerAsker | FreezeAsker


def settled(decision: GateDecision, on_unknown: str | None) -> GateDecision:
    """
    Return *decision*, with what the caller makes of an unknown answer.

    Args:
        on_unknown: `allow` or `deny`; `None` leaves it unknown.
    """
    if decision.verdict is not Verdict.UNKNOWN or on_unknown is None:
        return decision
    allowed = on_unknown == "allow"
    code = Code.UNKNOWN_ALLOWED if allowed else Code.UNKNOWN_DENIED
    effect = Effect.ALLOW if allowed else Effect.DENY
    message = f"The numbers give no answer; --on-unknown says {on_unknown}."
    reason = Reason(code, effect, message)
    verdict = Verdict.ALLOW if allowed else Verdict.DENY
    return replace(decision, verdict=verdict, reasons=(reason, *decision.reasons))
