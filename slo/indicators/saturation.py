"""Measure the share of time that a pool has room left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.naming import naming_of
from slo.indicators.params import Queries, aggregation, label, matcher, series
from slo.indicators.sampled import sampled

__all__ = ["lower"]

_LIMIT = 0.9


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """
    Return the queries for looks at a pool that is too full, and for all looks.

    Each pool is judged alone, since an empty one does not help those who wait at a full one:
    by all the labels that use and capacity share, or by those that the settings name.
    """
    names = naming_of(params.get("naming"))
    usual = names.metric("db.client.connection.count")
    metric, selector = params.get("used", usual), params.get("selector")
    own = {names.label("state"): "used"} if metric == usual else {}
    states: Mapping[str, str] = params.get("used_selector", own)
    used = series(metric, selector, *(matcher(name, "=", value) for name, value in states.items()))
    capacity = series(params.get("capacity", names.metric("db.client.connection.max")), selector)
    limit, pairing = params.get("limit", _LIMIT), ""
    if "each" in params:
        pools = aggregation(tuple(dict.fromkeys((*group_by, *params["each"]))))
        used, capacity = f"{pools}({used})", f"{pools}({capacity})"
    elif states:
        pairing = f"ignoring ({', '.join(label(name) for name in states)}) "
    return sampled(f"{used} >= bool {pairing}{limit} * {capacity}", group_by)
