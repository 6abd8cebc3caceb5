"""
Number the ports of all components.

Every number is there once in the whole stack, so that one machine can run all of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from slo.stack.components.model import Port
from slo.stack.settings import StackSettings

__all__ = ["DOCTOR_PORT", "EXPOSED", "PORTS", "port_number", "ports_of"]

# Where `slo stack doctor` listens for the alert that it sends through Alertmanager.
DOCTOR_PORT = 9199

PORTS: Mapping[str, Mapping[str, int]] = {
    "alertmanager": {"http": 9093},
    "collector-agent": {"otlp-grpc": 4317, "otlp-http": 4318, "health": 13133, "metrics": 8888},
    "collector-gateway": {
        "otlp-grpc": 14317,
        "otlp-http": 14318,
        "health": 13134,
        "metrics": 8889,
    },
    "engine": {"http": 9099},
    "grafana": {"http": 3000},
    "jaeger": {
        "http": 16686,
        "query-grpc": 16685,
        "otlp-grpc": 24317,
        "health": 13135,
        "metrics": 8890,
    },
    "loki": {"http": 3100, "grpc": 9096},
    "postgres": {"postgres": 5432},
    "prometheus": {"http": 9090},
    "victoria-metrics": {"http": 8428},
    "vmagent": {"http": 8429},
    "vmalert": {"http": 8880},
    "vminsert": {"http": 8480},
    "vmselect": {"http": 8481},
    "vmstorage": {"http": 8482, "insert": 8400, "select": 8401},
}

# What people and programs outside the stack use.
EXPOSED: Mapping[str, tuple[str, ...]] = {
    "alertmanager": ("http",),
    "collector-agent": ("otlp-grpc", "otlp-http"),
    "collector-gateway": ("otlp-grpc", "otlp-http"),
    "engine": ("http",),
    "grafana": ("http",),
    "jaeger": ("http",),
    "prometheus": ("http",),
    "victoria-metrics": ("http",),
    "vmselect": ("http",),
}

# Used from outside only where the settings say so; agents are near enough otherwise.
_ON_REQUEST = frozenset(("collector-gateway",))


def port_number(settings: StackSettings, component: str, port: str) -> int:
    """
    Return the number of one port.

    Raises:
        KeyError: There is no such component, or no such port.
    """
    if component == "doctor":
        return DOCTOR_PORT + settings.port_offset
    number = PORTS[component][port] + settings.port_offset
    if port == "http" and port in EXPOSED.get(component, ()):
        return settings.exposure(component).port or number
    return number


def ports_of(settings: StackSettings, component: str) -> tuple[Port, ...]:
    """Return the ports of *component*."""
    exposed = EXPOSED.get(component, ())
    if component in _ON_REQUEST and not settings.exposure(component).is_public:
        exposed = ()
    return tuple(
        Port(name, port_number(settings, component, name), name in exposed)
        for name in PORTS[component]
    )
