"""Measure the share of gRPC calls that do not end in a server error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.params import Queries, aggregation, matchers
from slo.promql import quote

__all__ = ["lower"]

_METRIC = "grpc_server_handled_total"
_CODE_LABEL = "grpc_code"
# The status codes that OpenTelemetry's conventions for gRPC call errors of the server.
_ERROR_CODES = (
    "Unknown",
    "DeadlineExceeded",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
)


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for bad and for all calls per second."""
    metric = params.get("metric", _METRIC)
    label = params.get("code_label", _CODE_LABEL)
    codes = quote("|".join(params.get("error_codes", _ERROR_CODES)))
    selector = params.get("selector")
    total = aggregation(group_by)
    return Queries(
        error=f"{total}(rate({metric}{matchers(selector, f'{label}=~{codes}')}[{{{{.window}}}}]))",
        total=f"{total}(rate({metric}{matchers(selector)}[{{{{.window}}}}]))",
    )
