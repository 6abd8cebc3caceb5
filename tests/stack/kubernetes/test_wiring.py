"""Check that objects fit each other: whatever one names is there, under that name."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from slo.stack.components.alertmanager import DOCTOR_RECEIVER
from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes import kubernetes_plan
from slo.stack.targets.kubernetes_operator import operator_plan
from slo.stack.targets.kubernetes_places import CONFIG_FOLDER, SECRET_FOLDER
from tests.stack.components.stacks import compiled
from tests.stack.kubernetes.cluster import (
    BASE,
    OPERATOR,
    STACKS,
    WORKLOADS,
    files,
    named,
    objects,
    pods,
    template,
)

Object = dict[str, Any]
_PATH = re.compile(rf"{CONFIG_FOLDER}/([\w./*-]+)")


def fits(selector: Object, labels: Object) -> bool:
    return selector["matchLabels"].items() <= labels.items()


def containers(name: str, form: tuple[str, ...]) -> Iterator[tuple[str, Object, Object]]:
    for component, pod in pods(name, form).items():
        for container in pod["spec"]["containers"]:
            yield component, pod, container


def mounted(pod: Object, name: str) -> list[str]:
    """Return the files of configuration that a pod has."""
    sources = [v["projected"]["sources"] for v in pod["spec"]["volumes"] if "projected" in v]
    return [
        item["path"]
        for source in (s for found in sources for s in found)
        for item in source["configMap"]["items"]
    ]


def secrets(name: str) -> dict[str, set[str]]:
    """Return the keys of each Secret that is generated."""
    text = next(a.text for a in files(name) if a.path == "secrets/kustomization.yaml")
    return {
        generator["name"]: {file.partition("=")[0] for file in generator["files"]}
        for generator in yaml.safe_load(text).get("secretGenerator", ())
    }


@pytest.mark.parametrize(("name", "form"), STACKS)
class TestWorkloads:
    def test_select_their_own_pods_only(self, name: str, form: tuple[str, ...]) -> None:
        workloads = list(objects(name, form, *WORKLOADS))
        for workload in workloads:
            chosen = [
                other["metadata"]["name"]
                for other in workloads
                if fits(workload["spec"]["selector"], template(other)["metadata"]["labels"])
            ]

            assert chosen == [workload["metadata"]["name"]]

    def test_mount_what_there_is(self, name: str, form: tuple[str, ...]) -> None:
        for workload in objects(name, form, *WORKLOADS):
            spec = template(workload)["spec"]
            claims = workload["spec"].get("volumeClaimTemplates", ())
            there = [v["name"] for v in spec["volumes"]] + [c["metadata"]["name"] for c in claims]
            for container in spec["containers"]:
                names = [mount["name"] for mount in container["volumeMounts"]]
                paths = [mount["mountPath"] for mount in container["volumeMounts"]]

                assert sorted(names) == sorted(there)
                assert len(set(paths)) == len(paths)

    def test_find_their_configuration(self, name: str, form: tuple[str, ...]) -> None:
        maps = named(name, form, "ConfigMap")
        used: set[tuple[str, str]] = set()
        for pod in pods(name, form).values():
            for volume in pod["spec"]["volumes"]:
                for source in volume.get("projected", {}).get("sources", ()):
                    wanted = source["configMap"]
                    keys = {item["key"] for item in wanted["items"]}

                    assert keys == set(maps[wanted["name"]]["data"])
                    used |= {(wanted["name"], key) for key in keys}
        made = {(n, key) for n, found in maps.items() for key in found["data"]}
        if form == OPERATOR:
            made = {(n, key) for n, key in made if not n.startswith("grafana-")}
        assert used == made

    def test_are_told_of_files_that_are_mounted(self, name: str, form: tuple[str, ...]) -> None:
        maps = named(name, form, "ConfigMap")
        for component, pod, container in containers(name, form):
            there = mounted(pod, name)
            told = [*container.get("args", ()), *(e["value"] for e in container.get("env", ()))]
            told += [
                text
                for found in maps.values()
                if found["metadata"]["labels"]["app.kubernetes.io/name"] == component
                for key, text in found["data"].items()
                if key.endswith((".yaml", ".yml"))
            ]
            for path in _PATH.findall("\n".join(told)):
                assert any(
                    fnmatch.fnmatch(file, path) or file.startswith(f"{path}/") for file in there
                ), (component, path)

    def test_find_their_secrets(self, name: str, form: tuple[str, ...]) -> None:
        made = secrets(name)
        for component, pod, container in containers(name, form):
            wanted = [v["secret"] for v in pod["spec"]["volumes"] if "secret" in v]
            keys = {item["key"] for secret in wanted for item in secret["items"]}
            for secret in wanted:
                assert {item["key"] for item in secret["items"]} <= made[secret["secretName"]]
            told = [*container.get("args", ()), *(e["value"] for e in container.get("env", ()))]
            named_ones = re.findall(rf"{SECRET_FOLDER}/([\w.-]+)", "\n".join(told))
            assert set(named_ones) <= keys, component

    def test_run_under_an_account_that_exists(self, name: str, form: tuple[str, ...]) -> None:
        accounts = named(name, form, "ServiceAccount")

        for pod in pods(name, form).values():
            assert pod["spec"]["serviceAccountName"] in accounts

    def test_are_asked_on_ports_that_they_have(self, name: str, form: tuple[str, ...]) -> None:
        for _, _, container in containers(name, form):
            ports = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                asked = container[probe].get("httpGet") or container[probe].get("tcpSocket")
                assert asked is None or asked["port"] in ports


@pytest.mark.parametrize(("name", "form"), STACKS)
class TestServices:
    def test_lead_to_ports_of_pods(self, name: str, form: tuple[str, ...]) -> None:
        all_pods = pods(name, form)
        for service in objects(name, form, "Service"):
            [pod] = [
                pod
                for pod in all_pods.values()
                if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
            ]
            ports = {
                port["name"]: port["containerPort"]
                for container in pod["spec"]["containers"]
                for port in container["ports"]
            }
            for port in service["spec"]["ports"]:
                assert ports[port["targetPort"]] == port["port"]

    def test_are_there_for_every_stateful_set(self, name: str, form: tuple[str, ...]) -> None:
        services = named(name, form, "Service")
        for workload in objects(name, form, "StatefulSet"):
            assert services[workload["spec"]["serviceName"]]["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize(("name", "form"), STACKS)
class TestScale:
    def test_autoscalers_have_what_they_scale_for_themselves(
        self, name: str, form: tuple[str, ...]
    ) -> None:
        workloads = {(o["kind"], o["metadata"]["name"]): o for o in objects(name, form, *WORKLOADS)}
        for found in objects(name, form, "HorizontalPodAutoscaler"):
            target = found["spec"]["scaleTargetRef"]
            workload = workloads[target["kind"], target["name"]]

            # A number in the workload would undo the autoscaler with each `apply`.
            assert "replicas" not in workload["spec"]
            assert 2 <= found["spec"]["minReplicas"] < found["spec"]["maxReplicas"]

    def test_no_budget_stops_the_drain_of_a_node(self, name: str, form: tuple[str, ...]) -> None:
        least = {
            o["metadata"]["name"]: o["spec"]["minReplicas"]
            for o in objects(name, form, "HorizontalPodAutoscaler")
        }
        least |= {
            o["metadata"]["name"]: o["spec"]["replicas"]
            for o in objects(name, form, *WORKLOADS)
            if "replicas" in o["spec"]
        }
        for found in objects(name, form, "PodDisruptionBudget"):
            assert least[found["metadata"]["name"]] >= 2
            assert "minAvailable" not in found["spec"]
            assert found["spec"]["maxUnavailable"] >= 1

    def test_what_runs_twice_has_a_budget(self, name: str, form: tuple[str, ...]) -> None:
        budgets = named(name, form, "PodDisruptionBudget")
        for found in objects(name, form, "HorizontalPodAutoscaler"):
            assert found["metadata"]["name"] in budgets


class TestScrapingOfSeveralPods:
    def jobs(self, name: str, scraper: str, file: str) -> dict[str, Object]:
        text = named(name, BASE, "ConfigMap")[f"{scraper}-config"]["data"][file]
        return {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}

    def test_every_pod_is_found(self) -> None:
        jobs = self.jobs("plain", "prometheus", "prometheus.yaml")

        assert jobs["collector-agent"]["dns_sd_configs"] == [
            {"names": ["collector-agent-headless"], "type": "A", "port": 8888}
        ]
        assert "dns_sd_configs" in jobs["collector-gateway"]
        assert jobs["loki"]["static_configs"] == [{"targets": ["loki:3100"]}]

    def test_by_vmagent_too(self) -> None:
        jobs = self.jobs("scaled", "vmagent", "scrape.yaml")

        for name in ("collector-agent", "engine", "vmselect", "vmstorage"):
            assert "dns_sd_configs" in jobs[name]

    def test_certificates_are_checked_by_the_name_of_the_service(self) -> None:
        jobs = self.jobs("public", "prometheus", "prometheus.yaml")
        checked = [job for job in jobs.values() if "dns_sd_configs" in job and "tls_config" in job]

        assert all(job["tls_config"]["server_name"] == job["job_name"] for job in checked)


class TestIngress:
    def test_leads_to_what_is_exposed(self) -> None:
        services = named("public", BASE, "Service")
        found = named("public", BASE, "Ingress")

        exposed = ["alertmanager", "collector-gateway", "engine", "grafana", "prometheus"]
        assert sorted(found) == exposed
        for name, ingress in found.items():
            [rule] = ingress["spec"]["rules"]
            backend = rule["http"]["paths"][0]["backend"]["service"]
            ports = {port["name"] for port in services[backend["name"]]["spec"]["ports"]}

            assert rule["host"] == f"{name}.slo.example.com"
            assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
            assert backend["port"]["name"] in ports

    def test_links_go_through_it(self) -> None:
        [container] = pods("public")["prometheus"]["spec"]["containers"]

        assert "--web.external-url=https://prometheus.slo.example.com/" in container["args"]

    def test_there_is_none_where_nothing_is_exposed(self) -> None:
        assert named("plain", BASE, "Ingress") == {}


@pytest.mark.parametrize("make", [kubernetes_plan, operator_plan])
def test_alertmanager_calls_no_doctor_who_is_not_in_the_cluster(make: Any) -> None:
    """Such a call fails, and a notification that fails pages somebody."""
    plan = make(StackSettings(), compiled())
    config = yaml.safe_load(plan.component("alertmanager").configs[0].text)
    receivers = {found["name"]: found for found in config["receivers"]}

    assert {"name": DOCTOR_RECEIVER} == receivers[DOCTOR_RECEIVER]
    assert DOCTOR_RECEIVER in {route["receiver"] for route in config["route"]["routes"]}
    assert "doctor:" not in plan.component("alertmanager").configs[0].text
