"""Measure the share of containers that are not in a restart loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.params import Queries, series
from slo.indicators.sampled import sampled

__all__ = ["lower"]

# Name of kube-state-metrics.
_METRIC = "kube_pod_container_status_restarts_total"
_RESTARTS = 3
# Kubernetes waits up to five minutes between restarts: three of them fit in with some to spare.
_WITHIN = "20m"


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """
    Return the queries for looks at a container in a loop, and for all looks at containers.

    Changes are counted, not increases: those are extrapolated and would turn two restarts of
    a young container into three. A range still sees a container that is gone, `and` does not.
    """
    selected = series(params.get("metric", _METRIC), params.get("selector"))
    restarts = f"changes({selected}[{params.get('within', _WITHIN)}])"
    limit = params.get("restarts", _RESTARTS)
    return sampled(f"{restarts} >= bool {limit} and {selected}", group_by)
