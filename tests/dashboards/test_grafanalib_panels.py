"""Teams who build with grafanalib get the same panels."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grafanalib")

from slo.dashboards.detail import detail_panels
from slo.dashboards.grafana import panel_json
from slo.dashboards.grafanalib_panels import grafanalib_dashboard
from slo.dashboards.queries import Scope
from slo.dashboards.walls import overview_dashboard

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dashboards.md").read_text("utf-8")


def holds(made: Any, wanted: Any) -> bool:
    """Tell whether *made* says all that *wanted* says."""
    if isinstance(wanted, dict):
        return all(key in made and holds(made[key], value) for key, value in wanted.items())
    return bool(made == wanted)


def test_the_example_of_the_docs_makes_our_panels(tmp_path: Path) -> None:
    """By `generate-dashboard`, the program of grafanalib."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "checkout.dashboard.py").write_text(example)
    program = Path(sys.executable).with_name("generate-dashboard")
    subprocess.run(
        [program, "-o", "out.json", "checkout.dashboard.py"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    made = json.loads((tmp_path / "out.json").read_text())["panels"]

    scope = Scope('sloth_service="checkout",sloth_slo="availability"')
    ours = [panel_json(panel) for panel in detail_panels(scope)]
    text = json.dumps(ours).replace("${datasource}", "prometheus")
    assert len(ours) == len(made)
    for wanted, found in zip(json.loads(text), made, strict=True):
        for target in wanted["targets"]:
            # What grafanalib has no words for, Grafana takes from the default.
            del target["editorMode"], target["range"]
        targets = wanted.pop("targets")
        assert holds(found, wanted), wanted["title"]
        assert all(map(holds, found["targets"], targets)), wanted["title"]


def test_a_whole_dashboard_is_one_of_grafanalib() -> None:
    dashboard = overview_dashboard()

    made = grafanalib_dashboard(dashboard).to_json_data()

    assert dashboard.uid == made["uid"]
    assert len(dashboard.panels) == len(made["panels"])
    assert "table" in {panel.to_json_data()["type"] for panel in made["panels"]}
