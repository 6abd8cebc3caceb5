"""Dashboards are sound: by Grafana's own types, and by rules that those do not know."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import promql_parser
import pytest

from slo.dashboards.identity import PREFIX
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from tests.dashboards.conftest import write_spec
from tests.dashboards.specs import EXACT, SLOTH

ROOT = Path(__file__).parents[2]
UNITS = {"percentunit", "suffix:x", "dtdurations", "none", "short", "reqps"}
KINDS = {"bargauge", "stat", "state-timeline", "table", "text", "timeseries"}
# Grafana's types leave out what belongs to a data source, and what its editor keeps for itself.
OF_PROMETHEUS = {"expr", "step", "textFormat", "titleFormat", "useValueForTime"}


@pytest.fixture(scope="module", params=["exact", "sloth"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("specs")
    path = write_spec(folder, EXACT if request.param == "exact" else SLOTH)
    options = CompileOptions(profile=request.param, kinds=("dashboards",))
    result = compile_specs([path], options)
    assert not result.failed, result.diagnostics
    return {a.path: json.loads(a.text) for a in result.artifacts if a.kind == "dashboards"}


def panels(made: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, dashboard in made.items():
        for panel in dashboard["panels"]:
            yield f"{path}: {panel['title']}", panel


@pytest.fixture(scope="module")
def schema() -> Any:
    """Return Grafana's types as a JSON Schema; made anew only where it is not there yet."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    command = [ROOT / "scripts" / "grafana-schema"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    if run.returncode:
        pytest.skip(f"the types cannot be had: {run.stderr[-200:]}")
    return json.loads((ROOT / run.stdout.strip()).read_text("utf-8"))


class TestSchema:
    def test_types_of_grafana(self, schema: Any, made: dict[str, dict[str, Any]]) -> None:
        validator = jsonschema.Draft7Validator(schema)
        for path, dashboard in made.items():
            copy = json.loads(json.dumps(dashboard))
            for mark in copy["annotations"]["list"]:
                for key in OF_PROMETHEUS:
                    mark.pop(key, None)
            for variable in copy["templating"]["list"]:
                variable.pop("definition", None)
            errors = [f"{list(e.absolute_path)}: {e.message}" for e in validator.iter_errors(copy)]
            assert not errors, f"{path}: {errors}"

    def test_the_schema_finds_mistakes(self, schema: Any, made: dict[str, dict[str, Any]]) -> None:
        validator = jsonschema.Draft7Validator(schema)
        dashboard = json.loads(json.dumps(made["dashboards/slo-overview.json"]))
        dashboard["panels"][0]["gridPos"]["w"] = "wide"

        assert not validator.is_valid(dashboard)


class TestDashboards:
    def test_one_for_each_slo_service_team_and_two_for_all(
        self, made: dict[str, dict[str, Any]]
    ) -> None:
        names = {path.removeprefix("dashboards/").removesuffix(".json") for path in made}

        assert {"slo-overview", "slo-detail", "service-shop", "slo-shop-requests"} <= names
        assert "team-payments" in names

    def test_uids_are_ours_short_and_unique(self, made: dict[str, dict[str, Any]]) -> None:
        uids = [dashboard["uid"] for dashboard in made.values()]

        assert len(uids) == len(set(uids))
        assert all(uid.startswith(PREFIX) and len(uid) <= 40 for uid in uids)

    def test_uids_stay(self, made: dict[str, dict[str, Any]]) -> None:
        """Bookmarks and pushes go by them: a new way to make them breaks both."""
        assert "slostack-overview" == made["dashboards/slo-overview.json"]["uid"]
        uid = made["dashboards/slo-shop-requests.json"]["uid"]
        assert "slostack-slo-1faf4ee09d381807ce5e" == uid

    def test_links_lead_to_dashboards_that_there_are(self, made: dict[str, dict[str, Any]]) -> None:
        uids = {dashboard["uid"] for dashboard in made.values()}
        text = json.dumps(list(made.values()))
        found = set(re.findall(r'"/d/([^"?]+)', text))

        assert found
        assert found <= uids

    def test_no_two_panels_overlap_or_leave_the_grid(self, made: dict[str, dict[str, Any]]) -> None:
        for path, dashboard in made.items():
            places = [(p["title"], p["gridPos"]) for p in dashboard["panels"]]
            for title, place in places:
                assert 0 <= place["x"] and place["x"] + place["w"] <= 24, (path, title)
            for (one, a), (two, b) in combinations(places, 2):
                apart = (
                    a["x"] + a["w"] <= b["x"]
                    or b["x"] + b["w"] <= a["x"]
                    or a["y"] + a["h"] <= b["y"]
                    or b["y"] + b["h"] <= a["y"]
                )
                assert apart, (path, one, two)


class TestPanels:
    def test_have_numbers_of_their_own(self, made: dict[str, dict[str, Any]]) -> None:
        for dashboard in made.values():
            ids = [panel["id"] for panel in dashboard["panels"]]
            assert list(range(1, len(ids) + 1)) == ids

    def test_say_what_they_show(self, made: dict[str, dict[str, Any]]) -> None:
        for where, panel in panels(made):
            assert len(panel["description"]) > 10, where
            assert panel["type"] in KINDS, where

    def test_have_units_that_grafana_knows(self, made: dict[str, dict[str, Any]]) -> None:
        for where, panel in panels(made):
            if panel["type"] != "text":
                assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, where

    def test_targets_are_named_and_parse(self, made: dict[str, dict[str, Any]]) -> None:
        for where, panel in panels(made):
            targets = panel.get("targets", [])
            refs = [target["refId"] for target in targets]
            assert len(set(refs)) == len(refs) and all(refs), where
            assert bool(targets) == (panel["type"] != "text"), where
            for target in targets:
                assert target["datasource"]["uid"] == "${datasource}", where
                promql_parser.parse(target["expr"])

    def test_every_field_of_a_table_is_a_target_or_a_label(
        self, made: dict[str, dict[str, Any]]
    ) -> None:
        for where, panel in panels(made):
            if panel["type"] != "table":
                continue
            (organize,) = [t for t in panel["transformations"] if t["id"] == "organize"]
            shown = {f.removeprefix("Value #") for f in organize["options"]["renameByName"]}
            assert {t["refId"] for t in panel["targets"]} <= shown, where
            titles = set(organize["options"]["renameByName"].values())
            overridden = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"]}
            assert titles == overridden, where

    def test_steps_of_thresholds_rise(self, made: dict[str, dict[str, Any]]) -> None:
        for where, panel in panels(made):
            config = panel.get("fieldConfig", {}).get("defaults", {}).get("thresholds")
            if config:
                first, *rest = [step["value"] for step in config["steps"]]
                assert first is None, where
                assert sorted(set(rest)) == rest, where

    def test_policy_is_drawn(self, made: dict[str, dict[str, Any]]) -> None:
        dashboard = made["dashboards/slo-shop-requests.json"]
        (panel,) = [p for p in dashboard["panels"] if p["title"] == "Burn rate by window"]
        defaults = panel["fieldConfig"]["defaults"]

        assert [None, 1, 3, 6, 14.4] == [s["value"] for s in defaults["thresholds"]["steps"]]
        assert "dashed" == defaults["custom"]["thresholdsStyle"]["mode"]
        assert "Pages above 14.4x over 1h and 5m or 6x over 6h and 30m." in panel["description"]


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    path = write_spec(tmp_path, EXACT)
    program = (
        "import sys; from slo.engine.options import CompileOptions;"
        "from slo.engine.pipeline import compile_specs;"
        f"result = compile_specs([{path!r}], CompileOptions(kinds=('dashboards',)));"
        "sys.stdout.write(''.join(a.text for a in result.artifacts))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }

    assert 1 == len(texts)
    assert all(texts)
