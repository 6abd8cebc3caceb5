"""Measure the share of time that the oldest message of a queue is young enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.histograms import in_unit
from slo.indicators.params import Queries, aggregation, series
from slo.indicators.sampled import sampled
from slo.numbers import decimal_text

__all__ = ["lower"]


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for looks at a queue that holds a message too old, and for all looks."""
    selected = series(params["metric"], params.get("selector"))
    queues = dict.fromkeys((*group_by, *params.get("each", ())))
    oldest = f"{aggregation(tuple(queues), 'max')}({selected})"
    limit = decimal_text(in_unit(params["max_age"], params.get("unit", "seconds")))
    return sampled(f"{oldest} > bool {limit}", group_by)
