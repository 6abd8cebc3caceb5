"""Read gate policies, with a place for every mistake."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from slo.diagnostics import Diagnostic, Span, has_errors
from slo.duration import Duration
from slo.engine.gates.freeze_reader import read_freeze
from slo.engine.gates.policy import (
    BurnLimit,
    Exemption,
    GatePolicy,
    IncidentLimit,
    LastKnown,
    Rule,
    Scope,
    Then,
    Topic,
    Unknown,
)
from slo.engine.gates.policy_checks import (
    check_ages,
    check_expression,
    check_names,
    check_order,
    check_thresholds,
)
from slo.schema import checker
from slo.source import Document, Map, Source, span_of

__all__ = ["read_policy"]

_LIFTED = (Topic.BUDGET, Topic.BURNING, Topic.INCIDENT)


def read_policy(document: Document) -> tuple[GatePolicy | None, list[Diagnostic]]:
    """Return the policy that *document* declares, or `None`, with what is wrong with it."""
    source, root, node = document.source, document.root, document.node
    diagnostics = list(document.diagnostics)
    if node is None or has_errors(diagnostics):
        return None, diagnostics
    diagnostics += checker("gate-policy-v1", "GatePolicy").check(source, root, node)
    if has_errors(diagnostics):
        return None, diagnostics
    reader = _Reader(source, diagnostics)
    policy = reader.policy(root, _digest(root))
    return (None if has_errors(diagnostics) else policy), diagnostics


def _digest(root: Map) -> str:
    import json

    text = json.dumps(root, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class _Reader:
    """Read the parts of one policy whose form is right."""

    def __init__(self, source: Source, diagnostics: list[Diagnostic]) -> None:
        self._source, self._diagnostics = source, diagnostics

    def policy(self, root: Map, digest: str) -> GatePolicy:
        defaults = GatePolicy("", "")
        rules = [self._rule(entry) for entry in root.get("rules", ())]
        freezes = [
            freeze
            for entry in root.get("freezes", ())
            if (freeze := read_freeze(self._source, entry, self._diagnostics)) is not None
        ]
        policy = GatePolicy(
            name=root["name"],
            digest=digest,
            fresh_for=_seconds(root, "fresh_for", defaults.fresh_for),
            max_age=_seconds(root, "max_age", defaults.max_age),
            reuse_for=_seconds(root, "reuse_for", defaults.reuse_for),
            rules=tuple(rules),
            freezes=tuple(freezes),
            exemptions=tuple(self._exemption(entry) for entry in root.get("exemptions", ())),
        )
        places = [self._span(entry, "name") for entry in root.get("rules", ())]
        found = self._diagnostics
        found += check_ages(policy, self._span(root, "fresh_for", "max_age", "name"))
        for rule, entry in zip(rules, root.get("rules", ()), strict=True):
            found += check_thresholds(rule, partial(self._span, entry))
        found += check_order(rules, places)
        for key in ("rules", "freezes"):
            found += check_names(
                [(entry["name"], self._span(entry, "name")) for entry in root.get(key, ())]
            )
        return policy

    def _span(self, mapping: Map, *keys: str) -> Span:
        """Return the place of the first of *keys* that is there."""
        key = next(key for key in keys if key in mapping)
        return span_of(self._source, mapping.nodes[key][1])

    def _rule(self, entry: Map) -> Rule:
        incident: Map | None = entry.get("incident")
        return Rule(
            name=entry["name"],
            scope=scope_of(entry),
            deny_at=_limit(entry, "deny_at", 0.0),
            warn_at=_limit(entry, "warn_at", 0.2),
            recover_at=_limit(entry, "recover_at", None),
            page=Then(entry.get("page", "deny")),
            ticket=Then(entry.get("ticket", "warn")),
            burn_rates=tuple(
                BurnLimit(
                    str(Duration.parse(limit["window"])),
                    float(limit["above"]),
                    Then(limit.get("then", "deny")),
                )
                for limit in entry.get("burn_rates", ())
            ),
            incident=None if incident is None else self._incident(incident),
            min_coverage=float(entry.get("min_coverage", 0)) / 100,
            on_unknown=_on_unknown(entry.get("on_unknown", "unknown")),
            dry_run=entry.get("dry_run", False),
        )

    def _incident(self, entry: Map) -> IncidentLimit:
        self._check_expression(entry, "reviewed_by")
        return IncidentLimit(
            float(entry["share"]) / 100, Then(entry.get("then", "deny")), entry.get("reviewed_by")
        )

    def _exemption(self, entry: Map) -> Exemption:
        reference = entry.get("reference", False)
        if isinstance(reference, str):
            self._check_expression(entry, "reference")
        else:
            reference = ".+" if reference else None
        return Exemption(
            cause=entry["cause"],
            lifts=tuple(map(Topic, entry.get("lifts", _LIFTED))),
            scope=scope_of(entry),
            reference=reference,
            approvers=tuple(entry.get("approvers", ())),
        )

    def _check_expression(self, entry: Map, key: str) -> None:
        if key in entry:
            self._diagnostics += check_expression(entry[key], self._span(entry, key))


def scope_of(entry: Map) -> Scope:
    """Return what *entry* is about."""
    return Scope(*(tuple(entry.get(key, ())) for key in ("slos", "tiers", "environments")))


def _seconds(entry: Map, key: str, default: float) -> float:
    return Duration.parse(entry[key]).seconds if key in entry else default


def _limit(entry: Map, key: str, default: float | None) -> float | None:
    if key not in entry:
        return default
    value = entry[key]
    return None if value is False else float(value) / 100


def _on_unknown(declared: Any) -> Unknown | LastKnown:
    if isinstance(declared, Map):
        lasting = Duration.parse(declared["last_known_for"]).seconds
        return LastKnown(lasting, Unknown(declared.get("then", "unknown")))
    return Unknown(declared)
