"""Check that composites name SLOs that can be counted together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from slo.diagnostics import Diagnostic, Severity
from slo.plan import CompositeIndicator, Member, SloPlan
from slo.promql_division import split_division
from slo.schema import closest

__all__ = ["check_members"]


def check_members(plans: Iterable[SloPlan]) -> Iterator[Diagnostic]:
    """Report members of composites that no spec of the run has, or that cannot be counted."""
    by_id = {plan.id: plan for plan in plans}
    for plan in by_id.values():
        if isinstance(plan.indicator, CompositeIndicator):
            yield from _check(plan, plan.indicator, by_id)


def _check(
    plan: SloPlan, composite: CompositeIndicator, by_id: Mapping[str, SloPlan]
) -> Iterator[Diagnostic]:
    seen: dict[str, Member] = {}
    for member in composite.members:
        first = seen.setdefault(member.id, member)
        if first is not member:
            yield _error(member, f"`{member.id}` is a member twice", "give it a weight instead")
            continue
        found = by_id.get(member.id)
        if member.id == plan.id:
            yield _error(member, "an SLO cannot be its own member", None)
        elif found is None:
            guess = closest(member.id, by_id)
            hint = f"did you mean `{guess}`?" if guess else "compile it in the same run"
            yield _error(member, f"no SLO `{member.id}` in any of the files", hint)
        else:
            yield from _check_member(plan, composite, member, found, by_id)


def _check_member(
    plan: SloPlan,
    composite: CompositeIndicator,
    member: Member,
    found: SloPlan,
    by_id: Mapping[str, SloPlan],
) -> Iterator[Diagnostic]:
    if _reaches(found, plan.id, by_id):
        hint = "build composites of SLOs that measure something"
        yield _error(member, f"`{member.id}` has `{plan.id}` among its own members", hint)
    elif composite.rule == "weighted" and not _counts_events(found):
        hint = "use `series` or `worst`, which compare ratios"
        yield _error(member, f"`{member.id}` counts no events that could be added up", hint)
    elif plan.policy.windows[0] != found.policy.windows[0]:
        yield _error(
            member,
            f"`{member.id}` records over {found.policy.windows[0]}, "
            f"this one over {plan.policy.windows[0]}",
            "give both a catalog of windows with the same shortest one",
        )


def _counts_events(plan: SloPlan) -> bool:
    """Tell whether *plan* records events, not slices or bare ratios."""
    if plan.timeslices is not None:
        return False
    indicator = plan.indicator
    if isinstance(indicator, CompositeIndicator):
        return indicator.rule == "weighted"
    ratio = getattr(indicator, "error_ratio", None)
    return ratio is None or split_division(ratio) is not None


def _reaches(
    plan: SloPlan, wanted: str, by_id: Mapping[str, SloPlan], seen: frozenset[str] = frozenset()
) -> bool:
    """Tell whether *wanted* is a member of *plan*, or of its members."""
    if not isinstance(plan.indicator, CompositeIndicator) or plan.id in seen:
        return False
    ids = [member.id for member in plan.indicator.members]
    below = [by_id[each] for each in ids if each in by_id]
    return wanted in ids or any(_reaches(p, wanted, by_id, seen | {plan.id}) for p in below)


def _error(member: Member, message: str, hint: str | None) -> Diagnostic:
    return Diagnostic("SLO407", Severity.ERROR, message, member.span, hint)
