"""Check that no two SLOs of a run write the same series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from slo.diagnostics import Diagnostic, Severity
from slo.plan import SloPlan

__all__ = ["check_identities"]


def check_identities(plans: Iterable[SloPlan]) -> Iterator[Diagnostic]:
    """Report every SLO whose id an earlier one has, in whichever file."""
    seen: dict[str, SloPlan] = {}
    for plan in plans:
        first = seen.setdefault(plan.id, plan)
        if first is plan:
            continue
        same = (first.service, first.name) == (plan.service, plan.name)
        joined = "" if same else f" (service `{first.service}`, name `{first.name}`)"
        yield Diagnostic(
            "SLO401",
            Severity.ERROR,
            f"SLO id `{plan.id}` is taken{joined}",
            plan.span,
            "rename one of them; the id is service and name joined by `-`",
            (("first declared here", first.span),),
        )
