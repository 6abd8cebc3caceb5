"""Measure the share of spans that end within a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.histograms import Histogram
from slo.indicators.params import Queries, matcher
from slo.indicators.span_conventions import ERROR_STATUS, kind_matcher, span_label, span_metric

__all__ = ["lower"]


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for slow and for all spans per second, failed ones as a rule left out."""
    unit = params.get("unit", "milliseconds")
    histogram = Histogram.of(params, span_metric(params, "duration", unit), unit, group_by)
    wanted = [kind_matcher(params)]
    if params.get("only_successful", True):
        status = span_label(params, "status_label", "status.code")
        wanted.append(matcher(status, "!=", ERROR_STATUS))
    return histogram.latency(params["threshold"], *wanted)
