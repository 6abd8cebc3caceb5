"""Describe the two tiers of the OpenTelemetry Collector: agents near the programs, gateways."""

from __future__ import annotations

from typing import Any

from slo.stack.components.context import CA, Context
from slo.stack.components.model import Component, Probe, Secret, Volume
from slo.stack.components.reading import writer, writer_path

__all__ = ["AGENT", "GATEWAY", "collector_agent", "collector_gateway"]

AGENT, GATEWAY = "collector-agent", "collector-gateway"
CONFIG = "config.yaml"
_LIMIT_MIB = {AGENT: 256, GATEWAY: 1024}
# A container that runs into its limit is killed; the collector has to refuse data before that.
_LIMITER_SHARE, _GO_SHARE = 0.8, 0.8


def collector_agent(context: Context) -> Component:
    """Return the agent, which takes what programs send and hands it on."""
    return _collector(context, AGENT, "takes telemetry from programs", (GATEWAY,), _agent(context))


def collector_gateway(context: Context) -> Component:
    """Return the gateway, which counts, samples and sends to the backends."""
    backends = (writer(context), "loki", "jaeger")
    return _collector(
        context, GATEWAY, "counts, samples and sends telemetry on", backends, _gateway(context)
    )


def _collector(
    context: Context, name: str, role: str, needs: tuple[str, ...], config: dict[str, Any]
) -> Component:
    places = context.places
    path = places.config(name, CONFIG)
    resources = context.resources(name, 0.25, _LIMIT_MIB[name] // 2, _LIMIT_MIB[name])
    secrets: tuple[Secret, ...] = ()
    if name == GATEWAY:
        secrets = context.client_secrets(name, writer(context))
    return Component(
        name=name,
        role=role,
        image=context.image("collector"),
        program="otelcol",
        arguments=(f"--config={path}",),
        environment={"GOMEMLIMIT": f"{int(resources.memory_limit_mib * _GO_SHARE)}MiB"},
        ports=context.ports(name),
        # The image holds the collector alone, with nothing to ask it with.
        probe=Probe("health", "/", 60),
        resources=resources,
        configs=(context.config(name, CONFIG, context.yaml(config)),),
        volumes=(Volume(f"{name}-queue", places.data(name), 5),),
        secrets=secrets,
        check=("otelcol", "validate", f"--config={path}"),
        needs=context.needs(*needs),
        replicas=context.settings.replica_count(name) if name == GATEWAY else 1,
        user=10001,
        scalable=name == GATEWAY,
        every_node=name == AGENT,
    )


def _common(context: Context, name: str) -> dict[str, Any]:
    places = context.places
    metrics_host, _, metrics_port = places.listen(name, "metrics").rpartition(":")
    limit = int(context.resources(name, 0, 1, _LIMIT_MIB[name]).memory_limit_mib * _LIMITER_SHARE)
    return {
        "extensions": {
            "health_check": {"endpoint": places.listen(name, "health")},
            "file_storage": {"directory": places.data(name), "create_directory": True},
        },
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": places.listen(name, "otlp-grpc")},
                    "http": {"endpoint": places.listen(name, "otlp-http")},
                }
            }
        },
        "processors": {
            "memory_limiter": {
                "check_interval": "1s",
                "limit_mib": limit,
                "spike_limit_mib": limit // 5,
            }
        },
        "exporters": {},
        "service": {
            "extensions": ["health_check", "file_storage"],
            "telemetry": {
                "metrics": {
                    "readers": [
                        {
                            "pull": {
                                "exporter": {
                                    "prometheus": {"host": metrics_host, "port": int(metrics_port)}
                                }
                            }
                        }
                    ]
                }
            },
            "pipelines": {},
        },
    }


_DELIVERY: dict[str, Any] = {
    "retry_on_failure": {"enabled": True, "max_elapsed_time": "0s"},
    "sending_queue": {"enabled": True, "queue_size": 10_000, "storage": "file_storage"},
}


def _pipeline(exporter: str) -> dict[str, Any]:
    return {"receivers": ["otlp"], "processors": ["memory_limiter"], "exporters": [exporter]}


def _agent(context: Context) -> dict[str, Any]:
    config = _common(context, AGENT)
    config["exporters"]["otlp_grpc/gateway"] = {
        "endpoint": context.places.address(GATEWAY, "otlp-grpc"),
        "tls": {"insecure": True},
        **_DELIVERY,
    }
    for signal in ("traces", "metrics", "logs"):
        config["service"]["pipelines"][signal] = _pipeline("otlp_grpc/gateway")
    return config


def _gateway(context: Context) -> dict[str, Any]:
    config = _common(context, GATEWAY)
    pipelines = config["service"]["pipelines"]
    config["exporters"]["prometheus_remote_write"] = _remote_write(context)
    pipelines["metrics"] = _pipeline("prometheus_remote_write")
    if context.access(writer(context)).tls:
        config["extensions"]["basicauth/metrics"] = _login(context)
        config["service"]["extensions"].append("basicauth/metrics")
    if context.has("loki"):
        config["exporters"]["otlp_http/loki"] = {
            "endpoint": context.url("loki", "http", "/otlp"),
            **_DELIVERY,
        }
        pipelines["logs"] = _pipeline("otlp_http/loki")
    if context.has("jaeger"):
        config["exporters"]["otlp_grpc/jaeger"] = {
            "endpoint": context.places.address("jaeger", "otlp-grpc"),
            "tls": {"insecure": True},
            **_DELIVERY,
        }
        pipelines["traces"] = _pipeline("otlp_grpc/jaeger")
    for signal in ("logs", "traces"):
        if signal not in pipelines:
            config["exporters"].setdefault("debug", {"verbosity": "basic"})
            pipelines[signal] = _pipeline("debug")
    return config


def _remote_write(context: Context) -> dict[str, Any]:
    server = writer(context)
    found: dict[str, Any] = {
        "endpoint": context.url(server, "http", writer_path(server)),
        "resource_to_telemetry_conversion": {"enabled": False},
        "retry_on_failure": {"enabled": True, "max_elapsed_time": "0s"},
    }
    if context.access(server).tls:
        found["tls"] = {"ca_file": context.places.secret(GATEWAY, CA)}
        found["auth"] = {"authenticator": "basicauth/metrics"}
    else:
        found["tls"] = {"insecure": True}
    return found


def _login(context: Context) -> dict[str, Any]:
    access = context.access(writer(context))
    password = context.places.secret(GATEWAY, access.password)
    return {"client_auth": {"username": access.user, "password": f"${{file:{password}}}"}}
