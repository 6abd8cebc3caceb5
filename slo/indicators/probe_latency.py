"""Measure the share of blackbox probes that are quick enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.histograms import in_unit
from slo.indicators.params import Queries, series
from slo.indicators.sampled import sampled
from slo.numbers import decimal_text

__all__ = ["lower"]

_METRIC = "probe_duration_seconds"
_SUCCESS = "probe_success"


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """
    Return the queries for slow and for all looks at the last probe.

    A probe that failed is not slow besides: `probe_success` counts it. Its looks stay in the
    total, so that an outage is not missing data here.
    """
    selector = params.get("selector")
    limit = decimal_text(in_unit(params["threshold"], "seconds"))
    slow = f"{series(params.get('metric', _METRIC), selector)} > bool {limit}"
    if not params.get("only_successful", True):
        return sampled(slow, group_by)
    succeeded = series(params.get("success_metric", _SUCCESS), selector)
    return sampled(f"({slow}) * {succeeded}", group_by)
