"""Provisioning names what the dashboards and one another's links rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from slo.dashboards.provisioning import Addresses, files
from slo.engine.cli import program


def sources(addresses: Addresses | None = None) -> dict[str, dict[str, Any]]:
    (text,) = [a.text for a in files(addresses) if "/datasources/" in a.path]
    return {source["uid"]: source for source in yaml.safe_load(text)["datasources"]}


def uids(value: Any) -> set[str]:
    """Return every data source that *value* leads to."""
    if isinstance(value, list):
        return set().union(*map(uids, value))
    if isinstance(value, dict):
        own = {value["datasourceUid"]} if "datasourceUid" in value else set()
        return own.union(*map(uids, value.values()))
    return set()


def test_data_sources_lead_to_one_another() -> None:
    found = sources()

    assert {"prometheus", "loki", "jaeger"} == set(found)
    assert uids(list(found.values())) == set(found)
    assert [True] == [s["isDefault"] for s in found.values() if "isDefault" in s]


def test_nothing_leads_to_what_is_not_there() -> None:
    found = sources(Addresses(loki="", jaeger=""))

    assert {"prometheus"} == set(found)
    assert set() == uids(list(found.values()))


def test_dollars_are_doubled_since_grafana_fills_in_variables() -> None:
    (text,) = [a.text for a in files() if "/datasources/" in a.path]

    assert "$${__value.raw}" in text
    assert "$" not in text.replace("$$", "")


def test_command_writes_both_files_and_removes_nothing_else(tmp_path: Path) -> None:
    kept = tmp_path / "provisioning" / "datasources" / "mine.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("apiVersion: 1\n")

    arguments = ["dashboards", "provisioning", "--out", str(tmp_path), "--dashboards", "/srv/slo"]
    result = CliRunner().invoke(program, arguments)

    assert 0 == result.exit_code
    provider = tmp_path / "provisioning" / "dashboards" / "slostack.yaml"
    (found,) = yaml.safe_load(provider.read_text())["providers"]
    assert "/srv/slo" == found["options"]["path"]
    assert kept.exists()
