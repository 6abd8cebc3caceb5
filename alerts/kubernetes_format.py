"""Write rule groups as `PrometheusRule` objects of the Prometheus operator."""

from __future__ import annotations

import re
from collections.abc import Iterable

from slo.alerts.model import RuleGroup
from slo.alerts.prometheus_format import header
from slo.alerts.rules_yaml import groups_yaml, mapping_lines, scalar
from slo.plan import KubernetesMeta

__all__ = ["default_meta", "prometheus_rule"]

_COMPONENT = "app.kubernetes.io/component"
_MANAGED_BY = "app.kubernetes.io/managed-by"


def default_meta(service: str) -> KubernetesMeta:
    """Return the metadata of a service that brings none; names are DNS labels in lower case."""
    # A dot separates labels that start and end with a letter or digit: keep only lone ones.
    name = re.sub(r"[^a-z0-9]+", lambda m: "." if m.group() == "." else "-", service.lower()).strip(
        "-."
    )
    return KubernetesMeta(name=f"{name}-slo")


def prometheus_rule(
    groups: Iterable[RuleGroup], meta: KubernetesMeta, source: str, version: str, manager: str
) -> str:
    """
    Return one `PrometheusRule` document.

    Args:
        manager: Value of the label `app.kubernetes.io/managed-by`.
    """
    labels = {**meta.labels, _COMPONENT: "SLO", _MANAGED_BY: manager}
    text = header(source, version)
    text += "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n"
    text += f"  name: {scalar(meta.name)}\n"
    if meta.namespace:
        text += f"  namespace: {scalar(meta.namespace)}\n"
    text += f"  labels:\n{mapping_lines(labels, '    ')}"
    if meta.annotations:
        text += f"  annotations:\n{mapping_lines(meta.annotations, '    ')}"
    return text + "spec:\n" + groups_yaml(groups, "  ")
