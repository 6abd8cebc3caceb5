"""Describe Grafana: data sources that link to each other, and the compiled dashboards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slo.stack.components.context import CA, TLS_CERTIFICATE, TLS_KEY, Context
from slo.stack.components.model import Component, ConfigFile, Port, Probe, Secret, Volume
from slo.stack.components.reading import read_path, reader

__all__ = ["ALERTS_UID", "LOGS_UID", "METRICS_UID", "TRACES_UID", "grafana"]

# Dashboards name data sources by these.
METRICS_UID = "prometheus"
ALERTS_UID = "alertmanager"
LOGS_UID = "loki"
TRACES_UID = "jaeger"
_PASSWORD, _KEY = "grafana-password", "grafana-secret-key"


def grafana(context: Context) -> Component:
    """Return Grafana, provisioned: nothing has to be clicked."""
    name = "grafana"
    places = context.places
    access = context.access(name)
    http = context.port(name, "http")
    secrets: list[Secret] = [
        context.secret(name, _PASSWORD, "password of Grafana's user `admin`", generated=True),
        context.secret(name, _KEY, "key that Grafana encrypts with", generated=True),
        *context.tls_secrets(name),
        *context.client_secrets(name, "prometheus", "alertmanager"),
    ]
    return Component(
        name=name,
        role="shows dashboards, logs and traces",
        image=context.image(name),
        program="grafana-server",
        environment=_environment(context, http),
        ports=context.ports(name),
        probe=Probe(
            "http",
            "/api/health",
            90,
            (
                *("wget", "-q", "-O", "/dev/null"),
                *(("--no-check-certificate",) if access.tls else ()),
                f"{access.scheme}://localhost:{http.number}/api/health",
            ),
        ),
        resources=context.resources(name, 0.25, 192, 512),
        configs=(
            context.config(
                name, "provisioning/datasources/slostack.yaml", context.yaml(_sources(context))
            ),
            context.config(
                name, "provisioning/dashboards/slostack.yaml", context.yaml(_provider(context))
            ),
            *_dashboards(context),
        ),
        volumes=(Volume("grafana-data", places.data(name), 2),),
        secrets=tuple(dict.fromkeys(secrets)),
        needs=context.needs(reader(context)),
        user=472,
        optional=True,
        access=access,
    )


def _environment(context: Context, http: Port) -> dict[str, str]:
    name = "grafana"
    places = context.places
    host, _, port = places.listen(name, "http").rpartition(":")
    found = {
        "GF_SERVER_HTTP_ADDR": host,
        "GF_SERVER_HTTP_PORT": port,
        "GF_PATHS_DATA": places.data(name),
        "GF_PATHS_PROVISIONING": places.config(name, "provisioning"),
        "GF_SECURITY_ADMIN_PASSWORD__FILE": places.secret(name, _PASSWORD),
        "GF_SECURITY_SECRET_KEY__FILE": places.secret(name, _KEY),
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_AUTH_ANONYMOUS_ENABLED": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_LOG_MODE": "console",
        "GF_LOG_LEVEL": "warn",
        # Dashboards come from files; nothing is fetched at run time.
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
    }
    if context.access(name).tls:
        found |= {
            "GF_SERVER_PROTOCOL": "https",
            "GF_SERVER_CERT_FILE": places.secret(name, TLS_CERTIFICATE),
            "GF_SERVER_CERT_KEY": places.secret(name, TLS_KEY),
            "GF_SECURITY_COOKIE_SECURE": "true",
            "GF_SECURITY_STRICT_TRANSPORT_SECURITY": "true",
        }
    if context.settings.host:
        scheme = context.access(name).scheme
        found["GF_SERVER_ROOT_URL"] = f"{scheme}://{context.settings.host}:{http.number}/"
    home = context.compiled.of_kind("dashboards")
    if "wall.json" in home:
        path = places.config(name, "dashboards/wall.json")
        found["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] = path
    return found


def _provider(context: Context) -> dict[str, Any]:
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "slostack",
                "type": "file",
                "folder": "SLOs",
                "disableDeletion": True,
                "allowUiUpdates": False,
                "updateIntervalSeconds": 30,
                "options": {"path": context.places.config("grafana", "dashboards")},
            }
        ],
    }


def _dashboards(context: Context) -> Iterator[ConfigFile]:
    for path, text in sorted(context.compiled.of_kind("dashboards").items()):
        if path.endswith(".json"):
            yield context.config("grafana", f"dashboards/{path}", text)


def _sources(context: Context) -> dict[str, Any]:
    sources = [_metrics(context)]
    if context.has("alertmanager"):
        sources.append(
            {
                **_source(context, ALERTS_UID, "alertmanager", "Alertmanager", "alertmanager"),
                "jsonData": {"implementation": "prometheus", **_tls(context, "alertmanager")},
            }
        )
    if context.has("loki"):
        sources.append(_logs(context))
    if context.has("jaeger"):
        sources.append(_traces(context))
    return {"apiVersion": 1, "prune": True, "datasources": sources}


def _source(context: Context, uid: str, kind: str, title: str, component: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": title,
        "uid": uid,
        "type": kind,
        "access": "proxy",
        "url": context.url(component, "http", read_path(component)),
        "editable": False,
    }
    access = context.access(component)
    if access.tls:
        places = context.places
        found |= {
            "basicAuth": True,
            "basicAuthUser": access.user,
            "secureJsonData": {
                "basicAuthPassword": f"$__file{{{places.secret('grafana', access.password)}}}",
                "tlsCACert": f"$__file{{{places.secret('grafana', CA)}}}",
            },
        }
    return found


def _tls(context: Context, component: str) -> dict[str, Any]:
    return {"tlsAuthWithCACert": True} if context.access(component).tls else {}


def _metrics(context: Context) -> dict[str, Any]:
    server = reader(context)
    found = _source(context, METRICS_UID, "prometheus", "Prometheus", server)
    options: dict[str, Any] = {
        "httpMethod": "POST",
        "timeInterval": "15s",
        "prometheusType": "Prometheus",
        **_tls(context, server),
    }
    if context.has("jaeger"):
        options["exemplarTraceIdDestinations"] = [
            {"name": "trace_id", "datasourceUid": TRACES_UID, "urlDisplayLabel": "Trace"}
        ]
    return {**found, "isDefault": True, "jsonData": options}


def _logs(context: Context) -> dict[str, Any]:
    found = _source(context, LOGS_UID, "loki", "Loki", "loki")
    if context.has("jaeger"):
        found["jsonData"] = {
            "derivedFields": [
                {
                    "name": "Trace",
                    "matcherType": "label",
                    "matcherRegex": "trace_id",
                    "datasourceUid": TRACES_UID,
                    # Doubled, since provisioning fills in variables.
                    "url": "$${__value.raw}",
                }
            ]
        }
    return found


def _traces(context: Context) -> dict[str, Any]:
    found = _source(context, TRACES_UID, "jaeger", "Jaeger", "jaeger")
    if context.has("loki"):
        found["jsonData"] = {
            "tracesToLogsV2": {
                "datasourceUid": LOGS_UID,
                "spanStartTimeShift": "-5m",
                "spanEndTimeShift": "5m",
                "tags": [{"key": "service.name", "value": "service_name"}],
                "filterByTraceID": True,
            }
        }
    return found
