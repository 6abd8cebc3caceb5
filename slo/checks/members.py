"""Check that composites name SLOs that can be counted together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from slo.diagnostics import Diagnostic, Severity
from slo.duration import Duration, minutes
from slo.plan import CompositeIndicator, EventsIndicator, Member, RatioIndicator, SloPlan
from slo.promql import PromqlError, counts_per_window
from slo.promql_division import counts_events, split_division
from slo.schema import closest

__all__ = ["check_members"]

_LONGEST_RECORDED = minutes(5)


def check_members(plans: Iterable[SloPlan]) -> Iterator[Diagnostic]:
    """Report members of composites that no spec of the run has, or that cannot be counted."""
    by_id = {plan.id: plan for plan in plans}
    for plan in by_id.values():
        if isinstance(plan.indicator, CompositeIndicator):
            yield from _check(plan, plan.indicator, by_id)


def _check(
    plan: SloPlan, composite: CompositeIndicator, by_id: Mapping[str, SloPlan]
) -> Iterator[Diagnostic]:
    if plan.group_by:
        message = "a composite has no groups: it takes those of its members together"
        yield Diagnostic("SLO407", Severity.ERROR, message, plan.span, "remove `group_by`")
    if composite.rule == "weighted" and composite.silent != "ignored":
        message = f"`weighted` cannot count a silent member as {composite.silent}: it has no events"
        hint = "write `silent: ignored`, or use `series` or `worst`"
        yield Diagnostic("SLO407", Severity.ERROR, message, composite.span, hint)
    sound: list[tuple[Member, SloPlan]] = []
    seen: set[str] = set()
    for member in composite.members:
        found = by_id.get(member.id)
        if member.id in seen:
            yield _error(member, f"`{member.id}` is a member twice", "give it a weight instead")
        elif member.id == plan.id:
            yield _error(member, "an SLO cannot be its own member", "remove it")
        elif found is None:
            guess = closest(member.id, by_id.keys() - seen - {plan.id})
            hint = f"did you mean `{guess}`?" if guess else "compile it in the same run"
            yield _error(member, f"no SLO `{member.id}` in any of the files", hint)
        else:
            problems = list(_check_member(plan, composite, member, found, by_id))
            yield from problems
            sound += [] if problems else [(member, found)]
        seen.add(member.id)
    if composite.rule == "weighted":
        yield from _check_units(plan, sound, by_id)


def _check_member(
    plan: SloPlan,
    composite: CompositeIndicator,
    member: Member,
    found: SloPlan,
    by_id: Mapping[str, SloPlan],
) -> Iterator[Diagnostic]:
    own, other = _recorded_over(plan), _recorded_over(found)
    if composite.rule != "weighted" and member.weight != 1:
        message = f"`{composite.rule}` compares ratios and knows no weights"
        yield _error(member, message, "remove `weight`, or use `rule: weighted`")
    elif _reaches(found, plan.id, by_id):
        hint = "build composites of SLOs that measure something"
        yield _error(member, f"`{member.id}` has `{plan.id}` among its own members", hint)
    elif composite.rule == "weighted" and not _counts_events(found):
        hint = "use `series` or `worst`, which compare ratios"
        yield _error(member, f"`{member.id}` counts no events that could be added up", hint)
    elif own != other:
        sliced = plan.timeslices is not None or found.timeslices is not None
        way_out = f"use slices of {max(own, other)}" if sliced else "give both the same windows"
        message = f"`{member.id}` records over {other}, this one over {own}"
        yield _error(member, message, f"{way_out}: a composite reads what its members record")


def _recorded_over(plan: SloPlan) -> Duration:
    """Return the window of the rates that *plan* records."""
    if plan.timeslices is not None:
        return plan.timeslices.length
    return min(_LONGEST_RECORDED, plan.policy.windows[0])


def _check_units(
    plan: SloPlan, members: list[tuple[Member, SloPlan]], by_id: Mapping[str, SloPlan]
) -> Iterator[Diagnostic]:
    """Report members whose counts are of different units, or none that a guard could count."""
    units = [(member, _counts_per_window(found, by_id)) for member, found in members]
    if plan.min_bad_events:
        for member, per_window in units:
            if per_window:
                message = f"`{member.id}` counts samples, which `min_bad_events` cannot count here"
                yield _error(member, message, "remove `min_bad_events`")
                return
    for member, per_window in units[1:]:
        if per_window != units[0][1]:
            samples, events = (member, units[0][0]) if per_window else (units[0][0], member)
            message = f"`{samples.id}` counts samples in a window, `{events.id}` events per second"
            yield _error(member, message, "use `series` or `worst`, which compare ratios")
            return


def _counts_per_window(
    plan: SloPlan, by_id: Mapping[str, SloPlan], seen: frozenset[str] = frozenset()
) -> bool:
    """Tell whether what *plan* records as a rate is a number of events in the window."""
    indicator = plan.indicator
    total: str | None = None
    if isinstance(indicator, EventsIndicator):
        total = indicator.total
    elif isinstance(indicator, RatioIndicator):
        division = split_division(indicator.error_ratio)
        total = None if division is None else division.denominator
    else:
        below = [by_id[m.id] for m in indicator.members if m.id in by_id and m.id not in seen]
        return any(_counts_per_window(each, by_id, seen | {plan.id}) for each in below)
    try:
        return total is not None and counts_per_window(total)
    except PromqlError:
        return False


def _counts_events(plan: SloPlan) -> bool:
    """Tell whether *plan* records events, not slices or bare ratios."""
    return plan.timeslices is None and counts_events(plan.indicator)


def _reaches(
    plan: SloPlan, wanted: str, by_id: Mapping[str, SloPlan], seen: frozenset[str] = frozenset()
) -> bool:
    """Tell whether *wanted* is a member of *plan*, or of its members."""
    if not isinstance(plan.indicator, CompositeIndicator) or plan.id in seen:
        return False
    ids = [member.id for member in plan.indicator.members]
    below = [by_id[each] for each in ids if each in by_id]
    return wanted in ids or any(_reaches(p, wanted, by_id, seen | {plan.id}) for p in below)


def _error(member: Member, message: str, hint: str) -> Diagnostic:
    return Diagnostic("SLO407", Severity.ERROR, message, member.span, hint)
