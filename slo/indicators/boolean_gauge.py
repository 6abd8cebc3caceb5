"""Measure the share of time that a gauge of 1 and 0 shows what is good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.params import Queries, aggregation, series

__all__ = ["lower"]

_METRIC = "up"


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for bad and for all samples in the window."""
    selected = series(params.get("metric", _METRIC), params.get("selector"))
    every = aggregation(group_by)
    total = f"{every}(count_over_time({selected}[{{{{.window}}}}]))"
    ones = f"{every}(sum_over_time({selected}[{{{{.window}}}}]))"
    if params.get("bad_value", 0) == 1:
        return Queries(error=ones, total=total)
    return Queries.of_good(good=ones, total=total)
