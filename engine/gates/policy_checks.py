"""Check what a gate policy means: rules that cannot apply, thresholds in the wrong order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from slo.diagnostics import Diagnostic, Severity, Span
from slo.engine.gates.policy import GatePolicy, Rule, Scope
from slo.engine.gates.words import length, percent

__all__ = [
    "check_ages",
    "check_expression",
    "check_names",
    "check_order",
    "check_thresholds",
    "check_tiers",
]


def check_ages(policy: GatePolicy, span: Span) -> list[Diagnostic]:
    """Report numbers that would count as fresh when they are too old already."""
    if policy.fresh_for <= policy.max_age:
        return []
    message = (
        f"`fresh_for` of {length(policy.fresh_for)} is longer than `max_age` of "
        f"{length(policy.max_age)}"
    )
    hint = "numbers are first fresh, then usable while the worst case leaves budget, then too old"
    return [Diagnostic("SLO602", Severity.ERROR, message, span, hint)]


def check_thresholds(rule: Rule, place: Callable[..., Span]) -> list[Diagnostic]:
    """
    Report thresholds of the budget in an order in which one of them does nothing.

    Args:
        place: Returns the place of the first of some keys that the rule has.
    """
    deny, warn, recover = rule.deny_at, rule.warn_at, rule.recover_at
    found: list[tuple[str, str, str]] = []
    if recover is not None and deny is None:
        message = "`recover_at` without `deny_at`: what is never denied has nothing to recover from"
        found.append(("recover_at", message, "remove one of the two"))
    elif recover is not None and deny is not None and recover <= deny:
        message = f"`recover_at` of {percent(recover)} is not above `deny_at` of {percent(deny)}"
        hint = "it is how much must be left again once nothing was"
        found.append(("recover_at", message, hint))
    if deny is not None and warn is not None and warn <= deny:
        message = f"`warn_at` of {percent(warn)} is not above `deny_at` of {percent(deny)}"
        hint = "it would never warn: it is denied already; write `warn_at: false` for no warning"
        found.append(("warn_at", message, hint))
    return [
        Diagnostic("SLO602", Severity.ERROR, text, place(key, "deny_at", "name"), hint)
        for key, text, hint in found
    ]


def check_order(rules: Sequence[Rule], places: Sequence[Span]) -> list[Diagnostic]:
    """Report rules that never apply, since one before them covers all that they cover."""
    found = []
    for number, rule in enumerate(rules):
        for before in range(number):
            if _covers(rules[before].scope, rule.scope):
                message = f"`{rule.name}` is never used: `{rules[before].name}` covers all of it"
                hint = "the first rule that covers an SLO is used; put the special one first"
                related = (("the rule before it", places[before]),)
                found.append(
                    Diagnostic("SLO601", Severity.WARNING, message, places[number], hint, related)
                )
                break
    return found


def _covers(wide: Scope, narrow: Scope) -> bool:
    return all(
        _includes(getattr(wide, name), getattr(narrow, name))
        for name in ("slos", "tiers", "environments")
    )


def _includes(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    """Tell whether the patterns *wide* surely match all that *narrow* match."""
    if not wide or "*" in wide:
        return True
    return bool(narrow) and all(
        any(one == other or _within(one, other) for other in wide) for one in narrow
    )


def _within(narrow: str, wide: str) -> bool:
    if "[" in narrow or "?" in narrow:
        return False
    # A star of the narrow one stands for any text: only a star of the wide one matches all.
    stars_only = not set(wide) & set("[?")
    return fnmatchcase(narrow, wide) if "*" not in narrow or stars_only else False


def check_names(named: Iterable[tuple[str, Span]]) -> list[Diagnostic]:
    """Report names that stand twice: a decision would not say which of the two decided."""
    first: dict[str, Span] = {}
    found = []
    for name, span in named:
        if name in first:
            message = f"the name `{name}` is given twice"
            related = (("first given here", first[name]),)
            hint = "decisions name what decided; call one of them differently"
            found.append(Diagnostic("SLO605", Severity.ERROR, message, span, hint, related))
        first.setdefault(name, span)
    return found


def check_expression(text: str, span: Span) -> list[Diagnostic]:
    """Report a regular expression that cannot be read."""
    try:
        re.compile(text)
    except re.error as error:
        message = f"not a regular expression: {error}"
        hint = "such as `SEC-[0-9]+`; it must match the whole reference"
        return [Diagnostic("SLO606", Severity.ERROR, message, span, hint)]
    return []


def check_tiers(
    policies: Iterable[tuple[str, Span]], tiers: Iterable[str | None]
) -> list[Diagnostic]:
    """
    Report tiers of policies that no spec uses.

    Args:
        policies: Patterns of tiers, and where they stand.
        tiers: Those of the specs; where there is none, nothing can be said.
    """
    known = sorted({tier for tier in tiers if tier})
    if not known:
        return []
    found = []
    for pattern, span in policies:
        if not any(fnmatchcase(tier, pattern) for tier in known):
            from slo.schema import closest

            guess = closest(pattern, known)
            hint = f"did you mean `{guess}`?" if guess else f"known tiers: {', '.join(known)}"
            message = f"no service has the tier `{pattern}`"
            found.append(Diagnostic("SLO604", Severity.WARNING, message, span, hint))
    return found
