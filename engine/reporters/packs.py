"""Print the packs of rules for people and for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from slo import conventions as names
from slo.alerts.model import AlertingRule
from slo.alerts.packs.catalog import PACKS, defaults, definition, rules_of
from slo.alerts.packs.model import PackRules
from slo.alerts.packs.settings import Settings

__all__ = ["WIDTH", "example", "listing", "listing_json", "page", "page_json"]

WIDTH = 80
# Alerts that are there only if a setting asks for them, which the pages show as well.
_ASKED_FOR = {"monitoring": {"heartbeat_owner": "watchdog"}}
_KINDS = {
    "AlertName": "alert",
    "Duration": "duration",
    "Metric": "metric",
    "Name": "name",
    "OtelLabel": "label",
    "Regex": "regular expression",
    "Selector": "labels or matchers",
    "SelectorLabels": "labels",
}
_TYPES = {"array": "list", "boolean": "true or false", "integer": "number"}

Style = Callable[[str], str]
"""Set a heading apart, where the terminal can."""


def listing(heading: Style) -> Iterator[str]:
    """Yield the lines of the list of all packs with their alerts."""
    column = max(map(len, PACKS)) + 2
    for pack in PACKS:
        yield f"{heading(pack)}{' ' * (column - len(pack))}{definition(pack)['description']}"
        alerts = ", ".join(alert.alert for alert in _rules(pack).all_alerts)
        yield from _wrapped(alerts, " " * column)
        yield ""
    yield "slo packs NAME tells more; slo packs --example prints a document with all."


def page(pack: str, heading: Style) -> Iterator[str]:
    """Yield the page of one pack: alerts with their PromQL, settings, and what its test plays."""
    rules = _rules(pack)
    yield heading(f"{pack}: {_lowered(definition(pack)['description'])}")
    yield ""
    yield heading("Alerts")
    for alert in rules.all_alerts:
        lasting = f", after {alert.for_}" if alert.for_ and alert.for_.milliseconds else ""
        yield f"  {alert.alert} ({alert.labels[names.LABEL_SEVERITY]}{lasting})"
        yield from (f"      {line}" for line in alert.expr.splitlines())
    if rules.records:
        yield ""
        yield heading("Recorded for them")
        for record in rules.records:
            yield f"  {record.record}"
            yield from (f"      {line}" for line in record.expr.splitlines())
    yield ""
    yield heading("Settings")
    for setting in _settings(pack):
        yield from _wrapped(f"{setting['name']}: {_value(setting)}", "  ", "      ")
        yield from _wrapped(setting["description"], "      ")
    yield ""
    yield heading("What its test plays")
    for scenario in rules.scenarios:
        yield from _wrapped(f"- {scenario.name}", "  ", "    ")


def example() -> str:
    """Return a Packs document that asks for all packs with their defaults."""
    lines = [f"  {pack}: {{}}\n" for pack in PACKS]
    return (
        "version: slo/v1\nkind: Packs\nname: main\n"
        "# As in the Owners document; without it, alerts go to the owner `default`.\n"
        "# owner: platform\n"
        "# Where you keep the runbooks; the alerts link there.\n"
        "# runbooks: https://git.example.com/runbooks\n"
        "# Tickets only, until you know how often each alert comes.\n"
        "pages: false\n"
        "packs:\n" + "".join(lines)
    )


def listing_json() -> list[dict[str, Any]]:
    """Return all packs for programs."""
    return [
        {
            "name": pack,
            "summary": definition(pack)["description"],
            "alerts": [alert.alert for alert in _rules(pack).all_alerts],
        }
        for pack in PACKS
    ]


def page_json(pack: str) -> dict[str, Any]:
    """Return all that is known of one pack, for programs."""
    rules = _rules(pack)
    return {
        "name": pack,
        "summary": definition(pack)["description"],
        "alerts": [_alert_json(alert) for alert in rules.all_alerts],
        "records": [{"record": each.record, "expr": each.expr} for each in rules.records],
        "settings": list(_settings(pack)),
        "tested": [scenario.name for scenario in rules.scenarios],
    }


def _alert_json(alert: AlertingRule) -> dict[str, Any]:
    return {
        "name": alert.alert,
        "severity": alert.labels[names.LABEL_SEVERITY],
        "for": str(alert.for_ or "0s"),
        "expr": alert.expr,
        "summary": alert.annotations["summary"],
    }


def _rules(pack: str) -> PackRules:
    given = {**defaults(pack), **_ASKED_FOR.get(pack, {})}
    return rules_of(Settings(pack=pack, name="main", given=given))


def _settings(pack: str) -> Iterator[dict[str, Any]]:
    for name, schema in definition(pack)["properties"].items():
        yield {
            "name": name,
            "kind": _kind(schema),
            "default": schema.get("default"),
            "description": schema["description"],
        }


def _kind(schema: dict[str, Any]) -> str:
    reference = schema.get("$ref", "").rpartition("/")[2]
    if reference:
        return _KINDS[reference]
    if "enum" in schema:
        return ", ".join(schema["enum"])
    kind: str = schema["type"]
    return _TYPES.get(kind, kind)


def _value(setting: dict[str, Any]) -> str:
    default = setting["default"]
    if default is None:
        return str(setting["kind"])
    shown = default if isinstance(default, str) else json.dumps(default)
    return f"{setting['kind']}, default {shown}"


def _lowered(text: str) -> str:
    return text[0].lower() + text[1:]


def _wrapped(text: str, first: str, rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
