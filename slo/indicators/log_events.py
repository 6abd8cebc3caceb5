"""Measure the share of log records, or of requests, that are not bad log records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.naming import naming_of
from slo.indicators.params import Queries, rate, series

__all__ = ["ALL_RECORDS", "BAD_RECORDS", "lower"]

# Counters of the collector's count connector, as its page tells users to define them.
ALL_RECORDS = "log.record.count"
BAD_RECORDS = "log.record.error.count"


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """
    Return the queries for bad and for all log records per second.

    A declared rate of requests takes the place of all records, which then only prove that
    logs arrive at all: without them there is no data.
    """
    names = naming_of(params.get("naming"))
    selector = params.get("selector")
    bad = params.get("errors", names.metric(BAD_RECORDS, counter=True))
    every = params.get("total", names.metric(ALL_RECORDS, counter=True))
    error = rate(series(bad, selector), group_by)
    total = rate(series(every, selector), group_by)
    requests = params.get("requests_per_second")
    if requests is None:
        return Queries(error, total)
    return Queries(f"clamp_max({error}, {requests})", f"{requests} + 0 * {total}")
