"""Describe Loki: it keeps log lines, which the collector sends by OTLP."""

from __future__ import annotations

from typing import Any

from slo.duration import Duration
from slo.stack.components.context import Context
from slo.stack.components.model import Component, Probe, Volume

__all__ = ["loki"]

_CONFIG = "loki.yaml"


def loki(context: Context, retention: Duration) -> Component:
    """
    Return one Loki that does everything, with its data on disk.

    Args:
        retention: How long lines are kept.
    """
    name = "loki"
    places = context.places
    path = places.config(name, _CONFIG)
    return Component(
        name=name,
        role="keeps log lines",
        image=context.image(name),
        program="loki",
        arguments=(f"-config.file={path}",),
        ports=context.ports(name),
        # Since 3.6 the image holds nothing but Loki, which can ask itself since 3.7.
        probe=Probe("http", "/ready", 90, ("/usr/bin/loki", "-health")),
        resources=context.resources(name, 0.25, 256, 1024),
        configs=(context.config(name, _CONFIG, context.yaml(_config(context, retention))),),
        volumes=(Volume("loki-data", places.data(name), 50),),
        check=("loki", f"-config.file={path}", "-verify-config"),
        user=10001,
        optional=True,
    )


def _config(context: Context, retention: Duration) -> dict[str, Any]:
    data = context.places.data("loki")
    host, _, port = context.places.listen("loki", "http").rpartition(":")
    grpc_host, _, grpc_port = context.places.listen("loki", "grpc").rpartition(":")
    return {
        "auth_enabled": False,
        "server": {
            "http_listen_address": host,
            "http_listen_port": int(port),
            "grpc_listen_address": grpc_host,
            "grpc_listen_port": int(grpc_port),
            "log_level": "warn",
        },
        "common": {
            "path_prefix": data,
            "replication_factor": 1,
            "instance_addr": "127.0.0.1",
            "ring": {"kvstore": {"store": "inmemory"}},
            "storage": {
                "filesystem": {
                    "chunks_directory": f"{data}/chunks",
                    "rules_directory": f"{data}/rules",
                }
            },
        },
        "schema_config": {
            "configs": [
                {
                    # The first day that this schema is for; it lies before any data.
                    "from": "2025-01-01",
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "limits_config": {
            "allow_structured_metadata": True,
            "retention_period": str(retention.milliseconds // 3_600_000) + "h",
            "volume_enabled": True,
        },
        "compactor": {
            "working_directory": f"{data}/compactor",
            "retention_enabled": True,
            "delete_request_store": "filesystem",
        },
        "analytics": {"reporting_enabled": False},
    }
