"""Say where things are in the pods of a cluster."""

from __future__ import annotations

from collections.abc import Mapping

from slo.stack.components.ports import port_number
from slo.stack.settings import StackSettings

__all__ = ["CONFIG_FOLDER", "SECRET_FOLDER", "KubernetesPlaces", "OperatorPlaces", "headless"]

CONFIG_FOLDER = "/etc/slostack/config"
SECRET_FOLDER = "/etc/slostack/secrets"  # noqa: S105 - a folder
_DATA = "/var/lib/slostack"
# Services that the Prometheus operator makes for what it runs, whatever the release is called;
# Grafana's is named by our own values.
_OF_OPERATOR: Mapping[str, str] = {
    "alertmanager": "alertmanager-operated:9093",
    "grafana": "grafana:80",
    "prometheus": "prometheus-operated:9090",
}
# The operator mounts the secrets that its objects name below these folders.
_OPERATOR_SECRETS: Mapping[str, str] = {
    "alertmanager": "/etc/alertmanager/secrets/alertmanager-secrets",
    "grafana": "/etc/secrets/grafana-secrets",
    "prometheus": "/etc/prometheus/secrets/prometheus-secrets",
}


def headless(component: str) -> str:
    """Return the service that resolves to every pod of *component* instead of one address."""
    return f"{component}-headless"


class KubernetesPlaces:
    """Say where things are when every component has its own workload and service."""

    def __init__(self, settings: StackSettings) -> None:
        self._settings = settings

    def address(self, component: str, port: str) -> str:
        """Return the component's service; nothing for the doctor, who is not in the cluster."""
        if component == "doctor":
            return ""
        return f"{component}:{port_number(self._settings, component, port)}"

    def each(self, component: str, port: str) -> str:
        """Return the service that resolves to every pod."""
        return f"{headless(component)}:{port_number(self._settings, component, port)}"

    def instance(self, component: str, number: int, port: str) -> str:
        """Return the name that one pod keeps over restarts."""
        return f"{component}-{number}.{self.each(component, port)}"

    def listen(self, component: str, port: str) -> str:
        """Return all addresses of the pod: who gets there is decided by network policies."""
        return f"0.0.0.0:{port_number(self._settings, component, port)}"

    def config(self, component: str, name: str) -> str:
        """Return a path in the mounted folder of configuration."""
        return f"{CONFIG_FOLDER}/{name}"

    def data(self, component: str) -> str:
        """Return where the volume is mounted."""
        return _DATA

    def secret(self, component: str, name: str) -> str:
        """Return a path in the mounted folder of secrets."""
        return f"{SECRET_FOLDER}/{name}"


class OperatorPlaces(KubernetesPlaces):
    """Say where things are when kube-prometheus-stack runs Prometheus and what goes with it."""

    def address(self, component: str, port: str) -> str:
        """Return the service that the operator makes, or the component's own."""
        return _OF_OPERATOR.get(component) or super().address(component, port)

    def each(self, component: str, port: str) -> str:
        """Return the service that resolves to every pod."""
        return _OF_OPERATOR.get(component) or super().each(component, port)

    def secret(self, component: str, name: str) -> str:
        """Return where the operator mounts the secrets of what it runs."""
        folder = _OPERATOR_SECRETS.get(component)
        return f"{folder}/{name}" if folder else super().secret(component, name)
