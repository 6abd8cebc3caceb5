"""Measure the share of time that a job's last success is recent enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.histograms import in_unit
from slo.indicators.params import Queries, aggregation, series
from slo.indicators.sampled import sampled
from slo.numbers import decimal_text

__all__ = ["lower"]

_METRIC = "job_last_success_timestamp_seconds"


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for looks at a job that is overdue, and for all looks."""
    selected = series(params.get("metric", _METRIC), params.get("selector"))
    jobs = dict.fromkeys((*group_by, *params.get("each", ())))
    newest = f"{aggregation(tuple(jobs), 'max')}({selected})"
    if params.get("unit") == "milliseconds":
        newest += " / 1000"
    limit = decimal_text(in_unit(params["max_age"], "seconds"))
    return sampled(f"time() - {newest} > bool {limit}", group_by)
