"""
Fit the stack into a cluster where the chart kube-prometheus-stack runs Prometheus.

Rules, dashboards and scraping become objects that the operator and Grafana's sidecar pick up;
what the chart does not have (collectors, engine, logs, traces) runs as everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import yaml

from slo.dashboards.provisioning import ALERTMANAGER_UID, PROMETHEUS_UID
from slo.dashboards.provisioning import FOLDER as DASHBOARD_FOLDER
from slo.stack.components.alertmanager import CONFIG as ALERTMANAGER_CONFIG
from slo.stack.components.context import CA, Compiled
from slo.stack.components.model import Component, StackPlan
from slo.stack.components.plan import stack_plan
from slo.stack.components.prometheus import CONFIG as PROMETHEUS_CONFIG
from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes_adapt import adapted
from slo.stack.targets.kubernetes_network import network_policies
from slo.stack.targets.kubernetes_objects import (
    Object,
    bundles,
    config_map,
    config_maps,
    kustomization,
    labels,
    metadata,
    unique,
)
from slo.stack.targets.kubernetes_places import OperatorPlaces
from slo.stack.targets.kubernetes_scale import autoscaler, disruption_budget
from slo.stack.targets.kubernetes_workload import component_objects, secret_name

__all__ = ["FOLDER", "operator_files", "operator_plan"]

FOLDER = "kube-prometheus-stack"
_OF_CHART = frozenset(("alertmanager", "grafana", "prometheus"))
_SIDECAR_LABEL = {"grafana_dashboard": "1"}
_FOLDER_ANNOTATION = "grafana_folder"
# Components whose data sources the chart makes itself, under the same identifiers.
_CHART_SOURCES = frozenset(("prometheus", "alertmanager"))
_METRICS_PORTS = ("metrics", "http")
_OTLP_KEYS = {
    "translation_strategy": "translationStrategy",
    "keep_identifying_resource_attributes": "keepIdentifyingResourceAttributes",
    "promote_resource_attributes": "promoteResourceAttributes",
}


def operator_plan(settings: StackSettings, compiled: Compiled) -> StackPlan:
    """
    Return the stack with what the chart runs at the chart's addresses.

    Raises:
        ToolError: The settings do not fit the specs.
    """
    settings = _without_exposed(settings)
    places = OperatorPlaces(settings)
    return adapted(stack_plan(settings, compiled, places), settings, places)


def _without_exposed(settings: StackSettings) -> StackSettings:
    """Leave to the chart how its own parts are reached from outside."""
    kept = {name: at for name, at in settings.expose.items() if name not in _OF_CHART}
    return replace(settings, expose=kept)


def operator_files(settings: StackSettings, compiled: Compiled) -> dict[str, Iterable[Object]]:
    """
    Return the files for a cluster that has the chart.

    There are none where something else than Prometheus is to evaluate the rules.

    Raises:
        ToolError: The settings do not fit the specs.
    """
    if settings.engine != "prometheus":
        return {}
    settings = _without_exposed(settings)
    plan = operator_plan(settings, compiled)
    policies = network_policies(plan, settings, OperatorPlaces(settings), _OF_CHART)
    prometheus = plan.component("prometheus")
    files: dict[str, Iterable[Object]] = {"rules.yaml": tuple(_rules(prometheus, settings))}
    if plan.has("grafana"):
        found = tuple(_dashboards(plan.component("grafana"), settings))
        files |= {"dashboards.yaml": found} if found else {}
    own = [c for c in plan.components if c.name not in _OF_CHART]
    for component in own:
        files[f"{component.name}.yaml"] = (
            *component_objects(component, settings),
            policies[component.name],
            *(o for o in (disruption_budget(component, settings),) if o is not None),
            *(o for o in (autoscaler(component, settings),) if o is not None),
            *_monitors(component, prometheus, settings),
        )
        configs = tuple(config_maps(component, settings))
        if configs:
            files[f"{component.name}-config.yaml"] = configs
    files["kustomization.yaml"] = [kustomization(resources=sorted(files))]
    files["values.yaml"] = [_values(plan)]
    return {f"{FOLDER}/{path}": objects for path, objects in files.items()}


def _rules(prometheus: Component, settings: StackSettings) -> Iterator[Object]:
    files = {file.name: file for file in prometheus.configs if file.name.startswith("rules/")}
    for name, stem in unique({name: _stem(name) for name in files}).items():
        yield {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": metadata(stem, "prometheus", settings),
            "spec": yaml.load(files[name].text, Loader=yaml.CSafeLoader),
        }


def _stem(path: str) -> str:
    """Return a name of an object that is made of the name of a rule file."""
    plain = path.removeprefix("rules/").rpartition(".")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:200] or "rules"


def _dashboards(grafana: Component, settings: StackSettings) -> Iterator[Object]:
    for bundle in bundles(grafana):
        if not all(file.name.startswith("dashboards/") for file in bundle.files):
            continue
        data = {bundle.keys[file.name]: file.text for file in bundle.files}
        found = config_map(bundle.name, grafana.name, data, settings)
        found["metadata"]["labels"] |= _SIDECAR_LABEL
        found["metadata"]["annotations"] = {_FOLDER_ANNOTATION: DASHBOARD_FOLDER}
        yield found


def _monitors(
    component: Component, prometheus: Component, settings: StackSettings
) -> Iterator[Object]:
    """Yield what lets Prometheus scrape every pod of *component*."""
    config = _config(prometheus, PROMETHEUS_CONFIG)
    if component.name not in {job["job_name"] for job in config["scrape_configs"]}:
        return
    ports = {port.name: port for port in component.ports}
    port = next(ports[name] for name in _METRICS_PORTS if name in ports)
    endpoint: dict[str, Any] = {
        "port": port.name,
        "interval": str(settings.scrape_interval),
    }
    access = component.access
    if access.tls and port.exposed:
        secret = secret_name(prometheus)
        endpoint |= {
            "scheme": "https",
            "tlsConfig": {
                "ca": {"secret": {"name": secret, "key": CA}},
                "serverName": component.name,
            },
        }
        if access.token:
            endpoint["authorization"] = {"credentials": {"name": secret, "key": access.token}}
    yield {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(component.name, component.name, settings),
        "spec": {
            "jobLabel": "app.kubernetes.io/name",
            "selector": {
                "matchLabels": {
                    key: value
                    for key, value in labels(component.name, settings).items()
                    if key.endswith(("/name", "/instance"))
                },
                # Its service and the headless one have the same pods.
                "matchExpressions": [{"key": "slostack/headless", "operator": "DoesNotExist"}],
            },
            "endpoints": [endpoint],
        },
    }


def _config(component: Component, name: str) -> dict[str, Any]:
    text = next(file.text for file in component.configs if file.name == name)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def _values(plan: StackPlan) -> Object:
    """Return values for the chart; their names are those of its own `values.yaml`."""
    values: Object = {"prometheus": {"prometheusSpec": _prometheus_spec(plan)}}
    if plan.has("alertmanager"):
        alertmanager = plan.component("alertmanager")
        values["alertmanager"] = {
            "config": _config(alertmanager, ALERTMANAGER_CONFIG),
            "alertmanagerSpec": {
                **_secrets(alertmanager),
                "resources": _resources(alertmanager),
                "storage": _storage(alertmanager),
            },
        }
    else:
        values["alertmanager"] = {"enabled": False}
    if plan.has("grafana"):
        values["grafana"] = _grafana(plan.component("grafana"))
    else:
        values["grafana"] = {"enabled": False}
    return values


def _prometheus_spec(plan: StackPlan) -> Object:
    prometheus = plan.component("prometheus")
    config = _config(prometheus, PROMETHEUS_CONFIG)
    options = dict(
        word.removeprefix("--").partition("=")[::2]
        for word in prometheus.arguments
        if word.startswith("--")
    )
    spec: Object = {
        "scrapeInterval": config["global"]["scrape_interval"],
        "evaluationInterval": config["global"]["evaluation_interval"],
        "externalLabels": config["global"]["external_labels"],
        "retention": options["storage.tsdb.retention.time"],
        "enableRemoteWriteReceiver": "web.enable-remote-write-receiver" in options,
        "enableOTLPReceiver": "web.enable-otlp-receiver" in options,
        "enableFeatures": _features(prometheus),
        "exemplars": {"maxSize": config["storage"]["exemplars"]["max_exemplars"]},
        "tsdb": {"outOfOrderTimeWindow": config["storage"]["tsdb"]["out_of_order_time_window"]},
    }
    if "otlp" in config:
        spec["otlp"] = {_OTLP_KEYS[key]: value for key, value in config["otlp"].items()}
    jobs = {component.name for component in plan.components}
    others = [job for job in config["scrape_configs"] if job["job_name"] not in jobs]
    if others:
        spec["additionalScrapeConfigs"] = others
    return {
        **spec,
        # Rules and monitors of every team count, whatever their labels.
        "ruleSelectorNilUsesHelmValues": False,
        "serviceMonitorSelectorNilUsesHelmValues": False,
        "podMonitorSelectorNilUsesHelmValues": False,
        "probeSelectorNilUsesHelmValues": False,
        **_secrets(prometheus),
        "resources": _resources(prometheus),
        "storageSpec": _storage(prometheus),
    }


def _features(prometheus: Component) -> list[str]:
    """Return the features to turn on, but for one: the operator looks for changed files itself."""
    flag = "--enable-feature="
    words = [w.removeprefix(flag) for w in prometheus.arguments if w.startswith(flag)]
    return [name for word in words for name in word.split(",") if name != "auto-reload-config"]


def _secrets(component: Component) -> Object:
    return {"secrets": [secret_name(component)]} if component.secrets else {}


def _resources(component: Component) -> Object:
    resources = component.resources
    return {
        "requests": {
            "cpu": f"{round(resources.cpu * 1000)}m",
            "memory": f"{resources.memory_mib}Mi",
        },
        "limits": {"memory": f"{resources.memory_limit_mib}Mi"},
    }


def _storage(component: Component) -> Object:
    [volume] = component.volumes
    size = {"requests": {"storage": f"{volume.size_gib}Gi"}}
    return {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": size}}}


def _grafana(grafana: Component) -> Object:
    sources = _config(grafana, "provisioning/datasources/slostack.yaml")["datasources"]
    datasources: Object = {"uid": PROMETHEUS_UID, "alertmanager": {"uid": ALERTMANAGER_UID}}
    [metrics] = (s for s in sources if s["uid"] == PROMETHEUS_UID)
    for traces in metrics["jsonData"].get("exemplarTraceIdDestinations", ())[:1]:
        # The chart takes one.
        words = {"traceIdLabelName" if key == "name" else key: traces[key] for key in traces}
        datasources["exemplarTraceIdDestinations"] = words
    [volume] = grafana.volumes
    return {
        # Others of the stack reach it under this name.
        "fullnameOverride": "grafana",
        "admin": {
            "existingSecret": secret_name(grafana),
            "userKey": "admin-user",
            "passwordKey": "grafana-password",
        },
        "persistence": {"enabled": True, "type": "sts", "size": f"{volume.size_gib}Gi"},
        "resources": _resources(grafana),
        "sidecar": {
            "dashboards": {
                "enabled": True,
                "label": "grafana_dashboard",
                "labelValue": "1",
                "folderAnnotation": _FOLDER_ANNOTATION,
                "provider": {"foldersFromFilesStructure": True},
            },
            "datasources": datasources,
        },
        "additionalDataSources": [s for s in sources if s["type"] not in _CHART_SOURCES],
    }
