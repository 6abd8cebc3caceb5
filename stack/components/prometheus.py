"""Describe Prometheus: it stores, evaluates the rules and watches the stack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slo.duration import Duration, seconds
from slo.stack.components.context import CA, Context
from slo.stack.components.meta_rules import META_RULES_FILE, meta_rules
from slo.stack.components.model import Component, ConfigFile, Probe, Reload, Volume
from slo.stack.settings import StackSettings

__all__ = [
    "CONFIG",
    "evaluation_interval",
    "prometheus",
    "rule_files",
    "scrape_configs",
    "scrape_times",
]

CONFIG = "prometheus.yaml"
_WEB_CONFIG = "prometheus-web.yaml"
_CLIENT_CONFIG = "client.yaml"
# From this version on it takes OTLP, and its configuration knows how names are made of it.
_OTLP_SINCE = (3, 0)
# ... and from this one on, native histograms are a setting, not a feature to be switched on.
_NATIVE_HISTOGRAMS_SINCE = (3, 8)
_EXEMPLARS = 100_000
# Of groups that do not say it themselves.
_EVALUATION = seconds(30)
_SCRAPE_TIMEOUT = seconds(10)
# Late samples of gateways that come back: as long as their queues last, and a little more.
_OUT_OF_ORDER = "30m"


def prometheus(context: Context, retention: Duration) -> Component:
    """
    Return Prometheus with all rules.

    Args:
        retention: How long samples are kept.
    """
    name = "prometheus"
    access = context.access(name)
    places = context.places
    arguments = [
        f"--config.file={places.config(name, CONFIG)}",
        f"--storage.tsdb.path={places.data(name)}",
        f"--storage.tsdb.retention.time={retention}",
        f"--web.listen-address={places.listen(name, 'http')}",
        "--web.enable-lifecycle",
        "--web.enable-remote-write-receiver",
    ]
    features = "exemplar-storage"
    if context.versions.prometheus < _NATIVE_HISTOGRAMS_SINCE:
        features += ",native-histograms"
    arguments.append(f"--enable-feature={features}")
    if context.versions.prometheus >= _OTLP_SINCE:
        arguments.append("--web.enable-otlp-receiver")
    secrets = [*context.tls_secrets(name), *context.client_secrets(name, *context.present)]
    if access.tls:
        secrets.append(
            context.secret(name, _WEB_CONFIG, "TLS and users of Prometheus", derived=True)
        )
        arguments.append(f"--web.config.file={places.secret(name, _WEB_CONFIG)}")
    if context.settings.host:
        port = context.port(name, "http").number
        arguments.append(f"--web.external-url={access.scheme}://{context.settings.host}:{port}/")
    config = places.config(name, CONFIG)
    return Component(
        name=name,
        role="stores samples, evaluates the rules, sends alerts",
        image=context.image(name),
        program="prometheus",
        arguments=tuple(arguments),
        ports=context.ports(name),
        probe=Probe("http", "/-/ready", 300, _health_command(context), "/-/healthy"),
        # Replaying the log of a week of samples takes minutes, not seconds.
        resources=context.resources(name, 0.5, 512, 2048),
        configs=(
            context.config(name, CONFIG, context.yaml(_config(context))),
            *_client_config(context),
            *rule_files(context, name),
        ),
        volumes=(Volume("prometheus-data", places.data(name), 50),),
        secrets=tuple(dict.fromkeys(secrets)),
        check=("promtool", "check", "config", config),
        access=access,
        reload=Reload(path="/-/reload"),
    )


def _health_command(context: Context) -> tuple[str, ...]:
    name = "prometheus"
    port = context.port(name, "http").number
    url = f"{context.access(name).scheme}://localhost:{port}"
    command = ("promtool", "check", "ready", f"--url={url}")
    if not context.access(name).tls:
        return command
    return (*command, f"--http.config.file={context.places.config(name, _CLIENT_CONFIG)}")


def _client_config(context: Context) -> tuple[ConfigFile, ...]:
    """Return how promtool logs in where the server asks for it."""
    name = "prometheus"
    access = context.access(name)
    if not access.tls:
        return ()
    text = context.yaml(
        {
            "basic_auth": {
                "username": access.user,
                "password_file": context.places.secret(name, access.password),
            },
            # It asks itself, under a name that no certificate has.
            "tls_config": {"insecure_skip_verify": True},
        }
    )
    return (context.config(name, _CLIENT_CONFIG, text),)


def rule_files(context: Context, component: str) -> tuple[ConfigFile, ...]:
    """Return the compiled rules and the rules that watch the stack, for *component*."""
    found = {
        path: text
        for path, text in context.compiled.of_kind("rules").items()
        if path.endswith((".yaml", ".yml"))
    }
    files = [context.config(component, f"rules/{path}", found[path]) for path in sorted(found)]
    meta = context.config(component, f"rules/{META_RULES_FILE}", meta_rules(context))
    return (*files, meta)


def _config(context: Context) -> dict[str, Any]:
    rules = context.places.config("prometheus", "rules/*.yaml")
    config: dict[str, Any] = {
        "global": {
            **scrape_times(context.settings),
            "evaluation_interval": evaluation_interval(context.settings),
            "external_labels": {"stack": context.settings.name},
        },
        "rule_files": [rules],
    }
    if context.versions.prometheus >= _NATIVE_HISTOGRAMS_SINCE:
        config["global"]["scrape_native_histograms"] = True
    if context.has("alertmanager"):
        config["alerting"] = {
            "alertmanagers": [
                {**_client(context, "alertmanager"), "static_configs": [_target(context)]}
            ]
        }
    if context.versions.prometheus >= _OTLP_SINCE:
        config["otlp"] = {
            "translation_strategy": "UnderscoreEscapingWithSuffixes",
            "keep_identifying_resource_attributes": True,
            "promote_resource_attributes": [
                "deployment.environment.name",
                "service.instance.id",
                "service.name",
                "service.namespace",
                "service.version",
            ],
        }
    config["storage"] = {
        "exemplars": {"max_exemplars": _EXEMPLARS},
        "tsdb": {"out_of_order_time_window": _OUT_OF_ORDER},
    }
    config["scrape_configs"] = list(scrape_configs(context, "prometheus"))
    return config


def evaluation_interval(settings: StackSettings) -> str:
    """Return how often groups of rules are evaluated that do not say it themselves."""
    return str(settings.evaluation_interval or _EVALUATION)


def scrape_times(settings: StackSettings) -> dict[str, str]:
    """Return how often is scraped, and how long one scrape may take."""
    interval = settings.scrape_interval
    timeout = min(interval, _SCRAPE_TIMEOUT)
    return {"scrape_interval": str(interval), "scrape_timeout": str(timeout)}


def _target(context: Context) -> dict[str, Any]:
    return {"targets": [context.places.address("alertmanager", "http")]}


_SCRAPED = {
    "alertmanager": "http",
    "collector-agent": "metrics",
    "collector-gateway": "metrics",
    "engine": "http",
    "grafana": "http",
    "jaeger": "metrics",
    "loki": "http",
    "prometheus": "http",
    "victoria-metrics": "http",
    "vmagent": "http",
    "vmalert": "http",
    "vminsert": "http",
    "vmselect": "http",
    "vmstorage": "http",
}


def scrape_configs(context: Context, scraper: str) -> Iterator[dict[str, Any]]:
    """
    Yield what to scrape: every part of the stack, then the jobs of the settings.

    Args:
        scraper: Component that does it.
    """
    for component, port in _SCRAPED.items():
        if not context.has(component):
            continue
        yield {
            "job_name": component,
            # Ports for machines only speak plainly, inside the stack's own network.
            **(_client(context, component, scraper) if port == "http" else {}),
            **_instances(context, component, port),
        }
    for job, targets in context.settings.scrape.items():
        yield {"job_name": job, "static_configs": [{"targets": list(targets)}]}


def _instances(context: Context, component: str, port: str) -> dict[str, Any]:
    if context.settings.replica_count(component) == 1:
        return {"static_configs": [{"targets": [context.places.address(component, port)]}]}
    host, _, number = context.places.each(component, port).rpartition(":")
    return {"dns_sd_configs": [{"names": [host], "type": "A", "port": int(number)}]}


def _client(context: Context, server: str, client: str = "prometheus") -> dict[str, Any]:
    """Return how *client* calls *server*."""
    access = context.access(server)
    if not access.tls:
        return {}
    found: dict[str, Any] = {
        "scheme": "https",
        "tls_config": {"ca_file": context.places.secret(client, CA)},
    }
    if access.token:
        found["authorization"] = {"credentials_file": context.places.secret(client, access.token)}
    elif access.user and server != "grafana":
        found["basic_auth"] = {
            "username": access.user,
            "password_file": context.places.secret(client, access.password),
        }
    return found
