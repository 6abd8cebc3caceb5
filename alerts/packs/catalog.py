"""List the packs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from slo.alerts.packs import (
    certificates,
    clocks,
    dependencies,
    disk,
    latency,
    monitoring,
    pools,
    queues,
    restarts,
)
from slo.alerts.packs.model import PackRules
from slo.alerts.packs.settings import Settings
from slo.schema import load_schema

__all__ = ["PACKS", "defaults", "definition", "rules_of"]

PACKS: Mapping[str, Callable[[Settings], PackRules]] = {
    "latency": latency.build,
    "restarts": restarts.build,
    "queues": queues.build,
    "dependencies": dependencies.build,
    "pools": pools.build,
    "disk": disk.build,
    "certificates": certificates.build,
    "clocks": clocks.build,
    "monitoring": monitoring.build,
}
"""What makes the rules of each pack, in the order in which people see them."""


def definition(pack: str) -> Mapping[str, Any]:
    """Return the schema of the settings of *pack*."""
    definitions = load_schema("packs-v1")["$defs"]
    reference = definitions["Choice"]["properties"][pack]["$ref"]
    found: Mapping[str, Any] = definitions[reference.rpartition("/")[2]]
    return found


def defaults(pack: str) -> dict[str, Any]:
    """Return the settings of *pack* that have a default."""
    properties = definition(pack)["properties"]
    return {key: schema["default"] for key, schema in properties.items() if "default" in schema}


def rules_of(settings: Settings, without: frozenset[str] = frozenset()) -> PackRules:
    """Return what the pack of *settings* makes, but for the alerts in *without*."""
    made = PACKS[settings.pack](settings)
    if not without:
        return made
    scenarios = []
    for scenario in made.scenarios:
        checks = tuple(check for check in scenario.checks if check.alert not in without)
        scenarios += [replace(scenario, checks=checks)] if checks else []
    alerts, slow = (
        tuple(alert for alert in each if alert.alert not in without)
        for each in (made.alerts, made.slow)
    )
    return replace(made, alerts=alerts, slow=slow, scenarios=tuple(scenarios))
