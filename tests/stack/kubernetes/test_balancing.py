"""On a cluster, agents follow the gateways that an autoscaler adds and removes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes import kubernetes_plan, render
from tests.stack.components.stacks import compiled

SETTINGS = {
    "one": StackSettings(),
    "three": StackSettings(replicas={"collector-gateway": 3}),
    "moved": StackSettings(port_offset=1000),
}


def objects(settings: StackSettings) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (found["kind"], found["metadata"]["name"]): found
        for artifact in render(settings, compiled())
        if not artifact.path.startswith("kube-prometheus-stack/")
        for found in yaml.safe_load_all(artifact.text)
        if found["kind"] in ("Service", "HorizontalPodAutoscaler", "NetworkPolicy")
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_traces_go_to_the_pods_by_their_id(name: str) -> None:
    """A service's address would give each connection any pod, and split traces."""
    settings = SETTINGS[name]
    agent = kubernetes_plan(settings, compiled()).component("collector-agent")
    config = yaml.safe_load(agent.configs[0].text)
    [exporter] = config["service"]["pipelines"]["traces"]["exporters"]
    resolver = config["exporters"][exporter]["resolver"]["dns"]
    service = objects(settings)["Service", resolver["hostname"]]

    assert "traceID" == config["exporters"][exporter]["routing_key"]
    assert "None" == service["spec"]["clusterIP"]
    assert resolver["port"] in {str(port["port"]) for port in service["spec"]["ports"]}
    scaler = objects(settings)["HorizontalPodAutoscaler", "collector-gateway"]
    assert scaler["spec"]["maxReplicas"] > scaler["spec"]["minReplicas"] > 1


def test_metrics_and_logs_go_to_any_pod() -> None:
    agent = kubernetes_plan(StackSettings(), compiled()).component("collector-agent")
    config = yaml.safe_load(agent.configs[0].text)
    for signal in ("metrics", "logs"):
        [exporter] = config["service"]["pipelines"][signal]["exporters"]
        assert "collector-gateway:14317" == config["exporters"][exporter]["endpoint"]


def test_the_policy_lets_agents_reach_every_pod() -> None:
    policy = objects(StackSettings())["NetworkPolicy", "collector-gateway"]
    allowed = [
        port["port"]
        for rule in policy["spec"]["ingress"]
        for source in rule["from"]
        if source["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "collector-agent"
        for port in rule["ports"]
    ]

    assert 14317 in allowed
