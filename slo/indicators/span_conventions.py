"""Know the names that the collector's span metrics connector gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slo.indicators.naming import naming_of
from slo.indicators.params import matcher

__all__ = ["ERROR_STATUS", "NAMESPACE", "kind_matcher", "span_label", "span_metric"]

ERROR_STATUS = "STATUS_CODE_ERROR"

NAMESPACE = "traces.span.metrics"
# The spans that a service answers with; its inner spans would count the same request again.
_KIND = "SPAN_KIND_SERVER"


def span_metric(params: Mapping[str, Any], name: str, unit: str = "", counter: bool = False) -> str:
    """Return the metric *name* of the connector, under its default namespace."""
    return naming_of(params.get("naming")).metric(f"{NAMESPACE}.{name}", unit, counter)


def span_label(params: Mapping[str, Any], key: str, name: str) -> str:
    """Return the label *name* of the connector, or the one that setting *key* gives."""
    label: str = params.get(key, naming_of(params.get("naming")).label(name))
    return label


def kind_matcher(params: Mapping[str, Any]) -> str:
    """Return the matcher of the spans to count."""
    kind = naming_of(params.get("naming")).label("span.kind")
    return matcher(kind, "=", params.get("span_kind", _KIND))
