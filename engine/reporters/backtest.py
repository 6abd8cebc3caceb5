"""Print which alerts would have fired, and what a change of the spec makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Any

from slo.alerts.backtest_result import Backtest, FiringEpisode, GroupBacktest, Stretch
from slo.duration import Duration
from slo.engine.reporters.figures import (
    BOLD,
    DIM,
    GREEN,
    RED,
    YELLOW,
    Paint,
    count_text,
    days_text,
    factor_text,
    objective_text,
    painter,
    percent_text,
    time_text,
)
from slo.engine.simulate.comparison import Comparison, Difference, group_name

__all__ = ["as_dict", "comparison_as_dict", "comparison_lines", "lines", "moment_text"]

_STYLES = {"page": RED, "ticket": YELLOW}
_KINDS = {"budget_exhausted": "budget used up", "missing_data": "no data"}
_HEAD = ("", "alert", "from", "for", "peak burn", "budget spent")
_WIDTHS = (8, 20, 22, 12, 12, 0)
_MOST_EPISODES = 40


def lines(tests: Sequence[Backtest], zone: tzinfo, color: bool) -> Iterator[str]:
    """Yield the report to print."""
    paint = painter(color)
    for number, test in enumerate(tests):
        if number:
            yield ""
        for group in test.groups:
            yield from _group(test, group, zone, paint)
        if not test.groups:
            yield paint(f"{test.plan.service} {test.plan.name}", BOLD)
            yield f"  {paint('nothing was measured', YELLOW)} {_span(test, zone)}"
            yield paint(_NOTHING, DIM)
    if tests:
        yield ""
        yield paint(_FOOTNOTE, DIM)


_NOTHING = (
    "  The server has no samples for the queries of this SLO: look at its metric and selector,\n"
    "  at the time, and at how long the server keeps samples."
)
_FOOTNOTE = (
    "A page or ticket is a stretch of time with at least one alert firing. Budget is counted\n"
    "against one whole period of average traffic."
)


def moment_text(moment: float, zone: tzinfo) -> str:
    """
    Return a time to the second.

    >>> from datetime import UTC
    >>> moment_text(1_790_000_000, UTC)
    '2026-09-21 14:13:20'
    """
    return f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d %H:%M:%S}"


def _span(test: Backtest, zone: tzinfo) -> str:
    since, until = (datetime.fromtimestamp(t, zone) for t in (test.since, test.until))
    length = Duration(round((test.until - test.since) * 1000))
    zone_name = until.tzname() or "UTC"
    return f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} {zone_name} ({time_text(length)})"


def _group(test: Backtest, group: GroupBacktest, zone: tzinfo, paint: Paint) -> Iterator[str]:
    plan = test.plan
    name = f"{plan.service} {plan.name}"
    if group.labels:
        name += f" {{{group_name(group.labels)}}}"
    yield f"{paint(name, BOLD)}  {_objective(test)}"
    yield f"  {_span(test, zone)}, {percent_text(group.coverage)} of it measured"
    yield from _reach(test, group, zone, paint)
    yield f"  budget   {_budget(group, paint)}"
    for severity in ("page", "ticket"):
        if getattr(plan, severity) is not None or group.stretches(severity):
            number, firing = _counted(test, group, severity)
            shown = paint(count_text(number, severity), _STYLES[severity] if number else GREEN)
            lasted = f", firing for {time_text(firing)}" if number else ""
            yield f"  {severity + 's':7}  {shown}{lasted}"
    if group.episodes:
        yield ""
        yield paint(_columns(_HEAD), DIM)
        for episode in group.episodes[:_MOST_EPISODES]:
            yield _episode(test, episode, zone, paint)
        if len(group.episodes) > _MOST_EPISODES:
            yield paint(f"  ... and {len(group.episodes) - _MOST_EPISODES} more", DIM)


def _objective(test: Backtest) -> str:
    plan = test.plan
    period = days_text(plan.time_window) if plan.calendar is None else f"a {plan.calendar.unit}"
    return objective_text(plan.objective, period)


def _reach(test: Backtest, group: GroupBacktest, zone: tzinfo, paint: Paint) -> Iterator[str]:
    begun = group.measured_from
    if begun is None:
        yield f"  {paint('nothing was measured', YELLOW)}"
    elif begun > test.since - test.lead.seconds + 2 * test.step.seconds:
        wanted = moment_text(test.since - test.lead.seconds, zone)
        yield paint(
            f"  history begins {moment_text(begun, zone)}, not {wanted}: "
            "budgets before a whole period count what there is",
            YELLOW,
        )


def _budget(group: GroupBacktest, paint: Paint) -> str:
    if group.spent is None:
        return "nothing to count"
    parts = [f"{percent_text(group.spent)} spent"]
    if group.remaining is not None:
        style = RED if group.remaining <= 0 else YELLOW if group.remaining < 0.2 else GREEN
        parts.append(paint(f"{percent_text(group.remaining)} left at the end", style))
    if group.worst_day is not None:
        day, spent = group.worst_day
        parts.append(f"worst day {day:%Y-%m-%d} with {percent_text(spent)}")
    return ", ".join(parts)


def _counted(test: Backtest, group: GroupBacktest, severity: str) -> tuple[int, Duration]:
    found = group.stretches(severity)
    lasted = sum((test.until if s.end is None else s.end) - s.start for s in found)
    return len(found), Duration(round(lasted * 1000))


def _columns(cells: Sequence[str]) -> str:
    return "  " + "".join(f"{c:<{w}}" for c, w in zip(cells, _WIDTHS, strict=True)).rstrip()


def _episode(test: Backtest, episode: FiringEpisode, zone: tzinfo, paint: Paint) -> str:
    what = _KINDS.get(episode.kind) or f"{episode.windows:<9} {episode.burn_rate}"
    began = moment_text(episode.fired.start, zone)
    lasted = time_text(Duration(round(episode.lasted(test.until) * 1000)))
    cells = [
        episode.severity,
        what,
        f"{'<' if episode.began_before else ' '}{began}",
        f"{lasted}{' >' if episode.fired.end is None else ''}",
        "" if episode.peak_burn_rate is None else factor_text(episode.peak_burn_rate),
        "" if episode.spent is None else percent_text(episode.spent),
    ]
    severity = paint(episode.severity, _STYLES[episode.severity])
    return _columns(cells).replace(episode.severity, severity, 1)


def comparison_lines(comparisons: Sequence[Comparison], zone: tzinfo, color: bool) -> Iterator[str]:
    """Yield both versions side by side, and the notifications of only one of them."""
    paint = painter(color)
    for number, comparison in enumerate(comparisons):
        if number:
            yield ""
        yield from _comparison(comparison, zone, paint)
    if comparisons:
        yield ""
        yield paint(_FOOTNOTE, DIM)


def _comparison(comparison: Comparison, zone: tzinfo, paint: Paint) -> Iterator[str]:
    known = comparison.after or comparison.before
    assert known is not None
    yield f"{paint(f'{known.plan.service} {known.plan.name}', BOLD)}  {_span(known, zone)}"
    yield paint(f"  {'':18}{'before':<28}after", DIM)
    rows = [_side(side) for side in (comparison.before, comparison.after)]
    for label in dict.fromkeys(key for row in rows for key in row):
        before, after = (row.get(label, "") for row in rows)
        text = f"  {label:<18}{before:<28}{after}"
        yield paint(text, BOLD) if before != after else text
    differences = comparison.differences
    for only in ("before", "after"):
        found = [each for each in differences if each.only == only]
        if found:
            yield ""
            word = "gone" if only == "before" else "new"
            yield f"  {word}: {count_text(len(found), 'notification')}"
        for each in found[:_MOST_EPISODES]:
            yield _difference(each, known.until, zone, paint)
        if len(found) > _MOST_EPISODES:
            yield paint(f"    ... and {len(found) - _MOST_EPISODES} more", DIM)
    sides = [side for side in (comparison.before, comparison.after) if side is not None]
    if not any(side.groups for side in sides):
        yield f"  {paint('nothing was measured', YELLOW)}"
        yield paint(_NOTHING, DIM)
    elif not differences and len(sides) == 2:
        yield paint("  the same pages and tickets, give or take their length", GREEN)


def _side(test: Backtest | None) -> dict[str, str]:
    if test is None:
        return {"objective": "does not exist"}
    found = {"objective": _objective(test)}
    pairs = ", ".join(f"{p.long_window}/{p.short_window}" for p in test.plan.policy.pages)
    found["page windows"] = pairs if test.plan.page is not None else "none"
    pairs = ", ".join(f"{p.long_window}/{p.short_window}" for p in test.plan.policy.tickets)
    found["ticket windows"] = pairs if test.plan.ticket is not None else "none"
    for group in test.groups:
        prefix = f"{group_name(group.labels)} " if group.labels else ""
        if group.spent is not None:
            found[f"{prefix}budget spent"] = percent_text(group.spent)
        if group.remaining is not None:
            found[f"{prefix}budget left"] = percent_text(group.remaining)
        for severity in ("page", "ticket"):
            number, firing = _counted(test, group, severity)
            lasted = f", firing {time_text(firing)}" if number else ""
            found[f"{prefix}{severity}s"] = f"{number}{lasted}"
    return found


def _difference(each: Difference, until: float, zone: tzinfo, paint: Paint) -> str:
    end = until if each.fired.end is None else each.fired.end
    lasted = time_text(Duration(round((end - each.fired.start) * 1000)))
    severity = paint(f"{each.severity:<8}", _STYLES[each.severity])
    group = f"  {each.group}" if each.group else ""
    return f"    {severity}{moment_text(each.fired.start, zone)}  {lasted}{group}"


def as_dict(tests: Sequence[Backtest]) -> dict[str, Any]:
    """Return *tests* as plain values; times in Unix seconds, shares between 0 and 1."""
    return {"backtests": [_test_dict(test) for test in tests]}


def comparison_as_dict(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return both versions as plain values, with the notifications of only one of them."""
    return {
        "comparisons": [
            {
                "before": None if each.before is None else _test_dict(each.before),
                "after": None if each.after is None else _test_dict(each.after),
                "differences": [
                    {
                        "only": d.only,
                        "severity": d.severity,
                        "group": d.group,
                        **_stretch_dict(d.fired),
                    }
                    for d in each.differences
                ],
            }
            for each in comparisons
        ]
    }


def _test_dict(test: Backtest) -> dict[str, Any]:
    return {
        "slo": test.plan.id,
        "objective": float(test.plan.objective),
        "window": test.plan.window.name,
        "since": test.since,
        "until": test.until,
        "complete": test.is_complete,
        "groups": [_group_dict(test, group) for group in test.groups],
    }


def _group_dict(test: Backtest, group: GroupBacktest) -> dict[str, Any]:
    found: dict[str, Any] = {
        "labels": dict(group.labels),
        "coverage": round(group.coverage, 6),
        "measured_from": group.measured_from,
        "budget_spent": group.spent,
        "budget_remaining": group.remaining,
        "worst_day": None,
    }
    if group.worst_day is not None:
        day, spent = group.worst_day
        found["worst_day"] = {"date": day.isoformat(), "budget_spent": spent}
    for severity in ("page", "ticket"):
        number, firing = _counted(test, group, severity)
        found[f"{severity}s"] = {"count": number, "firing_seconds": firing.seconds}
    found["episodes"] = [
        {
            "severity": each.severity,
            "kind": each.kind,
            "windows": each.windows or None,
            "burn_rate": each.burn_rate or None,
            **_stretch_dict(each.fired),
            "lasted_seconds": each.lasted(test.until),
            "began_before": each.began_before,
            "peak_burn_rate": each.peak_burn_rate,
            "budget_spent": each.spent,
        }
        for each in group.episodes
    ]
    return found


def _stretch_dict(stretch: Stretch) -> dict[str, float | None]:
    return {"start": stretch.start, "end": stretch.end}
