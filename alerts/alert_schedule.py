"""Say which alerts an SLO has and when each must fire and reset, for tests and for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import ceil, floor

from slo import conventions as names
from slo.alerts.burn_rate_alerts import MISSING_DATA_FOR
from slo.alerts.event_model import Feed, Phase, Server
from slo.alerts.exact_rules import Timing, is_weighted
from slo.alerts.rule_model import Bracket, Condition, Setup, episodes, first_missing
from slo.burnrate import AlertPolicy, BurnWindow
from slo.duration import Duration, hours, minutes
from slo.numbers import decimal_text
from slo.plan import AlertMeta, SloPlan

__all__ = [
    "Expected",
    "Shape",
    "Timeline",
    "alert_name",
    "covering",
    "missing_data",
    "moments",
    "promtool_servers",
    "shape_of",
    "timeline",
]

# Prometheus 2 and 3 differ in whether a range includes a sample exactly at its start; and a
# counter that begins at zero is extrapolated otherwise than one that goes on.
_PROMTOOL = tuple(
    Server(left_open, apart, own_intervals=False, history=False)
    for apart in (False, True)
    for left_open in (False, True)
)

_HEALTHY = hours(1)
_MOST_HEALTHY_STEPS = 240
_SHORTEST_OUTAGE = minutes(10)
_LONGEST_OUTAGE = hours(12)
_PLAYED = 960


def promtool_servers(feed: Feed) -> tuple[Server, ...]:
    """Return all that `promtool test rules` may be, as far as it matters for *feed*."""
    return _PROMTOOL if feed.kind in ("counter", "difference") else _PROMTOOL[:2]


@dataclass(frozen=True, slots=True)
class Expected:
    """
    Describe one alert of an SLO.

    Args:
        fixed_name: Empty where the SLO names its alerts itself.
        kind: `burn_rate`, `budget_exhausted` or `missing_data`.
        windows: Long and short windows for people, such as `1h/5m`.
        burn_rate: Threshold for people.
        matchers: Labels that tell the alert from the others of its SLO.
        condition: `None` for missing data, which no ratio decides.
    """

    fixed_name: str
    severity: str
    kind: str
    windows: str
    burn_rate: str
    matchers: tuple[tuple[str, str], ...]
    condition: Condition | None

    @property
    def burns(self) -> bool:
        """Tell whether it is an alert on a burn rate, which resets after an outage."""
        return self.kind == "burn_rate"

    @property
    def can_fire(self) -> bool:
        """Tell whether any outage can fire it: no error ratio exceeds 1."""
        if self.condition is None:
            return True
        at_most = self.condition.reaches
        return any(limit < 1 or (at_most and limit == 1) for _, _, limit in self.condition.pairs)


@dataclass(frozen=True, slots=True)
class Timeline:
    """
    Hold the phases of one test, in evaluations.

    Args:
        gone: Evaluations after the last sample; 0 where nobody asks what happens then.
    """

    healthy: int
    outage: int
    recovery: int
    gone: int = 0

    @property
    def ended(self) -> int:
        """Return the last evaluation of the outage."""
        return self.healthy + self.outage

    @property
    def last(self) -> int:
        """Return the evaluation of the last sample."""
        return self.ended + self.recovery

    @property
    def phases(self) -> tuple[Phase, ...]:
        """
        Return a healthy phase, a full outage and a recovery, played on past its end.

        Nothing that comes later changes what came before, and timelines of similar length
        then are the same play.
        """
        played = -(-self.recovery // _PLAYED) * _PLAYED
        steps = zip((self.healthy, self.outage, played), (0.0, 1.0, 0.0), strict=True)
        return tuple(Phase(count, share) for count, share in steps)

    def covering(self, other: Timeline) -> Timeline:
        """Return the shortest timeline that is long enough for both."""
        return Timeline(
            max(self.healthy, other.healthy),
            max(self.outage, other.outage),
            max(self.recovery, other.recovery),
            max(self.gone, other.gone),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """
    Hold what SLOs of one policy and objective have in common; there is one object for each.

    Args:
        burn: Burn rate while everything is bad; `None` without a budget.
        rolling: The period is rolling; what a calendar period holds so far depends on the date.
    """

    setup: Setup
    alerts: tuple[Expected, ...]
    burn: float | None
    rolling: bool


def shape_of(
    plan: SloPlan, exact: bool, interval: Duration, own: tuple[Duration, Duration] | None = None
) -> Shape:
    """
    Return the shape of *plan*.

    Args:
        interval: Evaluation interval of the fast group.
        own: Intervals of the two groups of this SLO, where plugins have set them.
    """
    timing = Timing.of(plan, interval)
    if own is not None:
        timing = timing.with_intervals(*own)
    slices = plan.timeslices
    limit = None
    if slices is not None and slices.target is not None:
        limit = float((100 - slices.target) / 100)
    return _shape(
        Setup(exact, plan.policy, timing, slices is not None, limit),
        plan.time_window,
        plan.error_budget,
        _severity(plan.page),
        _severity(plan.ticket),
        plan.min_bad_events if exact and plan.min_bad_events and is_weighted(plan) else 0,
        # When a calendar's budget is gone depends on the date.
        plan.alert_on_exhaustion and plan.calendar is None,
        plan.alert_on_missing_data,
        plan.calendar is None,
    )


def alert_name(plan: SloPlan, alert: Expected) -> str:
    """Return the name under which *alert* fires for *plan*."""
    meta = plan.page if alert.severity == "page" else plan.ticket
    return alert.fixed_name or (meta.name if meta is not None else "")


# What an alert's definition adds: its labels, and how long it must last.
_Severity = tuple[tuple[tuple[str, str], ...], Duration | None]


def _severity(meta: AlertMeta | None) -> _Severity | None:
    return None if meta is None else (tuple(meta.labels.items()), meta.for_)


@lru_cache(maxsize=1024)
def _shape(
    setup: Setup,
    time_window: Duration,
    budget: Decimal,
    page: _Severity | None,
    ticket: _Severity | None,
    guard: int,
    exhaustion: bool,
    missing: bool,
    rolling: bool,
) -> Shape:
    exact, policy = setup.exact, setup.policy
    burn = floor(1000 / float(budget) + 0.5) / 1000 if budget else None
    found: list[Expected] = []
    for severity, meta, pairs in (
        ("page", page, policy.pages),
        ("ticket", ticket, policy.tickets),
    ):
        if meta is not None:
            make = _exact_alerts if exact else _sloth_alerts
            found += make(setup, severity, meta, pairs, budget, guard)
    chosen = ticket or page
    if chosen is None or not exact:
        return Shape(setup, tuple(found), burn, rolling)
    own_labels = {names.LABEL_SEVERITY: "ticket", **dict(chosen[0])}
    matchers = _matchers(own_labels, names.LABEL_SEVERITY)
    if exhaustion:
        limit = ((time_window, time_window, float(budget)),)
        condition = Condition(limit, reaches=True, group="period")
        found.append(
            Expected(
                names.EXHAUSTED_ALERT, "ticket", "budget_exhausted", "", "", matchers, condition
            )
        )
    if missing:
        found.append(
            Expected(names.MISSING_DATA_ALERT, "ticket", "missing_data", "", "", matchers, None)
        )
    return Shape(setup, tuple(found), burn, rolling)


def _matchers(labels: dict[str, str], *chosen: str) -> tuple[tuple[str, str], ...]:
    return tuple((label, labels[label]) for label in chosen)


def _steps(lasting: Duration | None, setup: Setup) -> int:
    step = setup.timing.fast.milliseconds
    return 0 if lasting is None else ceil(lasting.milliseconds / step)


def _exact_alerts(
    setup: Setup,
    severity: str,
    meta: _Severity,
    pairs: tuple[BurnWindow, BurnWindow],
    budget: Decimal,
    guard: int,
) -> list[Expected]:
    found = []
    for pair in pairs:
        labels = {
            names.LABEL_SEVERITY: severity,
            names.LABEL_LONG_WINDOW: str(pair.long_window),
            names.LABEL_SHORT_WINDOW: str(pair.short_window),
            **dict(meta[0]),
        }
        own = _matchers(
            labels, names.LABEL_SEVERITY, names.LABEL_LONG_WINDOW, names.LABEL_SHORT_WINDOW
        )
        limits = (_limits(setup.policy, pair, budget),)
        lasting = _steps(meta[1], setup)
        group = "slow" if severity == "ticket" else "fast"
        condition = Condition(limits, lasting, guard, group=group)
        windows, rate = _shown(setup.policy, pair)
        found.append(Expected("", severity, "burn_rate", windows, rate, own, condition))
    return found


def _sloth_alerts(
    setup: Setup,
    severity: str,
    meta: _Severity,
    pairs: tuple[BurnWindow, BurnWindow],
    budget: Decimal,
    _: int,
) -> list[Expected]:
    limits = tuple(_limits(setup.policy, pair, budget) for pair in pairs)
    condition = Condition(limits, _steps(meta[1], setup))
    labels = {names.LABEL_SEVERITY: severity, **dict(meta[0])}
    own = _matchers(labels, names.LABEL_SEVERITY)
    shown = [_shown(setup.policy, pair) for pair in pairs]
    windows, rates = (" or ".join(column) for column in zip(*shown, strict=True))
    return [Expected("", severity, "burn_rate", windows, rates, own, condition)]


def _limits(
    policy: AlertPolicy, pair: BurnWindow, budget: Decimal
) -> tuple[Duration, Duration, float]:
    limit = float(pair.threshold(policy.time_window) * budget)
    return (pair.long_window, pair.short_window, limit)


def _shown(policy: AlertPolicy, pair: BurnWindow) -> tuple[str, str]:
    threshold = pair.threshold(policy.time_window)
    return f"{pair.long_window}/{pair.short_window}", f"{decimal_text(threshold)}x"


def _joined(one: Bracket | None, other: Bracket | None) -> Bracket | None:
    return one.widened(other) if one is not None and other is not None else None


@lru_cache(maxsize=4096)
def moments(
    setup: Setup,
    feed: Feed,
    servers: tuple[Server, ...],
    phases: tuple[Phase, ...],
    condition: Condition,
) -> tuple[Bracket | None, Bracket | None]:
    """
    Return when an alert first fires and when it then resets, whichever of *servers* it is.

    `None` where all of them say that it does not happen.
    """
    runs = [episodes(setup, feed, server, phases, condition) for server in servers]
    first = [found[0] for found in runs if found]
    if not first:
        return None, None
    fires = first[0].fires
    resets = first[0].resets
    for other in first[1:]:
        fires = fires.widened(other.fires)
        resets = _joined(resets, other.resets)
    if len(first) < len(runs):
        # They disagree whether it fires at all: nothing is certain from here on.
        return Bracket(fires.earliest, sum(phase.steps for phase in phases) + 1), None
    return fires, resets


@lru_cache(maxsize=1024)
def timeline(shape: Shape, feed: Feed) -> Timeline:
    """Return a timeline in which every alert that can fires, and every burn-rate alert resets."""
    setup = shape.setup
    step = setup.timing.fast.milliseconds
    base = ceil(setup.timing.base.milliseconds / step)
    healthy = min(max(ceil(_HEALTHY.milliseconds / step), 2 * base), _MOST_HEALTHY_STEPS)
    outage = max(ceil(_SHORTEST_OUTAGE.milliseconds / step), base + 2)
    outage = min(outage, max(healthy, base + 2))
    longest = max(outage, min(ceil(_LONGEST_OUTAGE.milliseconds / step), 12 * healthy))
    watched = [a for a in shape.alerts if a.condition is not None and a.can_fire]
    shorts = [s for a in watched if a.condition for _, s, _ in a.condition.pairs if a.burns]
    longest_short = max((short.milliseconds for short in shorts), default=0)
    enough = ceil((longest_short + setup.timing.slow.milliseconds * 2) / step) + 2 * base + 2
    found: list[tuple[Bracket | None, Bracket | None]] = []
    # Most alerts fire soon: look far ahead only when one does not.
    for tried in (outage, 4 * outage, longest):
        phases = Timeline(healthy, tried, enough).phases
        found = [_moments(setup, feed, phases, alert) for alert in watched]
        late = [fires is None or fires.latest > healthy + tried - 2 for fires, _ in found]
        if not any(late):
            break
    needed = [fires.latest - healthy + 2 for fires, _ in found if fires is not None]
    needed_outage = _rounded(max((outage, *needed)), minutes(5), step)
    if needed_outage != tried:
        outage = needed_outage
        phases = Timeline(healthy, outage, enough).phases
        found = [_moments(setup, feed, phases, alert) for alert in watched]
    ends = [end for (_, end), alert in zip(found, watched, strict=True) if alert.burns]
    last = max((end.latest for end in ends if end is not None), default=0)
    recovery = _rounded(max(last - healthy - outage + 2, 2 * base), minutes(10), step)
    result = Timeline(healthy, outage, recovery)
    if any(alert.kind == "missing_data" for alert in shape.alerts):
        gone = missing_data(setup, feed, result).latest - result.last + 1
        return Timeline(healthy, outage, recovery, gone)
    return result


def _moments(
    setup: Setup, feed: Feed, phases: tuple[Phase, ...], alert: Expected
) -> tuple[Bracket | None, Bracket | None]:
    assert alert.condition is not None
    return moments(setup, feed, promtool_servers(feed), phases, alert.condition)


def missing_data(setup: Setup, feed: Feed, found: Timeline) -> Bracket:
    """Return when the alert on missing data fires after the last sample of *found*."""
    gone = [first_missing(setup, feed, server, found.last) for server in promtool_servers(feed)]
    lasting = ceil(MISSING_DATA_FOR.milliseconds / setup.timing.fast.milliseconds)
    return Bracket(min(gone) + lasting, max(gone) + lasting)


def _rounded(steps: int, to: Duration, step: int) -> int:
    """Return at least *steps*, as a multiple of *to* where evaluations fit into it."""
    if to.milliseconds % step:
        return steps
    unit = to.milliseconds // step
    return -(-steps // unit) * unit


def covering(timelines: Iterable[Timeline]) -> Timeline:
    """Return the shortest timeline that is long enough for all of *timelines*."""
    result = Timeline(0, 0, 0)
    for each in timelines:
        result = result.covering(each)
    return result
