"""Describe Grafana: data sources that link to each other, and the compiled dashboards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slo.dashboards.provisioning import Backend, data_sources, provider
from slo.stack.components.context import CA, TLS_CERTIFICATE, TLS_KEY, Context
from slo.stack.components.model import Component, ConfigFile, Port, Probe, Secret, Volume
from slo.stack.components.reading import read_path, reader

__all__ = ["grafana"]

# What people see first: the wall.
_HOME = "slo-overview.json"
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
                name,
                "provisioning/dashboards/slostack.yaml",
                context.yaml(provider(places.config(name, "dashboards"))),
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
    if _HOME in context.compiled.of_kind("dashboards"):
        path = places.config(name, f"dashboards/{_HOME}")
        found["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] = path
    return found


def _dashboards(context: Context) -> Iterator[ConfigFile]:
    for path, text in sorted(context.compiled.of_kind("dashboards").items()):
        if path.endswith(".json"):
            yield context.config("grafana", f"dashboards/{path}", text)


def _sources(context: Context) -> dict[str, Any]:
    found = data_sources(
        _backend(context, reader(context)),
        alertmanager=_optional(context, "alertmanager"),
        loki=_optional(context, "loki"),
        jaeger=_optional(context, "jaeger"),
    )
    # What an earlier rendering had, and this one has not, goes.
    return {"apiVersion": found["apiVersion"], "prune": True, **found}


def _optional(context: Context, component: str) -> Backend | None:
    return _backend(context, component) if context.has(component) else None


def _backend(context: Context, component: str) -> Backend:
    url = context.url(component, "http", read_path(component))
    access = context.access(component)
    if not access.tls:
        return Backend(url)
    places = context.places
    return Backend(
        url,
        access.user,
        places.secret("grafana", access.password),
        places.secret("grafana", CA),
    )
