"""Read Packs documents, with a place for every mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import promql_parser

from slo.alerts.model import AlertingRule, Rule
from slo.alerts.packs.catalog import defaults, rules_of
from slo.alerts.packs.contradictions import contradictions
from slo.alerts.packs.model import PackRules
from slo.alerts.packs.settings import Settings
from slo.diagnostics import Diagnostic, Severity, has_errors
from slo.duration import Duration
from slo.indicators.params import series
from slo.promql import PromqlError, parse_template
from slo.schema import checker, closest
from slo.source import Document, Map, Source, span_of

__all__ = ["Pack", "PackSet", "read_packs"]


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """Hold one pack with its settings and what it makes of them."""

    settings: Settings
    rules: PackRules


@dataclass(frozen=True, slots=True, eq=False)
class PackSet:
    """
    Hold the packs of one document.

    Args:
        source: File that declares them, for headers.
    """

    name: str
    source: str
    packs: tuple[Pack, ...]


def read_packs(document: Document) -> tuple[PackSet | None, list[Diagnostic]]:
    """Return the packs that *document* asks for, or `None`, with what is wrong with it."""
    source, root, node = document.source, document.root, document.node
    diagnostics = list(document.diagnostics)
    if node is None or has_errors(diagnostics):
        return None, diagnostics
    diagnostics += checker("packs-v1", "Packs").check(source, root, node)
    if has_errors(diagnostics):
        return None, diagnostics
    packs = []
    for name, given in root["packs"].items():
        problems = _wrong_selector(source, given)
        if not problems:
            settings = _settings(root, name, given)
            problems = list(contradictions(source, given, settings))
        if not problems:
            complete = rules_of(settings)
            known = [alert.alert for alert in complete.all_alerts]
            problems = _unknown_alerts(source, given, known)
            problems += _wrong_promql(source, root["packs"], name, complete)
            without = frozenset(given.get("without", ()))
            packs.append(Pack(settings, rules_of(settings, without)))
        diagnostics += problems
    if has_errors(diagnostics):
        return None, diagnostics
    return PackSet(root["name"], source.path, tuple(packs)), diagnostics


def _settings(root: Map, pack: str, given: Map) -> Settings:
    keep = root.get("keep_firing_for")
    return Settings(
        pack=pack,
        name=root["name"],
        owner=given.get("owner", root.get("owner", "")),
        runbooks=root.get("runbooks", ""),
        pages=given.get("pages", root.get("pages", True)),
        keep_firing_for=None if keep is None else Duration.parse(keep),
        labels=root.get("labels", {}),
        given={**defaults(pack), **given},
    )


def _wrong_selector(source: Source, given: Map) -> list[Diagnostic]:
    selector = given.get("selector")
    if not isinstance(selector, str):
        return []
    try:
        found = parse_template(series("any", selector))
    except PromqlError as error:
        return [_not_matchers(source, given, error.code, f"PromQL: {error}")]
    if not isinstance(found, promql_parser.VectorSelector):
        return [_not_matchers(source, given, "SLO301", "PromQL: more than matchers")]
    return []


def _not_matchers(source: Source, given: Map, code: str, message: str) -> Diagnostic:
    span = span_of(source, given.nodes["selector"][1])
    hint = 'write matchers as in `job="api",route!="/healthz"`'
    return Diagnostic(code, Severity.ERROR, message, span, hint)


def _wrong_promql(source: Source, packs: Map, name: str, rules: PackRules) -> list[Diagnostic]:
    """Find rules that no server would load, whatever setting made them so."""
    found = []
    every: list[Rule] = [*rules.records, *rules.all_alerts]
    for rule in every:
        try:
            parse_template(rule.expr)
        except PromqlError as error:
            what = rule.alert if isinstance(rule, AlertingRule) else rule.record
            span = span_of(source, packs.nodes[name][0])
            message = f"PromQL of `{what}`: {error}"
            hint = "look at its regular expressions, metrics and labels"
            found.append(Diagnostic(error.code, Severity.ERROR, message, span, hint))
    return found


def _unknown_alerts(source: Source, given: Map, known: Sequence[str]) -> list[Diagnostic]:
    found = []
    for name, node in zip(given.get("without", ()), _nodes(given), strict=True):
        if name not in known:
            guess = closest(name, known)
            hint = f"did you mean `{guess}`?" if guess else f"known here: {', '.join(known)}"
            message = f"the pack has no alert `{name}`"
            found.append(Diagnostic("SLO104", Severity.ERROR, message, span_of(source, node), hint))
    return found


def _nodes(given: Map) -> list[Any]:
    return list(given["without"].nodes) if "without" in given else []
