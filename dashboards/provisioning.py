"""
Write the files that make a Grafana know its data sources and dashboards when it starts.

Data sources have fixed uids and lead to one another: from an exemplar to its trace, from a
trace to its logs and rates, from a log line to its trace.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from slo.artifact import GENERATED, Artifact

__all__ = [
    "ALERTMANAGER_UID",
    "FOLDER",
    "FOLDER_UID",
    "JAEGER_UID",
    "LOKI_UID",
    "PROMETHEUS_UID",
    "Addresses",
    "Backend",
    "data_sources",
    "files",
    "provider",
]

PROMETHEUS_UID = "prometheus"
ALERTMANAGER_UID = "alertmanager"
LOKI_UID = "loki"
JAEGER_UID = "jaeger"
# Where dashboards are found: title and uid of the folder.
FOLDER = "SLO"
FOLDER_UID = "slostack"
_PROVISIONING = "provisioning"
_KIND = "dashboards"
# Labels that programs give exemplars for the id of the trace.
_EXEMPLAR_LABELS = ("trace_id", "traceID")


class Backend(NamedTuple):
    """
    Say where Grafana reads one data source, and how it logs in.

    Args:
        user: For basic authentication; empty for none. The files come with it.
        password_file: Path as Grafana sees it; *ca_file* likewise.
    """

    url: str
    user: str = ""
    password_file: str = ""
    ca_file: str = ""


class Addresses(NamedTuple):
    """
    Say where Grafana finds what it reads.

    Args:
        loki: Empty where there is none; *jaeger* likewise.
        dashboards: Folder that Grafana sees the dashboards in.
    """

    prometheus: str = "http://prometheus:9090"
    loki: str = "http://loki:3100"
    jaeger: str = "http://jaeger:16686"
    dashboards: str = "/etc/grafana/dashboards"


def files(addresses: Addresses | None = None) -> list[Artifact]:
    """Return the data sources and the provider of dashboards, for `conf/provisioning`."""
    found = addresses or Addresses()
    sources = data_sources(
        Backend(found.prometheus),
        loki=Backend(found.loki) if found.loki else None,
        jaeger=Backend(found.jaeger) if found.jaeger else None,
    )
    return [_file("datasources", sources), _file("dashboards", provider(found.dashboards))]


def data_sources(
    prometheus: Backend,
    *,
    alertmanager: Backend | None = None,
    loki: Backend | None = None,
    jaeger: Backend | None = None,
) -> dict[str, Any]:
    """
    Return a file of data sources that lead to one another, and to nothing that is not there.

    Grafana fills in variables in these files: a dollar that is meant is doubled.
    """
    sources = [_prometheus(prometheus, traced=jaeger is not None)]
    if alertmanager is not None:
        settings = {"implementation": "prometheus"}
        sources.append(
            _source("Alertmanager", "alertmanager", ALERTMANAGER_UID, alertmanager, settings)
        )
    if loki is not None:
        sources.append(_loki(loki, traced=jaeger is not None))
    if jaeger is not None:
        sources.append(_jaeger(jaeger, logged=loki is not None))
    return {"apiVersion": 1, "datasources": sources}


def provider(dashboards: str) -> dict[str, Any]:
    """
    Return a file that lets Grafana load dashboards.

    Args:
        dashboards: Folder that they are in, as Grafana sees it.
    """
    found = {
        "name": "slostack",
        "folder": FOLDER,
        "folderUid": FOLDER_UID,
        "type": "file",
        "allowUiUpdates": False,
        # Where a file is gone, its dashboard goes too.
        "disableDeletion": False,
        "updateIntervalSeconds": 30,
        "options": {"path": dashboards},
    }
    return {"apiVersion": 1, "providers": [found]}


def _file(folder: str, content: dict[str, Any]) -> Artifact:
    text = yaml.safe_dump(content, sort_keys=False)
    return Artifact(f"{_PROVISIONING}/{folder}/slostack.yaml", _KIND, f"{GENERATED}.\n{text}")


def _source(
    name: str, kind: str, uid: str, backend: Backend, settings: dict[str, Any]
) -> dict[str, Any]:
    source: dict[str, Any] = {
        "name": name,
        "type": kind,
        "uid": uid,
        "access": "proxy",
        "url": backend.url,
        "editable": False,
        "jsonData": settings,
    }
    if backend.user:
        source |= {
            "basicAuth": True,
            "basicAuthUser": backend.user,
            "secureJsonData": {
                "basicAuthPassword": f"$__file{{{backend.password_file}}}",
                "tlsCACert": f"$__file{{{backend.ca_file}}}",
            },
        }
        settings["tlsAuthWithCACert"] = True
    return source


def _prometheus(backend: Backend, *, traced: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "httpMethod": "POST",
        # Of the recorded series; those that are scraped come more often.
        "timeInterval": "30s",
        "prometheusType": "Prometheus",
    }
    if traced:
        settings["exemplarTraceIdDestinations"] = [
            {"name": name, "datasourceUid": JAEGER_UID, "urlDisplayLabel": "Trace"}
            for name in _EXEMPLAR_LABELS
        ]
    source = _source("Prometheus", "prometheus", PROMETHEUS_UID, backend, settings)
    return {**source, "isDefault": True}


def _loki(backend: Backend, *, traced: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if traced:
        settings["derivedFields"] = [
            {
                "name": "Trace",
                "matcherType": "label",
                "matcherRegex": "trace_id",
                "url": "$${__value.raw}",
                "datasourceUid": JAEGER_UID,
                "urlDisplayLabel": "Trace",
            }
        ]
    return _source("Loki", "loki", LOKI_UID, backend, settings)


def _jaeger(backend: Backend, *, logged: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "nodeGraph": {"enabled": True},
        "tracesToMetrics": {
            "datasourceUid": PROMETHEUS_UID,
            "tags": [{"key": "service.name", "value": "sloth_service"}],
            "queries": [{"name": "Burn rate", "query": "slo:current_burn_rate:ratio{$$__tags}"}],
        },
    }
    if logged:
        settings["tracesToLogsV2"] = {
            "datasourceUid": LOKI_UID,
            "spanStartTimeShift": "-5m",
            "spanEndTimeShift": "5m",
            "tags": [{"key": "service.name", "value": "service_name"}],
            "filterByTraceID": True,
        }
    return _source("Jaeger", "jaeger", JAEGER_UID, backend, settings)
