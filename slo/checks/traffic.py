"""Check that there is enough traffic to alert on."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from slo.burnrate import BurnWindow
from slo.checks.options import CheckOptions
from slo.diagnostics import Diagnostic, Severity
from slo.duration import Duration, minutes
from slo.low_traffic import (
    COUNTED_PERIOD,
    MOST_FALSE_PAGES,
    expected_false_pages,
    smallest_guard,
    time_to_collect,
)
from slo.numbers import decimal_text
from slo.plan import SloPlan
from slo.promql_division import counts_events

__all__ = ["check"]

_HOUR_MS = 3_600_000


def check(plan: SloPlan, options: CheckOptions) -> Iterator[Diagnostic]:
    """Warn when so few events are expected that budget or pages are a matter of chance."""
    traffic = plan.events_per_hour
    if traffic is None or not plan.error_budget or plan.timeslices is not None:
        return
    allowed = _expected(traffic, plan.time_window) * plan.error_budget
    if allowed < 1:
        yield _warning(
            plan,
            f"{plan.time_window} allow {_rounded(allowed)} bad events: "
            "a single failure exhausts the budget",
            "probe the service, combine it with others, or lower the objective",
        )
    if plan.page is None:
        return
    guarded = options.exact and counts_events(plan.indicator)
    guard = plan.min_bad_events if guarded else 0
    needed = smallest_guard(plan.policy, plan.error_budget, traffic)
    pages = expected_false_pages(plan.policy, plan.error_budget, traffic, guard)
    if pages > MOST_FALSE_PAGES and guard < needed:
        yield _false_pages(plan, options, traffic, pages, needed)
    elif guard:
        yield from _late_pages(plan, traffic, guard, needed)


def _false_pages(
    plan: SloPlan, options: CheckOptions, traffic: Decimal, pages: float, needed: int
) -> Diagnostic:
    if not options.exact:
        way_out = "use profile `exact`, which can wait for more bad events"
    elif not counts_events(plan.indicator):
        way_out = "give the indicator as `events`, so that `min_bad_events` can count them"
    else:
        way_out = f"set `min_bad_events: {needed}` or leave it out to have it chosen"
    message = (
        f"chance alone pages {_rounded(Decimal(pages))} times in {COUNTED_PERIOD} at "
        f"{decimal_text(traffic)} events an hour, though the service keeps within its budget"
    )
    return _warning(plan, message, f"{way_out}; probe the service; or set `page: false`")


def _late_pages(plan: SloPlan, traffic: Decimal, guard: int, needed: int) -> Iterator[Diagnostic]:
    """Warn when a full outage does not bring *guard* bad events within the windows of the pages."""
    pairs = [p for p in plan.policy.pages if _can_fire(plan, p)]
    silent = [p for p in pairs if _expected(traffic, p.long_window) < guard]
    if not silent:
        return
    longest = max(pairs, key=lambda p: p.long_window).long_window
    way_out = "probe the service, or combine it with others"
    if needed < guard and not plan.min_bad_events_chosen:
        way_out = f"`min_bad_events: {needed}` is enough; or {way_out}"
    if len(silent) == len(pairs):
        events = _rounded(_expected(traffic, longest))
        message = (
            f"no outage pages: {guard} bad events are waited for, and {longest} bring {events}"
        )
        yield _warning(plan, message, f"{way_out}; or use tickets only, `page: false`")
        return
    delay = _whole_minutes(time_to_collect(guard, traffic))
    message = (
        f"a full outage pages after {delay}: so long take {guard} bad events at "
        f"{decimal_text(traffic)} events an hour"
    )
    yield _warning(plan, message, way_out)


def _warning(plan: SloPlan, message: str, hint: str) -> Diagnostic:
    return Diagnostic("SLO206", Severity.WARNING, f"too little traffic: {message}", plan.span, hint)


def _can_fire(plan: SloPlan, pair: BurnWindow) -> bool:
    return pair.threshold(plan.time_window) * plan.error_budget < 1


def _expected(traffic: Decimal, window: Duration) -> Decimal:
    return traffic * window.milliseconds / _HOUR_MS


def _rounded(value: Decimal) -> str:
    """Return *value* as a person would say it: two digits, no exponent."""
    return decimal_text(Decimal(f"{value:.2g}")) if value < 10 else f"{value:,.0f}"


def _whole_minutes(length: Duration) -> Duration:
    return minutes(-(-length.milliseconds // 60_000))
