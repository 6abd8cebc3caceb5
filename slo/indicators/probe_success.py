"""Measure the share of blackbox probes that succeed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.params import Queries, aggregation, matchers

__all__ = ["lower"]

_METRIC = "probe_success"


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for failed and for all probes in the window."""
    series = f"{params.get('metric', _METRIC)}{matchers(params.get('selector'))}[{{{{.window}}}}]"
    total = aggregation(group_by)
    probes = f"{total}(count_over_time({series}))"
    return Queries.of_good(good=f"{total}(sum_over_time({series}))", total=probes)
