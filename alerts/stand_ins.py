"""Replace the rules that read raw series, where nobody can make those up, by their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slo import conventions as names
from slo.alerts.model import AlertingRule, RecordingRule, Rule, RuleGroup
from slo.alerts.rule_model import Setup
from slo.alerts.sample_series import escaped
from slo.plan import SloPlan

__all__ = ["StandIn", "stand_in"]

_CORRECTION = "slo:numerator_correction:ratio"


@dataclass(frozen=True, slots=True)
class StandIn:
    """
    Hold rules that read recorded series only, and the series to feed them.

    Args:
        series: Each with its value during the outage; a negative one holds all the time.
        events: Bad events per evaluation that a recorded rate of 1 stands for.
    """

    groups: list[RuleGroup]
    series: tuple[tuple[str, float], ...]
    events: float


def stand_in(plan: SloPlan, groups: list[RuleGroup], setup: Setup) -> StandIn:
    """Return the rules of *plan* without those that read raw series, and what these recorded."""
    if setup.exact:
        base = setup.timing.base
        fed = {names.error_events_rate(base): 1.0, names.total_events_rate(base): -1.0}
    else:
        fed = {names.error_ratio(window): 1.0 for window in plan.policy.windows}
    group_labels = dict.fromkeys(plan.group_by or (), "a")
    series: list[tuple[str, float]] = []
    kept: list[RuleGroup] = []
    events = 1.0
    for group in groups:
        rules: list[Rule] = []
        for rule in group.rules:
            if isinstance(rule, AlertingRule):
                rules.append(rule)
            elif rule.record in fed:
                series.append((_series(rule, group_labels), fed[rule.record]))
            elif setup.exact or not _reads_raw(rule, plan):
                rules.append(rule)
            if isinstance(rule, AlertingRule) or names.LABEL_WINDOW in rule.labels:
                continue
            if ":increase" in rule.record:
                events = float(rule.expr.partition(" ")[0])
        if rules:
            kept.append(RuleGroup(group.name, rules, group.interval))
    return StandIn(kept, tuple(dict.fromkeys(series)), events)


def _reads_raw(rule: RecordingRule, plan: SloPlan) -> bool:
    """Tell whether a rule of profile `sloth` that is not fed reads raw series all the same."""
    if rule.record.startswith(_CORRECTION):
        return True
    period = names.error_ratio(plan.time_window)
    return (
        rule.record == period
        and names.ERROR_RATIO_PREFIX not in rule.expr
        and (names.ERROR_EVENTS not in rule.expr)
    )


def _series(rule: RecordingRule, group_labels: Mapping[str, str]) -> str:
    labels = {**group_labels, **rule.labels}
    inner = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    return f"{rule.record}{{{inner}}}"
