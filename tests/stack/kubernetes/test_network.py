"""Play the network: what a component needs gets through, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes import kubernetes_plan
from slo.stack.targets.kubernetes_network import INGRESS_LABEL, Edge, edges
from slo.stack.targets.kubernetes_places import KubernetesPlaces
from tests.stack.components.stacks import VARIANTS, compiled
from tests.stack.kubernetes.cluster import BASE, OPERATOR, objects, pods

Object = dict[str, Any]
Labels = dict[str, str]

OUR_NAMESPACE: Labels = {"kubernetes.io/metadata.name": "slostack"}


def selects(selector: Object, labels: Labels) -> bool:
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def peer_fits(peer: Object, pod: Labels, namespace: Labels, ours: bool) -> bool:
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], namespace):
            return False
    elif not ours:
        return False
    return "podSelector" not in peer or selects(peer["podSelector"], pod)


def lets(
    policies: list[Object],
    direction: str,
    pod: Labels,
    other: Labels,
    port: int,
    namespace: Labels = OUR_NAMESPACE,
) -> bool:
    """Tell whether *policies* let *pod* talk with *other* in one direction, as Kubernetes does."""
    key, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    chosen = [
        policy["spec"]
        for policy in policies
        if direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], pod)
    ]
    if not chosen:
        return True
    ours = namespace == OUR_NAMESPACE
    return any(
        any(entry["port"] == port for entry in rule["ports"])
        and (
            peers not in rule
            or any(peer_fits(peer, other, namespace, ours) for peer in rule[peers])
        )
        for policy in chosen
        for rule in policy.get(key, ())
    )


class Network:
    def __init__(self, name: str, form: tuple[str, ...] = BASE) -> None:
        self.policies = list(objects(name, form, "NetworkPolicy"))
        self.labels = {n: pod["metadata"]["labels"] for n, pod in pods(name, form).items()}
        self.plan = kubernetes_plan(VARIANTS[name], compiled())

    def reaches(self, client: str, server: str, port: str) -> bool:
        number = self.plan.component(server).port(port).number
        a, b = self.labels[client], self.labels[server]
        return lets(self.policies, "Egress", a, b, number) and lets(
            self.policies, "Ingress", b, a, number
        )


@pytest.mark.parametrize("name", VARIANTS)
def test_what_a_component_needs_gets_through(name: str) -> None:
    network = Network(name)
    for component in network.plan.components:
        for needed in component.needs:
            ports = [port.name for port in network.plan.component(needed).ports]

            assert any(network.reaches(component.name, needed, port) for port in ports)


@pytest.mark.parametrize("name", VARIANTS)
def test_only_known_connections_get_through(name: str) -> None:
    network = Network(name)
    known = set(edges(network.plan, KubernetesPlaces(VARIANTS[name])))
    allowed = {
        Edge(client, server.name, port.name)
        for client in network.labels
        for server in network.plan.components
        for port in server.ports
        if client != server.name and network.reaches(client, server.name, port.name)
    }
    # Agents take telemetry from everybody; whether anybody may send it is another matter.
    assert {edge for edge in allowed if edge.server != "collector-agent"} <= known
    assert known <= allowed


def test_the_connections_of_a_plain_stack_are_these() -> None:
    settings = StackSettings()
    plan = kubernetes_plan(settings, compiled())
    scraped = {
        ("alertmanager", "http"),
        ("collector-agent", "metrics"),
        ("collector-gateway", "metrics"),
        ("engine", "http"),
        ("grafana", "http"),
        ("jaeger", "metrics"),
        ("loki", "http"),
    }
    found = set(edges(plan, KubernetesPlaces(settings)))

    assert {tuple(edge[1:]) for edge in found if edge.client == "prometheus"} == scraped
    assert {edge[:2] for edge in found if edge.client != "prometheus"} == {
        ("collector-agent", "collector-gateway"),
        ("collector-gateway", "jaeger"),
        ("collector-gateway", "loki"),
        ("collector-gateway", "prometheus"),
        ("engine", "collector-agent"),
        ("engine", "prometheus"),
        ("grafana", "alertmanager"),
        ("grafana", "jaeger"),
        ("grafana", "loki"),
        ("grafana", "prometheus"),
    }


def test_the_ledger_is_reached_by_the_engine_alone() -> None:
    network = Network("scaled")
    callers = {
        client
        for client in network.labels
        if client != "postgres" and network.reaches(client, "postgres", "postgres")
    }

    assert callers == {"engine"}


class TestFromOutside:
    def test_programs_of_all_namespaces_reach_the_agent(self) -> None:
        network = Network("plain")
        agent = network.labels["collector-agent"]
        elsewhere = {"kubernetes.io/metadata.name": "shop"}

        assert lets(network.policies, "Ingress", agent, {"app": "checkout"}, 4317, elsewhere)
        assert not lets(network.policies, "Ingress", agent, {"app": "checkout"}, 8888, elsewhere)

    def test_nobody_reaches_anything_else(self) -> None:
        network = Network("plain")
        elsewhere = {"kubernetes.io/metadata.name": "shop"}
        for component in network.plan.components:
            for port in component.ports:
                if component.name != "collector-agent":
                    labels = network.labels[component.name]
                    assert not lets(network.policies, "Ingress", labels, {}, port.number, elsewhere)

    def test_an_ingress_controller_reaches_what_is_exposed(self) -> None:
        network = Network("public")
        controller = {"kubernetes.io/metadata.name": "ingress-nginx", **INGRESS_LABEL}

        for name, port, wanted in (
            ("grafana", 3000, True),
            ("engine", 9099, True),
            ("loki", 3100, False),
        ):
            labels = network.labels[name]
            assert lets(network.policies, "Ingress", labels, {}, port, controller) is wanted, name


class TestToOutside:
    def ports(self, name: str, component: str) -> set[int]:
        [policy] = [
            policy
            for policy in objects(name, BASE, "NetworkPolicy")
            if policy["metadata"]["name"] == component
        ]
        return {
            entry["port"]
            for rule in policy["spec"].get("egress", ())
            if "to" not in rule
            for entry in rule["ports"]
        }

    def test_alertmanager_calls_its_receivers(self) -> None:
        assert self.ports("plain", "alertmanager") == {443}

    def test_what_keeps_data_calls_nobody(self) -> None:
        for component in ("loki", "jaeger", "prometheus", "grafana"):
            assert self.ports("plain", component) == set()

    def test_jobs_of_the_settings_are_scraped_in_all_namespaces(self) -> None:
        network = Network("watched")
        prometheus = network.labels["prometheus"]
        shop = {"kubernetes.io/metadata.name": "shop"}

        assert lets(network.policies, "Egress", prometheus, {"app": "checkout"}, 8080, shop)
        assert not lets(network.policies, "Egress", prometheus, {"app": "checkout"}, 8081, shop)


def test_with_an_operator_its_prometheus_scrapes_and_is_queried() -> None:
    policies = list(objects("plain", OPERATOR, "NetworkPolicy"))
    labels = {n: pod["metadata"]["labels"] for n, pod in pods("plain", OPERATOR).items()}
    prometheus = {"app.kubernetes.io/name": "prometheus", "operator.prometheus.io/name": "k"}

    assert lets(policies, "Ingress", labels["engine"], prometheus, 9099)
    assert lets(policies, "Egress", labels["engine"], prometheus, 9090)
    assert lets(policies, "Egress", labels["collector-gateway"], prometheus, 9090)
    assert not lets(policies, "Egress", labels["loki"], prometheus, 9090)
