"""Write the checks that one SLO's alerts and ratios must pass in a promtool test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor

from slo import conventions as names
from slo.alerts.alert_schedule import (
    Expected,
    Shape,
    Timeline,
    alert_name,
    missing_data,
    moments,
    promtool_servers,
)
from slo.alerts.event_model import Feed
from slo.alerts.rule_model import Bracket, Setup, play
from slo.duration import Duration
from slo.plan import SloPlan
from slo.promql import quote

__all__ = ["Case", "check_lines"]

# Stand for what differs between SLOs that are otherwise tested alike; no YAML can hold them.
_ID_PLACE = -1
_ID = f"\x00{_ID_PLACE}\x00"
_NAME = "\x00{}\x00"
_PLACE = re.compile("\x00(-?[0-9]+)\x00")


@dataclass(frozen=True, slots=True)
class Case:
    """
    Hold one SLO and how its events reach it in a test.

    Args:
        shown: Positions of the alerts of *shape* that the rules hold.
        always: There is a total even when there are no series, so no data is never missing.
    """

    plan: SloPlan
    shape: Shape
    feed: Feed
    shown: tuple[int, ...]
    always: bool = False


def check_lines(case: Case, timeline: Timeline) -> str:
    """Return the entries of `promql_expr_test` for one SLO, with comments that say why."""
    plan, shape = case.plan, case.shape
    burns = not plan.override_default_plugins
    texts, places = _template(shape, case.feed, case.shown, case.always, timeline, burns)
    found = {number: _quoted(alert_name(plan, shape.alerts[number])) for number in case.shown}
    found[_ID_PLACE] = _quoted(plan.id)
    filled = texts.copy()
    filled[1::2] = [found[place] for place in places]
    return "".join(filled)


def _quoted(value: str) -> str:
    """Return a PromQL string for use inside a YAML string in single quotes."""
    return quote(value).replace("'", "''")


@lru_cache(maxsize=4096)
def _template(
    shape: Shape,
    feed: Feed,
    shown: tuple[int, ...],
    always: bool,
    timeline: Timeline,
    burns: bool,
) -> tuple[list[str], list[int]]:
    """Return the text in pieces, and whose name stands in every second of them."""
    setup = shape.setup
    mine = f"{{{names.LABEL_ID}={_ID}}}"
    lines = [
        _comment("While all is good: no alert, not even a pending one."),
        _check(f"count(ALERTS{mine}) or vector(0)", timeline.healthy, 0, setup.timing.fast),
    ]
    lines += _ratio_checks(setup, feed, timeline, shape.burn if burns else None, mine)
    if setup.exact and shape.rolling:
        lines += _period_check(setup, feed, timeline, mine)
    for number in shown:
        alert = shape.alerts[number]
        matchers = [f"alertname={_NAME.format(number)}", 'alertstate="firing"']
        matchers.append(f"{names.LABEL_ID}={_ID}")
        matchers += [f"{label}={_quoted(value)}" for label, value in alert.matchers]
        firing = f"count(ALERTS{{{', '.join(matchers)}}}) or vector(0)"
        if alert.condition is None:
            lines += _missing_checks(firing, setup, feed, always, timeline)
        else:
            lines += _alert_checks(firing, alert, setup, feed, timeline)
    pieces = _PLACE.split("".join(lines))
    return pieces, [int(place) for place in pieces[1::2]]


def _comment(text: str) -> str:
    return f"      # {text}\n"


def _check(expr: str, index: int, value: float, step: Duration) -> str:
    shown = int(value) if value == int(value) else value
    return (
        f"      - expr: '{expr}'\n"
        f"        eval_time: {Duration(index * step.milliseconds)}\n"
        f"        exp_samples: [{{labels: '{{}}', value: {shown}}}]\n"
    )


def _ratio_checks(
    setup: Setup, feed: Feed, timeline: Timeline, burn: float | None, mine: str
) -> list[str]:
    """Check the ratios that the alerts compare, when their window holds bad events only."""
    step, shortest = setup.timing.fast, setup.timing.base
    if setup.sliced or not setup.exact:
        shortest = setup.policy.page_quick.short_window
    full = timeline.healthy + ceil(shortest.milliseconds / step.milliseconds) + 1
    lines = []
    if full <= timeline.ended:
        ratio = f"round(max({names.error_ratio(shortest)}{mine}), 0.001)"
        lines.append(_comment(f"The {shortest} before are all bad: the error ratio is 1."))
        lines.append(_check(ratio, timeline.healthy, 0, step))
        lines.append(_check(ratio, full, 1, step))
        if burn is not None:
            lines.append(_comment("So the budget burns at 1 divided by the budget."))
            rate = f"round(max({names.CURRENT_BURN_RATE}{mine}), 0.001)"
            lines.append(_check(rate, full, burn, step))
    return lines


def _period_check(setup: Setup, feed: Feed, timeline: Timeline, mine: str) -> list[str]:
    """Check the error ratio of the period at the end of the outage."""
    window = setup.policy.time_window
    values = {
        floor(100 * ratio * slack + 0.5)
        for ratio in (
            play(setup, feed, server, timeline.phases).ratio(window)[timeline.ended]
            for server in promtool_servers(feed)
        )
        for slack in (1 - 1e-6, 1 + 1e-6)
    }
    if len(values) != 1:
        return []
    value = values.pop() / 100
    return [
        _comment(f"Bad events are {value:.0%} of all events so far, and of the period."),
        _check(
            f"round(max({names.error_ratio(window)}{mine}), 0.01)",
            timeline.ended,
            value,
            setup.timing.fast,
        ),
    ]


def _alert_checks(
    firing: str, alert: Expected, setup: Setup, feed: Feed, timeline: Timeline
) -> list[str]:
    step, condition = setup.timing.fast, alert.condition
    assert condition is not None
    title = f"{alert.severity} {alert.windows}, above {alert.burn_rate}"
    if alert.kind == "budget_exhausted":
        title = "Budget exhausted"
    if not alert.can_fire:
        return [
            _comment(f"{title}: cannot fire, since even a full outage burns no faster."),
            _check(firing, timeline.ended, 0, step),
        ]
    fires, resets = moments(setup, feed, promtool_servers(feed), timeline.phases, condition)
    if fires is None:
        return [
            _comment(f"{title}: this outage is too short for it."),
            _check(firing, timeline.ended, 0, step),
        ]
    said = [f"fires {_after(fires, timeline.healthy, step)} after the outage began"]
    if resets is not None and resets.latest > timeline.last:
        resets = None
    if resets is not None:
        said.append(f"resets {_after(resets, timeline.ended, step)} after it ended")
    lines = [_comment(f"{title}: {', '.join(said)}.")]
    lines.append(_check(firing, fires.earliest - 1, 0, step))
    if fires.latest <= timeline.last:
        lines.append(_check(firing, fires.latest, 1, step))
    if resets is not None:
        lines.append(_check(firing, resets.earliest - 1, 1, step))
        lines.append(_check(firing, resets.latest, 0, step))
    return lines


def _after(moment: Bracket, since: int, step: Duration) -> str:
    first, last = (
        Duration((index - since) * step.milliseconds) for index in (moment.earliest, moment.latest)
    )
    return str(last) if first == last else f"{first} to {last}"


def _missing_checks(
    firing: str, setup: Setup, feed: Feed, always: bool, timeline: Timeline
) -> list[str]:
    step = setup.timing.fast
    fires = missing_data(setup, feed, timeline)
    if always:
        return [
            _comment("Missing data: cannot fire, since the total is 0 where there are no series."),
            _check(firing, fires.latest, 0, step),
        ]
    after = _after(fires, timeline.last, step)
    return [
        _comment(f"Missing data: fires {after} after the last sample."),
        _check(firing, fires.earliest - 1, 0, step),
        _check(firing, fires.latest, 1, step),
    ]
