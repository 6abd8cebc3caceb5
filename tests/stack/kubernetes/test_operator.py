"""Check what is made for a cluster with the chart kube-prometheus-stack."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo.stack.settings import Exposure, StackSettings
from slo.stack.targets.kubernetes import render
from tests.stack.components.stacks import VARIANTS, compiled
from tests.stack.kubernetes.cluster import OPERATOR, files, named, objects

Object = dict[str, Any]

# From the chart's own `values.yaml`: Helm takes unknown names without a word.
PROMETHEUS_KEYS = frozenset(
    (
        *("additionalScrapeConfigs", "enableFeatures", "enableOTLPReceiver"),
        *("enableRemoteWriteReceiver", "evaluationInterval", "exemplars", "externalLabels"),
        *("otlp", "podMonitorSelectorNilUsesHelmValues", "probeSelectorNilUsesHelmValues"),
        *("resources", "retention", "ruleSelectorNilUsesHelmValues", "scrapeInterval", "secrets"),
        *("serviceMonitorSelectorNilUsesHelmValues", "storageSpec", "tsdb"),
    )
)
OTLP_KEYS = frozenset(
    ("keepIdentifyingResourceAttributes", "promoteResourceAttributes", "translationStrategy")
)
ALERTMANAGER_KEYS = frozenset(("resources", "secrets", "storage"))
GRAFANA_KEYS = frozenset(
    (
        *("additionalDataSources", "admin", "extraSecretMounts", "fullnameOverride"),
        *("persistence", "resources", "sidecar"),
    )
)


def values(name: str) -> Object:
    text = next(a.text for a in files(name) if a.path == "kube-prometheus-stack/values.yaml")
    found: Object = yaml.safe_load(text)
    return found


@pytest.mark.parametrize("name", [n for n, s in VARIANTS.items() if s.engine == "prometheus"])
class TestValues:
    def test_have_names_that_the_chart_knows(self, name: str) -> None:
        found = values(name)

        assert set(found) == {"alertmanager", "grafana", "prometheus"}
        assert set(found["prometheus"]) == {"prometheusSpec"}
        assert set(found["prometheus"]["prometheusSpec"]) <= PROMETHEUS_KEYS
        assert set(found["prometheus"]["prometheusSpec"].get("otlp", ())) <= OTLP_KEYS
        assert set(found["alertmanager"].get("alertmanagerSpec", ())) <= ALERTMANAGER_KEYS
        assert set(found["grafana"]) <= {*GRAFANA_KEYS, "enabled"}

    def test_turn_off_what_is_not_wanted(self, name: str) -> None:
        found, parts = values(name), VARIANTS[name].parts

        for component in ("alertmanager", "grafana"):
            off = found[component].get("enabled") is False
            assert off is (component not in parts)

    def test_name_secrets_that_are_made(self, name: str) -> None:
        text = next(a.text for a in files(name) if a.path == "secrets/kustomization.yaml")
        made = {g["name"] for g in yaml.safe_load(text).get("secretGenerator", ())}
        found = values(name)
        wanted = [
            *found["prometheus"]["prometheusSpec"].get("secrets", ()),
            *found["alertmanager"].get("alertmanagerSpec", {}).get("secrets", ()),
        ]
        if "admin" in found["grafana"]:
            wanted.append(found["grafana"]["admin"]["existingSecret"])

        assert set(wanted) <= made


class TestAlertmanager:
    def test_takes_its_configuration_from_the_values(self, tmp_path: Path) -> None:
        config = values("plain")["alertmanager"]["config"]
        (tmp_path / "alertmanager.yaml").write_text(yaml.safe_dump(config))
        if shutil.which("amtool") is None:
            pytest.skip("amtool is missing")

        subprocess.run(["amtool", "check-config", tmp_path / "alertmanager.yaml"], check=True)

    def test_reads_secrets_where_the_operator_mounts_them(self) -> None:
        text = json.dumps(values("plain")["alertmanager"]["config"])

        assert "/etc/alertmanager/secrets/alertmanager-secrets/payments-pagerduty" in text
        assert "/etc/slostack" not in text


class TestRules:
    def test_are_those_that_were_compiled(self, tmp_path: Path) -> None:
        rules = named("plain", OPERATOR, "PrometheusRule")
        wanted = yaml.safe_load(compiled().of_kind("rules")["checkout.yaml"])

        assert rules["checkout"]["spec"] == wanted
        assert "slostack-stack" in rules

    def test_pass_promtool(self, tmp_path: Path) -> None:
        if shutil.which("promtool") is None:
            pytest.skip("promtool is missing")
        for name, found in named("plain", OPERATOR, "PrometheusRule").items():
            path = tmp_path / f"{name}.yaml"
            path.write_text(yaml.safe_dump(found["spec"]))
            subprocess.run(["promtool", "check", "rules", path], check=True, capture_output=True)


class TestMonitors:
    def test_find_one_service_each(self) -> None:
        services = list(objects("plain", OPERATOR, "Service"))
        monitors = named("plain", OPERATOR, "ServiceMonitor")

        assert sorted(monitors) == [
            "collector-agent",
            "collector-gateway",
            "engine",
            "jaeger",
            "loki",
        ]
        for name, monitor in monitors.items():
            selector = monitor["spec"]["selector"]
            [condition] = selector["matchExpressions"]
            absent = condition["key"]
            found = [
                service
                for service in services
                if selector["matchLabels"].items() <= service["metadata"]["labels"].items()
                and absent not in service["metadata"]["labels"]
            ]

            assert condition["operator"] == "DoesNotExist"
            assert [service["metadata"]["name"] for service in found] == [name]
            ports = {port["name"] for port in found[0]["spec"]["ports"]}
            assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports

    def test_give_the_engine_its_token(self) -> None:
        settings = StackSettings(expose={"engine": Exposure("0.0.0.0")})
        artifacts = render(settings, compiled(), Path("stack/kubernetes"))
        text = next(a.text for a in artifacts if a.path == "kube-prometheus-stack/engine.yaml")
        [monitor] = [o for o in yaml.safe_load_all(text) if o["kind"] == "ServiceMonitor"]
        [endpoint] = monitor["spec"]["endpoints"]
        made = next(a.text for a in artifacts if a.path == "secrets/kustomization.yaml")
        keys = {
            g["name"]: {f.partition("=")[0] for f in g["files"]}
            for g in yaml.safe_load(made)["secretGenerator"]
        }

        assert endpoint["scheme"] == "https"
        for wanted in (
            endpoint["authorization"]["credentials"],
            endpoint["tlsConfig"]["ca"]["secret"],
        ):
            assert wanted["key"] in keys[wanted["name"]]


class TestDashboards:
    def test_are_what_the_sidecar_looks_for(self) -> None:
        found = [
            o
            for o in objects("plain", OPERATOR, "ConfigMap")
            if o["metadata"]["labels"].get("grafana_dashboard") == "1"
        ]
        shown = {key: text for o in found for key, text in o["data"].items()}

        assert len(shown) == len(compiled().of_kind("dashboards"))
        for text in shown.values():
            assert json.loads(text)["uid"]


def test_there_is_nothing_for_it_without_prometheus() -> None:
    assert not [a for a in files("victoria") if a.path.startswith(OPERATOR)]
