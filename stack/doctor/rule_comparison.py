"""Compare the rules that a server has loaded with those that were compiled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser
import yaml

from slo.duration import Duration

__all__ = ["LoadedRule", "compare_rules", "compiled_rules", "loaded_rules"]

_SPACE = re.compile(r"\s+")
# A rule whose text is longer goes by its text alone: the parser's time grows with it.
_LONGEST_PARSED = 16_384


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """
    Hold what makes two rules the same.

    Args:
        expr: In the form that all ways to write it have in common.
        for_: Seconds.
    """

    group: str
    name: str
    expr: str
    for_: float
    labels: tuple[tuple[str, str], ...]

    def difference(self, other: LoadedRule) -> str:
        """Return what differs between this rule and *other*."""
        if self.labels != other.labels:
            wanted, there = set(self.labels), set(other.labels)
            more = ", ".join(f"{k}={v}" for k, v in sorted(there - wanted))
            fewer = ", ".join(f"{k}={v}" for k, v in sorted(wanted - there))
            return "; ".join(filter(None, (more and f"has {more}", fewer and f"lacks {fewer}")))
        for what in ("name", "expr", "for_"):
            if getattr(self, what) != getattr(other, what):
                shown = what.rstrip("_")
                return f"{shown} is {getattr(other, what)!r:.120}, not {getattr(self, what)!r:.120}"
        return ""


def compiled_rules(texts: Iterable[str]) -> list[LoadedRule]:
    """Return the rules of rule files, given their *texts*."""
    found = []
    for text in texts:
        for group in yaml.safe_load(text).get("groups") or ():
            for rule in group["rules"]:
                seconds = Duration.parse(rule["for"]).seconds if "for" in rule else 0.0
                name = rule.get("record") or rule["alert"]
                found.append(_rule(group["name"], name, rule["expr"], seconds, rule.get("labels")))
    return found


def loaded_rules(
    groups: Iterable[Mapping[str, Any]], external: Mapping[str, str] | None = None
) -> list[LoadedRule]:
    """
    Return the rules of *groups*, as a server's `/api/v1/rules` has them.

    Args:
        external: Labels that the server adds to those of every rule, and shows with them.
    """
    return [
        _rule(
            group["name"],
            rule["name"],
            rule["query"],
            float(rule.get("duration") or 0),
            _without(rule.get("labels"), external),
        )
        for group in groups
        for rule in group["rules"]
    ]


def _without(labels: Any, external: Mapping[str, str] | None) -> dict[str, str]:
    added = (external or {}).items()
    return {k: v for k, v in (labels or {}).items() if (k, v) not in added}


def _rule(group: str, name: str, expr: Any, for_: float, labels: Any) -> LoadedRule:
    pairs = tuple(sorted((str(k), str(v)) for k, v in (labels or {}).items()))
    return LoadedRule(group, name, _normal(str(expr)), for_, pairs)


def _normal(expr: str) -> str:
    """Return the same text for all ways to write an expression."""
    if len(expr) <= _LONGEST_PARSED:
        try:
            # Twice: labels are sorted by the first, and the second has the same brackets for both.
            return str(promql_parser.parse(promql_parser.parse(expr).prettify()).prettify())
        except ValueError:
            # Another dialect, such as MetricsQL; its server repeats it as it was written.
            pass
    return _SPACE.sub(" ", expr).strip()


def compare_rules(
    compiled: Iterable[LoadedRule], loaded: Iterable[LoadedRule]
) -> Iterator[tuple[str, str]]:
    """Yield a group and what is wrong with it, for each group that differs."""
    wanted, found = _by_group(compiled), _by_group(loaded)
    for group, rules in wanted.items():
        there = found.get(group)
        if there is None:
            yield group, "is not loaded"
            continue
        if len(there) != len(rules):
            yield group, f"has {len(there)} rules, not {len(rules)}"
            continue
        for rule, other in zip(rules, there, strict=True):
            difference = rule.difference(other)
            if difference:
                yield group, f"{rule.name}: {difference}"
                break
    for group in found:
        if group not in wanted:
            yield group, "is loaded, but was not compiled"


def _by_group(rules: Iterable[LoadedRule]) -> dict[str, list[LoadedRule]]:
    groups: dict[str, list[LoadedRule]] = {}
    for rule in rules:
        groups.setdefault(rule.group, []).append(rule)
    return groups
