"""Measure the share of HTTP requests that do not end in a server error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.naming import naming_of
from slo.indicators.params import Queries, matcher, rate, series

__all__ = ["lower"]

_ERROR_STATUS = "5.."


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for bad and for all requests per second."""
    names = naming_of(params.get("naming"))
    duration = names.metric("http.server.request.duration", "seconds")
    metric = params.get("metric", f"{duration}_count")
    status = params.get("status_label", names.label("http.response.status_code"))
    failed = matcher(status, "=~", params.get("error_status", _ERROR_STATUS))
    selector = params.get("selector")
    return Queries(
        error=rate(series(metric, selector, failed), group_by),
        total=rate(series(metric, selector), group_by),
    )
