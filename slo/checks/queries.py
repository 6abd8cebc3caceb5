"""Check that the error query counts a part of what the total query counts."""

from __future__ import annotations

from collections.abc import Iterator

from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic, Severity
from slo.plan import EventsIndicator, RatioIndicator, SloPlan
from slo.promql import PromqlError, Selector, label_names, never_absent, selectors
from slo.promql_division import split_division

__all__ = ["check"]


def check(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """Report equal queries, differing labels, and errors that the total does not count."""
    indicator = plan.indicator
    try:
        if isinstance(indicator, EventsIndicator):
            yield from _check_events(indicator)
            if options.exact and plan.alert_on_missing_data and (plan.page or plan.ticket):
                yield from _check_vanishing(indicator)
        elif options.exact and isinstance(indicator, RatioIndicator):
            yield from _check_ratio(indicator, plan)
    except PromqlError:
        # MetricsQL passes only where its plugin allows it; there is nothing to compare then.
        return


def _check_ratio(indicator: RatioIndicator, plan: SloPlan) -> Iterator[Diagnostic]:
    if plan.timeslices is None and split_division(indicator.error_ratio) is None:
        yield Diagnostic(
            "SLO213",
            Severity.WARNING,
            "this ratio cannot be split into events, so its windows are plain means",
            indicator.span,
            "write `A / B` or `1 - A / B`, or use `events`, and busy hours weigh more than quiet",
        )


def _check_events(indicator: EventsIndicator) -> Iterator[Diagnostic]:
    kind = "error" if indicator.good is None else "good"
    word = "bad" if indicator.good is None else "good"
    counted = indicator.good or indicator.error
    if "".join(counted.split()) == "".join(indicator.total.split()):
        yield Diagnostic(
            "SLO303",
            Severity.ERROR,
            f"{kind} and total are the same query: every event would count as {word}",
            indicator.error_span,
            f"let the {kind} query select only what is {word}",
        )
        return
    yield from _check_labels(indicator)
    yield from _check_subset(indicator)


def _check_vanishing(indicator: EventsIndicator) -> Iterator[Diagnostic]:
    """Warn of a total that is filled up when its series are gone."""
    if never_absent(indicator.total):
        yield Diagnostic(
            "SLO216",
            Severity.WARNING,
            "`or vector(...)` fills the total up: a service whose series are gone looks idle",
            indicator.total_span,
            "remove it: an error query may have it, the total tells whether there is data",
        )


def _check_labels(indicator: EventsIndicator) -> Iterator[Diagnostic]:
    kind = "error" if indicator.good is None else "good"
    error = label_names(indicator.good or indicator.error)
    total = label_names(indicator.total)
    if error is None or total is None or error == total:
        return
    shown = (f"({', '.join(labels)})" if labels else "no labels" for labels in (error, total))
    left, right = shown
    yield Diagnostic(
        "SLO210",
        Severity.ERROR,
        f"the {kind} query keeps {left}, the total query {right}: they never match",
        indicator.error_span,
        "aggregate both by the same labels",
        (("total query", indicator.total_span),),
    )


def _check_subset(indicator: EventsIndicator) -> Iterator[Diagnostic]:
    """Compare the plain case, one selector of the same metric on each side."""
    kind = "error" if indicator.good is None else "good"
    error = selectors(indicator.good or indicator.error)
    total = selectors(indicator.total)
    if len(error) != 1 or len(total) != 1 or error[0].metric != total[0].metric:
        return
    missing = _not_implied(error[0], total[0])
    if missing:
        yield Diagnostic(
            "SLO209",
            Severity.WARNING,
            f"the total query wants {missing}, the {kind} query does not: "
            f"{kind} events can outnumber the total",
            indicator.error_span,
            f"add {missing} to the {kind} query",
            (("total query", indicator.total_span),),
        )


def _not_implied(error: Selector, total: Selector) -> str | None:
    """Return a matcher of *total* that the matchers of *error* do not imply."""
    for wanted in total.matchers:
        if wanted in error.matchers:
            continue
        exact = [m for m in error.matchers if m.label == wanted.label and m.op == "="]
        if any(wanted.accepts(m.value) for m in exact):
            continue
        return f'`{wanted.label}{wanted.op}"{wanted.value}"`'
    return None
