"""Say which alerts an SLO has and when each must fire and reset, for tests and for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from math import ceil

from slo import conventions as names
from slo.alerts.exact_rules import is_weighted
from slo.alerts.rule_model import (
    Bracket,
    Condition,
    Feed,
    Phase,
    Server,
    Setup,
    episodes,
)
from slo.burnrate import AlertPolicy, BurnWindow
from slo.duration import Duration, hours, minutes
from slo.plan import AlertMeta, SloPlan

__all__ = [
    "EXHAUSTED",
    "MISSING",
    "MISSING_FOR",
    "PROMTOOL",
    "Expected",
    "Timeline",
    "covering",
    "expected_alerts",
    "moments",
    "timeline",
]

# Prometheus 2 and 3 differ in whether a range includes a sample exactly at its start.
PROMTOOL = tuple(Server(left_open, own_intervals=False, history=False) for left_open in (False, True))

EXHAUSTED = "SLOErrorBudgetExhausted"
MISSING = "SLOMissingData"
MISSING_FOR = minutes(10)

_HEALTHY = hours(1)
_MOST_HEALTHY_STEPS = 240
_SHORTEST_OUTAGE = minutes(10)
_LONGEST_OUTAGE = hours(12)


@dataclass(frozen=True, slots=True)
class Expected:
    """
    Describe one alert of an SLO.

    Args:
        kind: `burn_rate`, `budget_exhausted` or `missing_data`.
        windows: Long and short windows for people, such as `1h/5m`.
        burn_rate: Threshold for people.
        matchers: Labels that tell the alert from the others of its SLO.
        condition: `None` for missing data, which no ratio decides.
    """

    name: str
    severity: str
    kind: str
    windows: str
    burn_rate: str
    matchers: tuple[tuple[str, str], ...]
    condition: Condition | None

    @property
    def anonymous(self) -> Expected:
        """Return the same without its name, which differs between SLOs of one shape."""
        return replace(self, name="")

    @property
    def can_fire(self) -> bool:
        """Tell whether any outage can fire it: no error ratio exceeds 1."""
        if self.condition is None:
            return True
        at_most = self.condition.reaches
        return any(
            limit < 1 or (at_most and limit == 1) for _, _, limit in self.condition.pairs
        )


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
        """Return a healthy phase, a full outage and a recovery."""
        steps = zip((self.healthy, self.outage, self.recovery), (0.0, 1.0, 0.0), strict=True)
        return tuple(Phase(count, share) for count, share in steps)

    def covering(self, other: Timeline) -> Timeline:
        """Return the shortest timeline that is long enough for both."""
        return Timeline(
            max(self.healthy, other.healthy),
            max(self.outage, other.outage),
            max(self.recovery, other.recovery),
            max(self.gone, other.gone),
        )


def expected_alerts(plan: SloPlan, setup: Setup) -> tuple[Expected, ...]:
    """Return the alerts that the rules of *plan* hold, pages first."""
    found: list[Expected] = []
    guard = plan.min_bad_events if setup.exact and is_weighted(plan) else 0
    for severity, meta, pairs in (
        ("page", plan.page, plan.policy.pages),
        ("ticket", plan.ticket, plan.policy.tickets),
    ):
        if meta is not None:
            make = _exact_alerts if setup.exact else _sloth_alerts
            found += make(plan, setup, severity, meta, pairs, guard)
    meta = plan.ticket or plan.page
    if meta is None or not setup.exact:
        return tuple(found)
    common = {names.LABEL_SEVERITY: "ticket"}
    if plan.alert_on_exhaustion:
        window = plan.time_window
        condition = Condition(
            ((window, window, float(plan.error_budget)),), reaches=True, slow=True
        )
        own = _matchers({**common, **meta.labels}, names.LABEL_SEVERITY)
        kind = "budget_exhausted"
        found.append(Expected(EXHAUSTED, "ticket", kind, "", "", own, condition))
    if plan.alert_on_missing_data:
        own = _matchers({**common, **meta.labels}, names.LABEL_SEVERITY)
        found.append(Expected(MISSING, "ticket", "missing_data", "", "", own, None))
    return tuple(found)


def _matchers(labels: dict[str, str], *chosen: str) -> tuple[tuple[str, str], ...]:
    return tuple((label, labels[label]) for label in chosen)


def _steps(lasting: Duration | None, setup: Setup) -> int:
    step = setup.timing.fast.milliseconds
    return 0 if lasting is None else ceil(lasting.milliseconds / step)


def _exact_alerts(
    plan: SloPlan,
    setup: Setup,
    severity: str,
    meta: AlertMeta,
    pairs: tuple[BurnWindow, BurnWindow],
    guard: int,
) -> list[Expected]:
    found = []
    for pair in pairs:
        labels = {
            names.LABEL_SEVERITY: severity,
            names.LABEL_LONG_WINDOW: str(pair.long_window),
            names.LABEL_SHORT_WINDOW: str(pair.short_window),
            **meta.labels,
        }
        condition = Condition(
            (_limits(plan.policy, pair, plan.error_budget),),
            _steps(meta.for_, setup),
            guard,
            slow=severity == "ticket",
        )
        own = _matchers(
            labels, names.LABEL_SEVERITY, names.LABEL_LONG_WINDOW, names.LABEL_SHORT_WINDOW
        )
        windows, rate = _shown(plan, pair)
        found.append(Expected(meta.name, severity, "burn_rate", windows, rate, own, condition))
    return found


def _sloth_alerts(
    plan: SloPlan,
    setup: Setup,
    severity: str,
    meta: AlertMeta,
    pairs: tuple[BurnWindow, BurnWindow],
    _: int,
) -> list[Expected]:
    limits = tuple(_limits(plan.policy, pair, plan.error_budget) for pair in pairs)
    condition = Condition(limits, _steps(meta.for_, setup))
    own = _matchers({names.LABEL_SEVERITY: severity, **meta.labels}, names.LABEL_SEVERITY)
    shown = [_shown(plan, pair) for pair in pairs]
    windows, rates = (" or ".join(column) for column in zip(*shown, strict=True))
    return [Expected(meta.name, severity, "burn_rate", windows, rates, own, condition)]


def _limits(
    policy: AlertPolicy, pair: BurnWindow, budget: Decimal
) -> tuple[Duration, Duration, float]:
    limit = float(pair.threshold(policy.time_window) * budget)
    return (pair.long_window, pair.short_window, limit)


def _shown(plan: SloPlan, pair: BurnWindow) -> tuple[str, str]:
    threshold = pair.threshold(plan.time_window)
    return f"{pair.long_window}/{pair.short_window}", f"{threshold.normalize():f}x"


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


@lru_cache(maxsize=512)
def timeline(
    setup: Setup, feed: Feed, conditions: tuple[Condition, ...], until_reset: tuple[bool, ...]
) -> Timeline:
    """
    Return a timeline in which every one of *conditions* fires, and resets where asked for.

    Args:
        until_reset: For each condition whether the recovery lasts until it has reset.
    """
    step = setup.timing.fast.milliseconds
    base = ceil(setup.timing.base.milliseconds / step)
    healthy = min(max(ceil(_HEALTHY.milliseconds / step), 2 * base), _MOST_HEALTHY_STEPS)
    outage = max(ceil(_SHORTEST_OUTAGE.milliseconds / step), base + 2)
    outage = min(outage, max(healthy, base + 2))
    longest = max(outage, min(ceil(_LONGEST_OUTAGE.milliseconds / step), 12 * healthy))
    # Most alerts fire soon: look far ahead only when one does not.
    for tried in (outage, 4 * outage, longest):
        long = (Phase(healthy, 0.0), Phase(tried, 1.0))
        fired = [moments(setup, feed, PROMTOOL, long, condition)[0] for condition in conditions]
        if all(found is not None for found in fired):
            break
    needed = [found.latest - healthy + 2 for found in fired if found is not None]
    outage = _rounded(max((outage, *needed)), minutes(5), step)
    wanted = [
        condition
        for condition, reset, found in zip(conditions, until_reset, fired, strict=True)
        if reset and found is not None
    ]
    if not wanted:
        return Timeline(healthy, outage, 2 * base)
    longest_short = max(short for c in wanted for _, short, _ in c.pairs).milliseconds
    enough = ceil((longest_short + setup.timing.slow.milliseconds * 2) / step) + 2 * base + 2
    phases = Timeline(healthy, outage, enough).phases
    ends = [moments(setup, feed, PROMTOOL, phases, condition)[1] for condition in wanted]
    last = max((end.latest for end in ends if end is not None), default=0)
    recovery = max(last - healthy - outage + 2, 2 * base)
    return Timeline(healthy, outage, _rounded(recovery, minutes(10), step))


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
