"""
Print rule groups as YAML that reads as if written by hand.

The structure is fixed and files can hold hundreds of thousands of rules, so it is printed
directly; a general dumper takes fifty times as long and cannot choose block scalars. A
property test reads everything back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from slo.alerts.model import AlertingRule, Rule, RuleGroup

__all__ = ["block", "groups_yaml", "mapping_lines", "scalar"]

# Plain scalars that no YAML reader takes for anything but text.
_PLAIN = re.compile(r"[A-Za-z_/(][^\n\t\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]*\Z")
_SPECIAL = re.compile(r": |:\Z| #|\s\Z")
_DURATION = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+\Z")
_AMBIGUOUS = frozenset(
    ("y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf")
)
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]"
)


@lru_cache(maxsize=65_536)
def scalar(text: str) -> str:
    """
    Return *text* as a YAML scalar on one line, quoted only where needed.

    >>> scalar("30d"), scalar("99.9"), scalar("no"), scalar("#team"), scalar("a: b")
    ('30d', '"99.9"', '"no"', '"#team"', '"a: b"')
    """
    if _DURATION.match(text):
        return text
    if _PLAIN.match(text) and not _SPECIAL.search(text) and text.lower() not in _AMBIGUOUS:
        return text
    if ('"' in text or "\\" in text) and not _UNPRINTABLE.search(text) and "\n" not in text:
        return "'" + text.replace("'", "''") + "'"
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(_escaped, quoted)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def block(text: str, indent: str) -> str:
    """Return *text* after a colon: on the same line, or as a block below it."""
    if "\n" not in text:
        return " " + scalar(text)
    if text[0] in "\n " or not _fits_block(text):
        return " " + scalar(text)
    keep = "" if text[-1] == "\n" else "-"
    body = text.rstrip("\n").replace("\n", "\n" + indent)
    if "\n\n" in text:
        # Empty lines are not indented: trailing spaces would be somebody's next diff.
        body = body.replace(f"\n{indent}\n", "\n\n")
    return f" |{keep}\n{indent}{body}"


def _fits_block(text: str) -> bool:
    """Tell whether a block scalar can hold *text* without losing anything."""
    # One line feed at the end is the block's own; more would need another indicator.
    return not (text.endswith("\n\n") or "\t" in text or _UNPRINTABLE.search(text))


def mapping_lines(mapping: Mapping[str, str], indent: str) -> str:
    """Return the lines of *mapping*, each ending in a line feed, keys in order."""
    deeper = indent + "  "
    return "".join(
        [f"{indent}{scalar(key)}:{block(mapping[key], deeper)}\n" for key in sorted(mapping)]
    )


def _rule(rule: Rule, indent: str, seen: dict[int, str]) -> str:
    inner = indent + "  "
    expr = block(rule.expr.rstrip("\n"), inner + "  ")
    if isinstance(rule, AlertingRule):
        text = f"{indent}- alert: {scalar(rule.alert)}\n{inner}expr:{expr}\n"
        if rule.for_ is not None and rule.for_.milliseconds:
            text += f"{inner}for: {rule.for_}\n"
        if rule.keep_firing_for is not None:
            text += f"{inner}keep_firing_for: {rule.keep_firing_for}\n"
    else:
        text = f"{indent}- record: {scalar(rule.record)}\n{inner}expr:{expr}\n"
    if rule.labels:
        # Rules of one SLO share their label sets, often the very same object.
        labels = seen.get(id(rule.labels))
        if labels is None:
            labels = seen[id(rule.labels)] = mapping_lines(rule.labels, inner + "  ")
        text += f"{inner}labels:\n{labels}"
    if isinstance(rule, AlertingRule) and rule.annotations:
        text += f"{inner}annotations:\n{mapping_lines(rule.annotations, inner + '  ')}"
    return text


def groups_yaml(groups: Iterable[RuleGroup], indent: str = "") -> str:
    """Return the key `groups` with *groups* below it, indented by *indent*."""
    parts = [f"{indent}groups:\n"]
    for group in groups:
        parts.append(f"{indent}  - name: {scalar(group.name)}\n")
        if group.interval is not None:
            parts.append(f"{indent}    interval: {group.interval}\n")
        parts.append(f"{indent}    rules:\n")
        seen: dict[int, str] = {}
        parts += [_rule(rule, indent + "      ", seen) for rule in group.rules]
    return "".join(parts)
