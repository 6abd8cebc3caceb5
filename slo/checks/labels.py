"""Check that labels of the spec do not hide labels of the data."""

from __future__ import annotations

from collections.abc import Iterator

from slo import conventions
from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic, Severity
from slo.plan import CompositeIndicator, EventsIndicator, SloPlan
from slo.promql import PromqlError, label_names

__all__ = ["check"]

_RESERVED = frozenset(
    (
        *conventions.IDENTITY_LABELS,
        conventions.LABEL_WINDOW,
        conventions.LABEL_SEVERITY,
        conventions.LABEL_ALERT_KIND,
        conventions.LABEL_LONG_WINDOW,
        conventions.LABEL_SHORT_WINDOW,
        conventions.LABEL_PERIOD,
    )
)


def check(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """Report reserved labels, labels that are also groups, and groups that the query lacks."""
    for label in sorted(_RESERVED & set(plan.labels)):
        yield Diagnostic(
            "SLO211",
            Severity.ERROR if options.exact else Severity.WARNING,
            f"label `{label}` would overwrite what identifies this SLO's series",
            plan.span,
            "choose another name",
        )
    for label in sorted(_RESERVED & set(plan.group_by or ())):
        yield Diagnostic(
            "SLO211",
            Severity.ERROR,
            f"`group_by` names `{label}`, which identifies this SLO's own series",
            plan.span,
            "group by a label of the measured series",
        )
    groups = _groups(plan)
    for label in sorted(set(groups or ()) & set(plan.labels)):
        yield Diagnostic(
            "SLO211",
            Severity.ERROR,
            f"label `{label}` is also a group of the query: every group would get the same value",
            plan.span,
            "remove the label, or group by something else",
        )
    wanted = set(plan.group_by or ())
    if groups is not None and not wanted <= set(groups):
        missing = ", ".join(f"`{label}`" for label in sorted(wanted - set(groups)))
        yield Diagnostic(
            "SLO210",
            Severity.ERROR,
            f"`group_by` names {missing}, but the query does not keep it",
            plan.span,
            f"aggregate with `sum by ({', '.join(sorted(wanted))})`",
        )


def _groups(plan: SloPlan) -> tuple[str, ...] | None:
    """Return the labels of the query's result; `None` when they cannot be told."""
    indicator = plan.indicator
    if isinstance(indicator, CompositeIndicator):
        return None
    query = indicator.total if isinstance(indicator, EventsIndicator) else indicator.error_ratio
    try:
        return label_names(query)
    except PromqlError:
        return None
