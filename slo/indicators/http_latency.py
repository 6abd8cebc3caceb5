"""Measure the share of HTTP requests answered within a threshold, by a classic histogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from slo.duration import Duration
from slo.indicators.params import Queries, aggregation, matchers
from slo.numbers import decimal_text

__all__ = ["lower"]

_METRIC = "http_server_request_duration_seconds"
_MILLISECONDS_PER_UNIT = {"seconds": 1000, "milliseconds": 1}


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for slow and for all requests per second."""
    metric = params.get("metric", _METRIC)
    unit = _MILLISECONDS_PER_UNIT[params.get("unit", "seconds")]
    bound = Decimal(Duration.parse(params["threshold"]).milliseconds) / unit
    selector = params.get("selector")
    total = aggregation(group_by)
    every = f"{total}(rate({metric}_count{matchers(selector)}[{{{{.window}}}}]))"
    fast = f"{total}(rate({metric}_bucket{matchers(selector, _bound(bound))}[{{{{.window}}}}]))"
    return Queries.of_good(good=fast, total=every)


def _bound(bound: Decimal) -> str:
    """
    Return the matcher of a bucket's upper bound.

    Prometheus 3 writes whole bounds as floats, `le="1.0"` where version 2 has `le="1"`.
    """
    text = decimal_text(bound)
    return f'le="{text}"' if "." in text else f'le=~"{text}(\\\\.0)?"'
