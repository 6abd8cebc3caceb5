"""Make plans and rules from short specs for the tests of the emitters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from slo.alert_windows import builtin_policies, policy_for
from slo.alerts import exact_profile, sloth_profile
from slo.alerts.exact_rules import DEFAULT_INTERVAL
from slo.alerts.model import AlertingRule, RecordingRule, Rule, RuleGroup
from slo.diagnostics import Diagnostic, Span
from slo.duration import Duration
from slo.plan import AlertMeta, EventsIndicator, Origin, PluginCall, SloPlan
from slo.plugins import PluginRegistry, load_plugins

HERE = Span("spec.yaml", 7)


@dataclass(frozen=True)
class Rules:
    """Hold the groups that a profile made, and what it complained about."""

    groups: list[RuleGroup]
    diagnostics: list[Diagnostic]

    @property
    def all(self) -> list[Rule]:
        return [rule for group in self.groups for rule in group.rules]

    @property
    def records(self) -> list[RecordingRule]:
        return [rule for rule in self.all if isinstance(rule, RecordingRule)]

    @property
    def alerts(self) -> list[AlertingRule]:
        return [rule for rule in self.all if isinstance(rule, AlertingRule)]

    def record(self, name: str) -> RecordingRule:
        (found,) = [rule for rule in self.records if rule.record == name]
        return found

    def expr(self, name: str) -> str:
        return " ".join(self.record(name).expr.split())


@pytest.fixture
def make_plan() -> Callable[..., SloPlan]:
    """Return a function that makes a plan of 30 days, with fields replaced."""

    def function(**fields: Any) -> SloPlan:
        time_window = fields.setdefault("time_window", Duration.parse("30d"))
        policy = policy_for(time_window, builtin_policies())
        assert policy is not None
        indicator = EventsIndicator(
            "sum(rate(bad[{{.window}}]))", "sum(rate(all[{{.window}}]))", HERE, HERE
        )
        alert = AlertMeta("CheckoutErrors")
        fields.setdefault("objective", Decimal("99.9"))
        plan = SloPlan(
            id="checkout-requests",
            service="checkout",
            name="requests",
            indicator=indicator,
            policy=policy,
            origin=Origin("slo-v1", "cli-gen-prom", "slo/v1"),
            span=HERE,
            objective_span=HERE,
            page=alert,
            ticket=alert,
            objective=fields["objective"],
            time_window=time_window,
        )
        return replace(plan, **fields)

    return function


@pytest.fixture
def call() -> Callable[..., PluginCall]:
    """Return a function that makes a plugin call; a name alone means one that ships."""

    def function(plugin_id: str, priority: int = 0, **config: Any) -> PluginCall:
        full = plugin_id if "/" in plugin_id else f"sloth.dev/contrib/{plugin_id}/v1"
        return PluginCall(full, config, priority, HERE)

    return function


@pytest.fixture
def sloth() -> Callable[..., Rules]:
    """Return a function that makes the rules of a plan under profile `sloth`."""

    def function(plan: SloPlan, plugins: tuple[Path, ...] = ()) -> Rules:
        found, diagnostics = sloth_profile.generate(plan, "1.2.3", load_plugins(plugins))
        return Rules(found.groups, diagnostics)

    return function


@pytest.fixture
def exact() -> Callable[..., Rules]:
    """Return a function that makes the rules of a plan under profile `exact`."""

    def function(plan: SloPlan, interval: Duration = DEFAULT_INTERVAL) -> Rules:
        found, diagnostics = exact_profile.generate(plan, "1.2.3", PluginRegistry(), interval)
        return Rules(found.groups, diagnostics)

    return function
