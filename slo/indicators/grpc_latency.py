"""Measure the share of gRPC calls answered within a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.grpc_conventions import convention_of
from slo.indicators.histograms import Histogram
from slo.indicators.params import Queries

__all__ = ["lower"]


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """
    Return the queries for slow and for all calls per second.

    Calls that fail are left out where the histogram tells them apart, as in `http_latency`.
    """
    convention = convention_of(params)
    histogram = Histogram.of(params, convention.histogram, convention.unit, group_by)
    if convention.coded and params.get("only_successful", True):
        return histogram.latency(params["threshold"], convention.matcher("!~"))
    return histogram.latency(params["threshold"])
