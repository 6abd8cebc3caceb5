"""Hold the rules of one SLO while plugins may still change them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from slo.alerts.model import AlertingRule, RecordingRule, RuleGroup
from slo.plan import SloPlan

__all__ = ["PluginRequest", "RuleSet", "recording_rules"]


@dataclass(slots=True)
class RuleSet:
    """
    Group an SLO's rules by purpose.

    Args:
        sli: Recorded event rates and error ratios.
        slow: Error ratios of long windows, where the profile keeps them apart.
        metadata: Objective, budget, burn rates and the info series.
        alerts: Alerting rules.
        extra: Groups that plugins add.
    """

    sli: RuleGroup
    metadata: RuleGroup
    alerts: RuleGroup
    extra: list[RuleGroup] = field(default_factory=list)
    slow: RuleGroup | None = None

    @property
    def groups(self) -> list[RuleGroup]:
        """Return the groups that hold at least one rule."""
        slow = () if self.slow is None else (self.slow,)
        return [g for g in (self.sli, *slow, self.metadata, self.alerts, *self.extra) if g.rules]


@dataclass(frozen=True, slots=True, eq=False)
class PluginRequest:
    """
    Give an SLO plugin what it may read.

    Args:
        plan: The SLO.
        config: Settings of this call.
        version: Version of the product, as the info series shows it.
    """

    plan: SloPlan
    config: Mapping[str, Any]
    version: str


def recording_rules(group: RuleGroup) -> Iterable[RecordingRule]:
    """Return the recording rules of *group*."""
    return (rule for rule in group.rules if not isinstance(rule, AlertingRule))
