"""Hold Prometheus rules in the words of its own `rulefmt` package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from slo.duration import Duration

__all__ = ["AlertingRule", "RecordingRule", "Rule", "RuleGroup"]


@dataclass(slots=True)
class RecordingRule:
    """Record the value of *expr* as the series *record* with *labels* added."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class AlertingRule:
    """Fire *alert* for every series of *expr* that has lasted *for_*."""

    alert: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    for_: Duration | None = None
    keep_firing_for: Duration | None = None


Rule = RecordingRule | AlertingRule


@dataclass(slots=True)
class RuleGroup:
    """Evaluate *rules* in order every *interval*; `None` leaves it to the server."""

    name: str
    rules: list[Rule]
    interval: Duration | None = None
