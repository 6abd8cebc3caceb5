"""Measure the share of spans that do not end in an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.params import Queries, matcher, rate, series
from slo.indicators.span_conventions import ERROR_STATUS, kind_matcher, span_label, span_metric

__all__ = ["lower"]


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for bad and for all spans per second."""
    metric = params.get("metric", span_metric(params, "calls", counter=True))
    selector, kind = params.get("selector"), kind_matcher(params)
    failed = matcher(span_label(params, "status_label", "status.code"), "=", ERROR_STATUS)
    return Queries(
        error=rate(series(metric, selector, kind, failed), group_by),
        total=rate(series(metric, selector, kind), group_by),
    )
