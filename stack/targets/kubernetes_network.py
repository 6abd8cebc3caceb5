"""
Let each component reach what it needs, and nothing else.

Which connections a stack needs is read from what its components are told: whatever names another
one by address will call it. So a policy cannot be forgotten when a component changes.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from slo.stack.components.model import Component, StackPlan
from slo.stack.settings import StackSettings
from slo.stack.targets.kubernetes_objects import Object, metadata, selector, watches_cluster
from slo.stack.targets.kubernetes_places import KubernetesPlaces

__all__ = ["INGRESS_LABEL", "Edge", "deny_all", "edges", "network_policies", "outside_ports"]

# A namespace with this label holds what may call the exposed parts: an ingress controller.
INGRESS_LABEL = {"slostack/ingress": "true"}
# Their files name addresses for people to follow, which no program calls.
_NOT_CALLED = frozenset(("dashboards", "rules", "specs"))
_URL = re.compile(r"(https?)://(?:[^/\s\"'@]*@)?([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?")
_HOST = re.compile(r"^\s*(?:smarthost|endpoint):\s*\"?([A-Za-z0-9.-]+):([0-9]{1,5})\"?\s*$", re.M)
_DNS, _API_SERVER = (53,), (443, 6443)
_HTTPS = 443


class Edge(NamedTuple):
    """Say that one component calls another one on a port."""

    client: str
    server: str
    port: str


def edges(plan: StackPlan, places: KubernetesPlaces) -> tuple[Edge, ...]:
    """Return every connection between components of *plan*, sorted."""
    found: set[Edge] = set()
    for client in plan.components:
        text = _told(client)
        for server in plan.components:
            if server.name == client.name:
                continue
            ports = [p.name for p in server.ports if _names(text, server.name, p.name, places)]
            if not ports and server.name in client.needs:
                # It is told in a secret, or in a way of its own.
                ports = [port.name for port in server.ports]
            found.update(Edge(client.name, server.name, port) for port in ports)
    return tuple(sorted(found))


def _told(component: Component) -> str:
    files = (f.text for f in component.configs if f.name.partition("/")[0] not in _NOT_CALLED)
    return "\n".join((*component.arguments, *component.environment.values(), *files))


def _names(text: str, server: str, port: str, places: KubernetesPlaces) -> bool:
    for address in (places.address(server, port), places.each(server, port)):
        host, _, number = address.rpartition(":")
        # The name of a single pod ends in that of its service.
        if re.search(rf"(?<![\w-]){re.escape(address)}(?!\d)", text):
            return True
        # Discovery by DNS has host and port apart.
        apart = rf"(?<![\w.-]){re.escape(host)}(?![\w.:-])"
        if re.search(apart, text) and re.search(rf"port: [\"']?{number}(?!\d)", text):
            return True
    return False


def outside_ports(
    component: Component, plan: StackPlan, places: KubernetesPlaces
) -> tuple[int, ...]:
    """Return the ports that *component* calls outside the stack."""
    inside = {
        address.rpartition(":")[0]
        for server in plan.components
        for port in server.ports
        for address in (
            places.address(server.name, port.name),
            places.each(server.name, port.name),
        )
    }
    inside |= {"localhost", "127.0.0.1", "0.0.0.0"}  # noqa: S104 - not listened on
    text = _told(component)
    ports = {
        int(port) if port else {"http": 80, "https": _HTTPS}[scheme]
        for scheme, host, port in _URL.findall(text)
        if host not in inside
    }
    ports |= {int(port) for host, port in _HOST.findall(text) if host not in inside}
    if "_file: " in text and component.name == "alertmanager":
        # Addresses of receivers that are themselves secret; all known services speak HTTPS.
        ports.add(_HTTPS)
    if watches_cluster(component):
        ports.update(_API_SERVER)
    return tuple(sorted(ports))


def deny_all(settings: StackSettings) -> Object:
    """Return the policy that lets nothing through that no other one allows."""
    name = {"name": "deny-all", "namespace": settings.name}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {**name, "labels": {"app.kubernetes.io/part-of": settings.name}},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


def network_policies(
    plan: StackPlan,
    settings: StackSettings,
    places: KubernetesPlaces,
    foreign: Container[str] = (),
) -> dict[str, Object]:
    """
    Return for each component what it may call, and who may call it.

    Args:
        foreign: Components whose pods somebody else makes and labels; they get no policy.
    """
    known = edges(plan, places)
    return {
        component.name: _Policy(component, known, plan, settings, places, foreign).document()
        for component in plan.components
        if component.name not in foreign
    }


class _Policy(NamedTuple):
    component: Component
    known: tuple[Edge, ...]
    plan: StackPlan
    settings: StackSettings
    places: KubernetesPlaces
    foreign: Container[str]

    def document(self) -> Object:
        name = self.component.name
        rules = {"ingress": list(self.ingress()), "egress": list(self.egress())}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata(name, name, self.settings),
            "spec": {
                "podSelector": {"matchLabels": selector(name, self.settings)},
                "policyTypes": ["Ingress", "Egress"],
                # The server drops empty lists, and would find a change each time.
                **{key: found for key, found in rules.items() if found},
            },
        }

    def ingress(self) -> Iterator[Object]:
        component = self.component
        callers: dict[str, list[int]] = {}
        for edge in self.known:
            if edge.server == component.name:
                callers.setdefault(edge.client, []).append(component.port(edge.port).number)
        for client, ports in callers.items():
            yield {"from": [self._pods(client)], "ports": _ports(ports)}
        exposed = [port.number for port in component.ports if port.exposed]
        if component.every_node:
            # Programs of all namespaces send what they have to tell.
            yield {"from": [{"namespaceSelector": {}}], "ports": _ports(exposed)}
        elif exposed and self.settings.exposure(component.name).is_public:
            yield {
                "from": [{"namespaceSelector": {"matchLabels": dict(INGRESS_LABEL)}}],
                "ports": _ports(exposed),
            }

    def egress(self) -> Iterator[Object]:
        component = self.component
        called: dict[str, list[int]] = {}
        for edge in self.known:
            if edge.client == component.name:
                number = self.plan.component(edge.server).port(edge.port).number
                called.setdefault(edge.server, []).append(number)
        outside = outside_ports(component, self.plan, self.places)
        scraped = _scraped(component, self.settings.scrape)
        if called or outside or scraped:
            yield _names_are_looked_up()
        for server, ports in called.items():
            yield {"to": [self._pods(server)], "ports": _ports(ports)}
        if outside:
            yield {"ports": _ports(outside)}
        if scraped:
            yield {"to": [{"namespaceSelector": {}}], "ports": _ports(scraped)}

    def _pods(self, component: str) -> Object:
        wanted = selector(component, self.settings)
        if component in self.foreign:
            wanted = {"app.kubernetes.io/name": component}
        return {"podSelector": {"matchLabels": wanted}}


def _ports(numbers: Iterable[int]) -> list[Object]:
    return [{"protocol": "TCP", "port": number} for number in numbers]


def _scraped(component: Component, jobs: Mapping[str, tuple[str, ...]]) -> tuple[int, ...]:
    """Return the ports of programs that *component* scrapes."""
    text = _told(component)
    targets = [target for found in jobs.values() for target in found if target in text]
    return tuple(sorted({int(target.rpartition(":")[2]) for target in targets}))


def _names_are_looked_up() -> Object:
    return {
        "to": [
            {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
                },
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"protocol": p, "port": port} for port in _DNS for p in ("UDP", "TCP")],
    }
