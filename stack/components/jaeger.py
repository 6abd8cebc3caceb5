"""Describe Jaeger: it keeps the traces that the gateway has chosen."""

from __future__ import annotations

from typing import Any

from slo.duration import Duration
from slo.stack.components.context import Context
from slo.stack.components.model import Component, Probe, Volume

__all__ = ["jaeger"]

_CONFIG = "jaeger.yaml"
_STORE = "traces"


def jaeger(context: Context, retention: Duration) -> Component:
    """
    Return Jaeger 2 with its data on disk.

    Args:
        retention: How long traces are kept.
    """
    name = "jaeger"
    places = context.places
    path = places.config(name, _CONFIG)
    return Component(
        name=name,
        role="keeps traces",
        image=context.image(name),
        program="jaeger",
        arguments=(f"--config={path}",),
        ports=context.ports(name),
        probe=Probe("health", "/status", 60),
        resources=context.resources(name, 0.25, 256, 1024),
        configs=(context.config(name, _CONFIG, context.yaml(_config(context, retention))),),
        volumes=(Volume("jaeger-data", places.data(name), 20),),
        check=("jaeger", "validate", f"--config={path}"),
        user=10001,
        optional=True,
    )


def _config(context: Context, retention: Duration) -> dict[str, Any]:
    listen, data = context.places.listen, context.places.data("jaeger")
    metrics_host, _, metrics_port = listen("jaeger", "metrics").rpartition(":")
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["batch"],
                    "exporters": ["jaeger_storage_exporter"],
                }
            },
            "telemetry": {
                "metrics": {
                    "level": "normal",
                    "readers": [
                        {
                            "pull": {
                                "exporter": {
                                    "prometheus": {"host": metrics_host, "port": int(metrics_port)}
                                }
                            }
                        }
                    ],
                }
            },
        },
        "extensions": {
            "healthcheckv2": {
                "use_v2": True,
                "http": {
                    "endpoint": listen("jaeger", "health"),
                    "status": {"enabled": True, "path": "/status"},
                },
            },
            "jaeger_query": {
                "storage": {"traces": _STORE},
                "http": {"endpoint": listen("jaeger", "http")},
                "grpc": {"endpoint": listen("jaeger", "query-grpc")},
            },
            "jaeger_storage": {
                "backends": {
                    _STORE: {
                        "badger": {
                            "directories": {"keys": f"{data}/keys", "values": f"{data}/values"},
                            "ephemeral": False,
                            "ttl": {"spans": f"{retention.milliseconds // 3_600_000}h"},
                        }
                    }
                }
            },
        },
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": listen("jaeger", "otlp-grpc")}}}},
        "processors": {"batch": {}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": _STORE}},
    }
