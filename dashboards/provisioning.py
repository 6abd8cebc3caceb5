"""
Write the files that make a Grafana know its data sources and dashboards when it starts.

Data sources have fixed uids and lead to one another: from an exemplar to its trace, from a
trace to its logs and rates, from a log line to its trace.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from slo.artifact import GENERATED, Artifact

__all__ = ["JAEGER_UID", "LOKI_UID", "PROMETHEUS_UID", "Addresses", "files"]

PROMETHEUS_UID = "prometheus"
LOKI_UID = "loki"
JAEGER_UID = "jaeger"
_FOLDER = "provisioning"
_KIND = "dashboards"


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
    return [
        _file("datasources", {"apiVersion": 1, "datasources": _sources(found)}),
        _file("dashboards", {"apiVersion": 1, "providers": [_provider(found)]}),
    ]


def _file(folder: str, content: dict[str, Any]) -> Artifact:
    # Grafana fills in variables: a dollar that is meant is doubled.
    text = yaml.safe_dump(content, sort_keys=False).replace("$", "$$")
    return Artifact(f"{_FOLDER}/{folder}/slostack.yaml", _KIND, f"{GENERATED}.\n{text}")


def _sources(found: Addresses) -> list[dict[str, Any]]:
    sources = [_prometheus(found)]
    if found.loki:
        sources.append(_loki(found))
    if found.jaeger:
        sources.append(_jaeger(found))
    return sources


def _source(name: str, kind: str, uid: str, url: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "uid": uid,
        "access": "proxy",
        "url": url,
        "editable": False,
        "jsonData": settings,
    }


def _prometheus(found: Addresses) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "httpMethod": "POST",
        "timeInterval": "30s",
        "prometheusType": "Prometheus",
    }
    if found.jaeger:
        settings["exemplarTraceIdDestinations"] = [
            {"name": name, "datasourceUid": JAEGER_UID} for name in ("trace_id", "traceID")
        ]
    source = _source("Prometheus", "prometheus", PROMETHEUS_UID, found.prometheus, settings)
    return {**source, "isDefault": True}


def _loki(found: Addresses) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if found.jaeger:
        settings["derivedFields"] = [
            {
                "name": "trace",
                "matcherType": "label",
                "matcherRegex": "trace_id",
                "url": "${__value.raw}",
                "datasourceUid": JAEGER_UID,
                "urlDisplayLabel": "Trace",
            }
        ]
    return _source("Loki", "loki", LOKI_UID, found.loki, settings)


def _jaeger(found: Addresses) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "nodeGraph": {"enabled": True},
        "tracesToMetrics": {
            "datasourceUid": PROMETHEUS_UID,
            "tags": [{"key": "service.name", "value": "sloth_service"}],
            "queries": [{"name": "Burn rate", "query": "slo:current_burn_rate:ratio{$__tags}"}],
        },
    }
    if found.loki:
        settings["tracesToLogsV2"] = {
            "datasourceUid": LOKI_UID,
            "spanStartTimeShift": "-5m",
            "spanEndTimeShift": "5m",
            "tags": [{"key": "service.name", "value": "service_name"}],
            "filterByTraceID": True,
        }
    return _source("Jaeger", "jaeger", JAEGER_UID, found.jaeger, settings)


def _provider(found: Addresses) -> dict[str, Any]:
    return {
        "name": "slostack",
        "folder": "SLO",
        "folderUid": "slostack",
        "type": "file",
        "allowUiUpdates": False,
        "disableDeletion": False,
        "updateIntervalSeconds": 30,
        "options": {"path": found.dashboards},
    }
