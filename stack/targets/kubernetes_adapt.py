"""Fit components to a cluster, where there may be several pods of each, and names of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from slo.stack.components.context import dump_yaml
from slo.stack.components.model import Component, ConfigFile, StackPlan
from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes_objects import has_pods_of_its_own
from slo.stack.targets.kubernetes_places import KubernetesPlaces

__all__ = ["adapted", "public_host"]

# Files of a ConfigMap change under a running program. So rules need no new pod, which would
# have to read the whole log of samples again. The engine serves on until every node knows that its
# pod is about to go.
_MORE_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "engine": ("--drain", "10"),
    "prometheus": ("--enable-feature=auto-reload-config", "--config.auto-reload-interval=30s"),
    "victoria-metrics": ("-promscrape.configCheckInterval=30s",),
    "vmagent": ("-promscrape.configCheckInterval=30s",),
    "vmalert": ("-configCheckInterval=30s",),
}
# What a file has that says what to scrape.
_SCRAPES = "\nscrape_configs:\n"


def public_host(component: str, settings: StackSettings) -> str:
    """Return the name under which people reach *component* through the ingress; or nothing."""
    if not settings.host or not settings.exposure(component).is_public:
        return ""
    return f"{component}.{settings.host}"


def adapted(plan: StackPlan, settings: StackSettings, places: KubernetesPlaces) -> StackPlan:
    """Return *plan* as a cluster runs it."""
    return StackPlan(tuple(_adapted(c, plan, settings, places) for c in plan.components))


def _adapted(
    component: Component, plan: StackPlan, settings: StackSettings, places: KubernetesPlaces
) -> Component:
    component = _with_public_name(component, settings)
    more = _MORE_ARGUMENTS.get(component.name)
    if more is None:
        return component
    configs = tuple(
        file._replace(text=_with_all_pods(file, plan, places)) if _SCRAPES in file.text else file
        for file in component.configs
    )
    return replace(component, configs=configs, arguments=(*component.arguments, *more))


def _with_public_name(component: Component, settings: StackSettings) -> Component:
    """Let links lead through the ingress: one name for each component, and no port."""
    host = public_host(component.name, settings)
    if not host:
        return component

    def through_ingress(text: str) -> str:
        for port in component.ports:
            text = text.replace(f"https://{settings.host}:{port.number}/", f"https://{host}/")
        return text

    return replace(
        component,
        arguments=tuple(through_ingress(word) for word in component.arguments),
        environment={k: through_ingress(v) for k, v in component.environment.items()},
    )


def _with_all_pods(file: ConfigFile, plan: StackPlan, places: KubernetesPlaces) -> str:
    """Scrape every pod of what has several: a service would give the numbers of any of them."""
    header, _, text = file.text.partition("\n")
    config: dict[str, Any] = yaml.safe_load(text)
    components: Mapping[str, Component] = {c.name: c for c in plan.components}
    for job in config["scrape_configs"]:
        component = components.get(job["job_name"])
        if component is None or not has_pods_of_its_own(component) or "static_configs" not in job:
            continue
        [target] = job.pop("static_configs")[0]["targets"]
        port = next(p.name for p in component.ports if target.endswith(f":{p.number}"))
        host, _, number = places.each(component.name, port).rpartition(":")
        job["dns_sd_configs"] = [{"names": [host], "type": "A", "port": int(number)}]
        if "tls_config" in job:
            # The certificate has the name of the service, not the address of each pod.
            job["tls_config"]["server_name"] = component.name
    return f"{header}\n{dump_yaml(config)}"
