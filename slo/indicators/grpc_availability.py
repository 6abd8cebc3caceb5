"""Measure the share of gRPC calls that do not end in a server error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.grpc_conventions import convention_of
from slo.indicators.params import Queries, rate, series

__all__ = ["lower"]


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for bad and for all calls per second."""
    convention = convention_of(params)
    metric = params.get("metric", convention.counter)
    selector = params.get("selector")
    return Queries(
        error=rate(series(metric, selector, convention.matcher("=~")), group_by),
        total=rate(series(metric, selector), group_by),
    )
