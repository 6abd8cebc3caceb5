"""The stack's Grafana is provisioned by what the dashboards come with."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from slo.artifact import Artifact
from slo.dashboards.provisioning import Addresses, files
from slo.stack.components.context import Compiled
from slo.stack.components.model import Component
from slo.stack.components.plan import stack_plan
from slo.stack.settings import StackSettings
from tests.stack.components.places import FlatPlaces
from tests.stack.components.stacks import EVERYTHING_PUBLIC, compiled, plan


def provisioned(grafana: Component, folder: str) -> dict[str, Any]:
    name = f"provisioning/{folder}/slostack.yaml"
    [text] = [config.text for config in grafana.configs if config.name == name]
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def links(source: dict[str, Any]) -> dict[str, Any]:
    """Return what a data source says but for where it is."""
    return {key: value for key, value in source.items() if key != "url"}


@pytest.mark.parametrize("without", [(), ("jaeger",), ("loki",), ("jaeger", "loki")])
def test_data_sources_link_as_the_dashboards_own_files_say(without: tuple[str, ...]) -> None:
    grafana = plan(without=without).component("grafana")
    own = Addresses(**dict.fromkeys(without, ""))
    [text] = [a.text for a in files(own) if "/datasources/" in a.path]
    stack = {s["uid"]: links(s) for s in provisioned(grafana, "datasources")["datasources"]}

    assert {s["uid"]: links(s) for s in yaml.safe_load(text)["datasources"]} == {
        uid: source for uid, source in stack.items() if uid != "alertmanager"
    }


def test_dashboards_are_in_the_same_folder() -> None:
    [own] = [yaml.safe_load(a.text) for a in files() if "/dashboards/" in a.path]
    found = provisioned(plan().component("grafana"), "dashboards")["providers"]

    assert "/stack/grafana/config/dashboards" == found[0].pop("options")["path"]
    del own["providers"][0]["options"]
    assert own["providers"] == found


def test_logs_in_where_prometheus_asks_who_calls() -> None:
    grafana = plan(EVERYTHING_PUBLIC).component("grafana")
    sources = {s["uid"]: s for s in provisioned(grafana, "datasources")["datasources"]}

    assert "https://prometheus:9090" == sources["prometheus"]["url"]
    assert "slostack" == sources["prometheus"]["basicAuthUser"]
    secret = sources["prometheus"]["secureJsonData"]["basicAuthPassword"]
    # One dollar: Grafana is to read the file.
    assert "$__file{/stack/grafana/secrets/prometheus-password}" == secret
    assert sources["alertmanager"]["jsonData"]["tlsAuthWithCACert"]
    assert "basicAuth" not in sources["loki"]


def test_the_overview_is_the_first_page() -> None:
    """Its file name is that of the compiler."""
    found = compiled()
    if not found.of_kind("dashboards"):
        found = Compiled(
            found.specs, (Artifact("dashboards/slo-overview.json", "dashboards", "{}"),)
        )
    settings = StackSettings()
    grafana = stack_plan(settings, found, FlatPlaces(settings)).component("grafana")
    home = grafana.environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]

    assert home in {config.path for config in grafana.configs}
