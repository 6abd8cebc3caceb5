"""Measure the share of time that a queue would be empty soon enough at its present pace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.histograms import in_unit
from slo.indicators.params import Queries, aggregation, series
from slo.indicators.sampled import sampled
from slo.numbers import decimal_text

__all__ = ["lower"]

# Names and labels of kafka_exporter.
_BACKLOG = "kafka_consumergroup_lag"
_CONSUMED = "kafka_consumergroup_current_offset"
_EACH = ("consumergroup", "topic")
_RATE_OVER = "5m"


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """
    Return the queries for looks at a queue that drains too slowly, and for all looks.

    The backlog is compared with what is consumed in the time allowed, not divided by the
    pace: so an empty queue is good, and one that nobody works on is bad, even where the
    counter of consumed messages does not exist yet.
    """
    selector = params.get("selector")
    metric = params.get("backlog", _BACKLOG)
    each = params.get("each", _EACH if metric == _BACKLOG else ())
    queues = aggregation(tuple(dict.fromkeys((*group_by, *each))))
    backlog = f"{queues}({series(params.get('backlog', _BACKLOG), selector)})"
    consumed = series(params.get("consumed", _CONSUMED), selector)
    pace = f"{queues}(rate({consumed}[{params.get('rate_over', _RATE_OVER)}]))"
    limit = decimal_text(in_unit(params["max_time"], "seconds"))
    return sampled(f"{backlog} > bool {limit} * ({pace} or 0 * {backlog})", group_by)
