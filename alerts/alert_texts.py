"""
Write what an alert says to the person it wakes.

The texts are Prometheus templates; numbers that are only known when the alert fires are
queried there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from slo import conventions as names
from slo.alerts.event_rates import is_weighted
from slo.burnrate import BurnWindow
from slo.duration import Duration
from slo.numbers import decimal_text
from slo.plan import CompositeIndicator, SloPlan

__all__ = ["budget_exhausted", "burn_rate", "missing_data", "target"]


# Stands for the name of an SLO in texts that are shared by all SLOs of a policy.
_WHO = "\0"


def _who(plan: SloPlan) -> str:
    """Return the SLO's name, with the group that is meant when it has several."""
    groups = ", ".join(f"{label}={{{{ $labels.{label} }}}}" for label in plan.group_by or ())
    return f"{plan.service} {plan.name}" + (f" ({groups})" if groups else "")


def target(plan: SloPlan) -> str:
    """Return the target for people, such as `99.9 % over 30d`."""
    text = f"{decimal_text(plan.objective)} %"
    slices = plan.timeslices
    if slices is not None:
        text += f" of all {slices.length} slices"
        if slices.target is not None:
            text += f" at {decimal_text(slices.target)} % or better"
    if plan.calendar is not None:
        return f"{text} per {plan.calendar.unit} ({plan.calendar.time_zone})"
    # Days where they are whole; `4w` is no name for a period of 28 days.
    whole_days, rest = divmod(plan.time_window.milliseconds, 86_400_000)
    return f"{text} over {plan.time_window if rest else f'{whole_days}d'}"


def _with_query(query: str, arguments: str, present: str, missing: str) -> str:
    """Return a template that formats the first result of *query*, or says *missing*."""
    # In a template, a query is a string in double quotes.
    escaped = query.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'{{{{ with printf "{escaped}"{arguments} | query }}}}{present}'
        f"{{{{ else }}}}{missing}{{{{ end }}}}"
    )


def _remaining(series: str, group_by: tuple[str, ...]) -> tuple[str, str]:
    """Return the selector of *series* as a format, and the arguments of its labels."""
    labels = (names.LABEL_ID, *group_by)
    matchers = ",".join(f"{label}=%q" for label in labels)
    arguments = "".join(f" $labels.{label}" for label in labels)
    return f"{series}{{{matchers}}}", arguments


def _budget_left(remaining: str, group_by: tuple[str, ...]) -> str:
    series, arguments = _remaining(remaining, group_by)
    value = "{{ . | first | value | humanizePercentage }}"
    return _with_query(series, arguments, value, "unknown")


def _exhaustion(remaining: str, group_by: tuple[str, ...], time_window: Duration) -> str:
    """Return when the budget is gone: what is left, times the period, by the burn rate."""
    series, arguments = _remaining(remaining, group_by)
    query = f"clamp_min({series}, 0) * {int(time_window.seconds)} / %f"
    value = (
        "{{ if gt (. | first | value) 0.0 }}in {{ . | first | value | humanizeDuration }}"
        "{{ else }}already{{ end }}"
    )
    return _with_query(query, f"{arguments} $value", value, "unknown")


def _plain(text: str) -> str:
    """Return *text* of a spec so that Prometheus does not take it for a template."""
    return text.replace("{{", '{{"{{"}}')


def _help(plan: SloPlan) -> list[str]:
    lines = [f"Owner: {plan.owner}"] if plan.owner else []
    lines += [f"Runbook: {plan.runbook}"] if plan.runbook else []
    lines += [f"{link.name.capitalize()}: {link.url}" for link in plan.links]
    return [_plain(line) for line in lines]


@dataclass(frozen=True, slots=True, eq=False)
class _Texts:
    title: str
    summary: str
    details: str


def _annotations(
    plan: SloPlan, who: str, texts: _Texts, more: Sequence[str] = ()
) -> dict[str, str]:
    described = [_plain(plan.description)] if plan.description else []
    result = {
        "title": texts.title.replace(_WHO, who),
        "summary": texts.summary.replace(_WHO, who),
        "description": "\n".join([*described, texts.details, *more, *_help(plan)]),
    }
    if plan.runbook:
        result["runbook_url"] = _plain(plan.runbook)
    for link in plan.links:
        if link.name == "dashboard":
            result["dashboard_url"] = _plain(link.url)
    return result


def burn_rate(plan: SloPlan, severity: str, pair: BurnWindow) -> dict[str, str]:
    """Return the texts of a burn-rate alert."""
    if plan.error_budget == 0:
        texts = _without_budget(severity, pair)
    else:
        remaining = names.budget_remaining(plan.calendar is not None)
        texts = _with_budget(
            severity, pair, target(plan), remaining, plan.time_window, plan.group_by or ()
        )
    return _annotations(plan, _who(plan), texts, _guard(plan, pair))


def _guard(plan: SloPlan, pair: BurnWindow) -> list[str]:
    """Say that the alert waits for a number of bad events, and who chose it."""
    if not (plan.min_bad_events and is_weighted(plan)):
        return []
    least = plan.min_bad_events
    text = f"Little traffic: waits for {least} bad event{'s' * (least > 1)} in {pair.long_window}"
    if plan.min_bad_events_chosen and plan.events_per_hour is not None:
        text += (
            f", as chance alone brings some at {decimal_text(plan.events_per_hour)} events an hour"
        )
    return [text]


@lru_cache(maxsize=4096)
def _with_budget(
    severity: str,
    pair: BurnWindow,
    wanted: str,
    remaining: str,
    time_window: Duration,
    group_by: tuple[str, ...],
) -> _Texts:
    times = '{{ $value | printf "%.1f" }}x'
    threshold = decimal_text(pair.threshold(time_window))
    left, gone = _budget_left(remaining, group_by), _exhaustion(remaining, group_by, time_window)
    return _Texts(
        title=f"({severity}) {_WHO}: error budget burns {times} too fast",
        summary=f"{_WHO} burns its error budget at {times} the rate that {wanted} allows. "
        f"Budget left: {left}; at this rate it is gone {gone}.",
        details="\n".join(
            (
                f"Objective: {wanted}",
                f"Burn rate: {times} over {pair.long_window}, and over {pair.short_window} "
                f"as well; alerts above {threshold}x",
                f"Error budget left: {left}",
                f"Budget gone: {gone}",
            )
        ),
    )


def _without_budget(severity: str, pair: BurnWindow) -> _Texts:
    value = "{{ $value | humanizePercentage }}"
    return _Texts(
        title=f"({severity}) {_WHO}: events fail although the objective is 100 %",
        summary=f"{value} of the events of {_WHO} in the last {pair.long_window} were bad; "
        "none may be.",
        details=f"Windows: {pair.long_window} and {pair.short_window}, both above zero.",
    )


def budget_exhausted(plan: SloPlan) -> dict[str, str]:
    """Return the texts of the alert on an exhausted budget."""
    left = "{{ $value | humanizePercentage }}"
    wanted = target(plan)
    texts = _Texts(
        title=f"(ticket) {_WHO}: error budget is used up",
        summary=f"{_WHO} has spent its whole error budget of {wanted}. Budget left: {left}.",
        details=f"Objective: {wanted}\nError budget left: {left}\n"
        "Ship only what makes the service more reliable until the budget is back.",
    )
    return _annotations(plan, _who(plan), texts)


def missing_data(plan: SloPlan, base: Duration) -> dict[str, str]:
    """Return the texts of the alert on an indicator without data."""
    wanted = target(plan)
    check = "Check that the service is scraped, and that its metrics still have these names."
    if isinstance(plan.indicator, CompositeIndicator):
        check = "Check its members: " + ", ".join(member.id for member in plan.indicator.members)
    texts = _Texts(
        title=f"(ticket) {_WHO}: no data",
        summary=f"{_WHO} has no data: nobody knows whether it meets {wanted}, "
        "and its burn-rate alerts cannot fire.",
        details=f"Series: {names.total_events_rate(base)}{plan.selector}\n{check}",
    )
    return _annotations(plan, f"{plan.service} {plan.name}", texts)
