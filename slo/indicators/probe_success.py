"""Measure the share of blackbox probes that succeed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators import boolean_gauge
from slo.indicators.params import Queries

__all__ = ["lower"]

_METRIC = "probe_success"


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for failed and for all probes in the window."""
    metric = params.get("metric", _METRIC)
    return boolean_gauge.lower({"metric": metric, "selector": params.get("selector")}, group_by)
