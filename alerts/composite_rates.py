"""
Make the two event rates of a composite SLO from what its members record.

A member is silent when it records nothing, and idle when it records that nothing happened.
What a silent one counts as is declared; an idle one has neither failed nor succeeded and is
left out.
"""

from __future__ import annotations

from slo import conventions as names
from slo.duration import Duration
from slo.numbers import decimal_text
from slo.plan import CompositeIndicator, Member

__all__ = ["composite_rates"]


def composite_rates(
    indicator: CompositeIndicator, base: Duration, error_series: str
) -> tuple[str, str]:
    """
    Return the expressions of bad and of all events.

    `weighted` adds up events, `sum(w_i * bad_i)` and `sum(w_i * total_i)`. The others count
    every second alike: `series` takes independent parts that are all needed,
    `1 - product(1 - e_i)`; `worst` is `max(e_i)`.

    Args:
        error_series: Selects what is recorded for the first expression; for those others it
            comes first.
    """
    if indicator.rule == "weighted":
        bad, every = (
            _weighted_sum(indicator.members, series)
            for series in (names.error_events_rate(base), names.total_events_rate(base))
        )
        return bad, every
    known = f"max({names.error_ratio(base)}{_any_of(indicator.members)})"
    idle = f"0 * max({names.total_events_rate(base)}{_any_of(indicator.members)})"
    if indicator.rule == "worst":
        error = _worst(indicator, base, known, idle)
    else:
        error = _in_series(indicator, base, known, idle)
    totals = (
        f"count by ({names.LABEL_ID}) ({names.total_events_rate(base)}{_any_of(indicator.members)})"
    )
    otherwise = {
        "ignored": idle,
        # One unless all are there and idle.
        "good": f"count({totals}) < bool {len(indicator.members)}\nor\nvector(1)",
        # One when somebody is silent, zero when all are idle.
        "bad": error_series,
    }[indicator.silent]
    return error, f"(0 * {known} + 1)\nor on ()\n{otherwise}"


def _any_of(members: tuple[Member, ...]) -> str:
    if len(members) == 1:
        return _selector(members[0])
    # Ids hold letters, digits and `-_.`; a dot must match itself only.
    pattern = "|".join(member.id.replace(".", "\\\\.") for member in members)
    return f'{{{names.LABEL_ID}=~"{pattern}"}}'


def _selector(member: Member) -> str:
    return f'{{{names.LABEL_ID}="{member.id}"}}'


def _numbered(expressions: list[str]) -> str:
    """Join *expressions* by `or`, told apart by a label: it keeps one of equal label sets."""
    return "\n  or\n".join(
        f'  label_replace({expression}, "part", "{number}", "", "")'
        for number, expression in enumerate(expressions)
    )


def _weighted_sum(members: tuple[Member, ...], series: str) -> str:
    """Return the weighted sum of *series*; members without it add nothing."""
    by_weight: dict[str, list[Member]] = {}
    for member in members:
        by_weight.setdefault(decimal_text(member.weight), []).append(member)
    parts = []
    for weight, equal in by_weight.items():
        sum_ = f"sum({series}{_any_of(tuple(equal))})"
        parts.append(sum_ if weight == "1" else f"{weight} * {sum_}")
    return parts[0] if len(parts) == 1 else f"sum(\n{_numbered(parts)}\n)"


def _terms(indicator: CompositeIndicator, base: Duration) -> list[str]:
    """Return each member's error ratio, the worst of its groups."""
    terms = []
    for member in indicator.members:
        term = f"max({names.error_ratio(base)}{_selector(member)})"
        if indicator.silent == "bad":
            idle = f"0 * max({names.total_events_rate(base)}{_selector(member)})"
            term = f"({term} or {idle} or vector(1))"
        terms.append(term)
    return terms


def _worst(indicator: CompositeIndicator, base: Duration, known: str, idle: str) -> str:
    if indicator.silent == "bad":
        return f"max(\n{_numbered(_terms(indicator, base))}\n)"
    otherwise = idle if indicator.silent == "ignored" else "vector(0)"
    return f"{known}\nor\n{otherwise}"


def _in_series(indicator: CompositeIndicator, base: Duration, known: str, idle: str) -> str:
    terms = _terms(indicator, base)
    if indicator.silent == "bad":
        return "1 - " + "\n  * ".join(f"(1 - {term})" for term in terms)
    product = "\n  * ".join(f"((1 - {term}) or vector(1))" for term in terms)
    whole = f"1 - (\n  {product}\n)"
    # With every member silent nothing is known, unless that is declared to be good.
    return whole if indicator.silent == "good" else f"({whole})\nand\n({known} or {idle})"
