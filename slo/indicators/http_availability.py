"""Measure the share of HTTP requests that do not end in a server error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.params import Queries, aggregation, matchers
from slo.promql import quote

__all__ = ["lower"]

# OpenTelemetry semantic conventions for HTTP, as Prometheus translates them.
_METRIC = "http_server_request_duration_seconds_count"
_STATUS_LABEL = "http_response_status_code"
_ERROR_STATUS = "5.."


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for bad and for all requests per second."""
    metric = params.get("metric", _METRIC)
    label = params.get("status_label", _STATUS_LABEL)
    status = quote(params.get("error_status", _ERROR_STATUS))
    selector = params.get("selector")
    total = aggregation(group_by)
    return Queries(
        error=f"{total}(rate({metric}{matchers(selector, f'{label}=~{status}')}[{{{{.window}}}}]))",
        total=f"{total}(rate({metric}{matchers(selector)}[{{{{.window}}}}]))",
    )
