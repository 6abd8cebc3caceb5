"""Measure the share of lookups that a cache answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.params import Queries, matcher, rate, series

__all__ = ["lower"]

# Names of redis_exporter.
_HITS = "redis_keyspace_hits_total"
_MISSES = "redis_keyspace_misses_total"


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """
    Return the queries for misses and for all lookups per second.

    Of hits and misses, the one that does not exist yet counts as none.
    """
    selector = params.get("selector")
    hit = params.get("hit_selector") or {}
    extra = [matcher(name, "=", value) for name, value in hit.items()]
    hits = rate(series(params.get("hits", _HITS), selector, *extra), group_by)
    if "requests" in params:
        return Queries.of_good(hits, rate(series(params["requests"], selector), group_by))
    misses = rate(series(params.get("misses", _MISSES), selector), group_by)
    return Queries(misses, f"({hits} or 0 * {misses}) + ({misses} or 0 * {hits})")
