"""Dashboards of many SLOs choose the right ones, by labels where that is possible."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from slo.dashboards.walls import team_dashboard
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.plan import SloPlan
from tests.dashboards.conftest import write_spec
from tests.dashboards.specs import EXACT


def plans(folder: Path) -> tuple[SloPlan, ...]:
    result = compile_specs([write_spec(folder, EXACT)], CompileOptions(kinds=("rules",)))
    return result.specs.slos


def expressions(owner: str, found: tuple[SloPlan, ...]) -> str:
    dashboard = team_dashboard(owner, found)
    return "\n".join(target.expr for panel in dashboard.panels for target in panel.targets)


def test_a_team_is_chosen_by_its_label(tmp_path: Path) -> None:
    """However many SLOs it has, the queries stay as long as they are."""
    found = plans(tmp_path)

    text = expressions("payments", found)

    assert 'owner="payments"' in text
    assert "shop-requests" not in text
    assert len(text) == len(expressions("payments", found * 100))


def test_a_team_whose_series_lack_the_label_is_chosen_by_names(tmp_path: Path) -> None:
    found = tuple(replace(plan, labels={}) for plan in plans(tmp_path))

    text = expressions("payments", found)

    assert "owner=" not in text
    assert "shop-requests" in text
