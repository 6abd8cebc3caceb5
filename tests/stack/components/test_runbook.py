"""Each alert on the stack leads to a heading that says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from slo.stack.components.meta_rules import META_RULES_FILE
from slo.stack.components.model import StackPlan
from slo.stack.settings import StackSettings
from tests.stack.components.stacks import VARIANTS, plan, settings_of

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbooks" / "stack.md"


def alerts(stack: StackPlan) -> list[dict[str, dict[str, str]]]:
    return [
        rule
        for component in stack.components
        for config in component.configs
        if META_RULES_FILE in config.name
        for group in yaml.safe_load(config.text)["groups"]
        for rule in group["rules"]
    ]


def test_the_runbook_has_every_alert_and_no_other() -> None:
    declared = {rule["alert"] for found in VARIANTS.values() for rule in alerts(plan(found))}
    headings = re.findall(r"^### (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE)

    assert sorted(map(str, declared)) == sorted(headings)


@pytest.mark.parametrize(
    "address", ["https://example.com/runbooks", "https://example.com/runbooks/"]
)
def test_links_there_where_the_settings_say(address: str) -> None:
    settings = settings_of(f"runbooks: {address}\n")
    found = {r["annotations"]["runbook_url"] for r in alerts(plan(settings))}

    assert "https://example.com/runbooks/stack.md#stackpartdown" in found


def test_links_nowhere_without_an_address() -> None:
    assert not [r for r in alerts(plan(StackSettings())) if "runbook_url" in r["annotations"]]
