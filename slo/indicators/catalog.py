"""List the typed indicators by the key that specs name them with."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from slo.indicators.params import Queries

__all__ = ["TYPED", "TypedIndicator"]


class TypedIndicator(NamedTuple):
    """
    Name one type of indicator; calling it makes its queries.

    Its module, of the same name, is imported only then: a spec uses few of the types.

    Args:
        topic: What it is listed under.
    """

    name: str
    topic: str

    def __call__(self, params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
        """Return the queries for checked settings, one result per value of *group_by*."""
        queries: Queries = importlib.import_module(f"slo.indicators.{self.name}").lower(
            params, group_by
        )
        return queries


_REQUESTS = "Requests that a service answers"
_DEPENDENCIES = "Calls to others"
_PROBES = "Probes from outside"
_SIGNALS = "Traces and logs"
_BACKGROUND = "Work in the background"
_RESOURCES = "Resources"

TYPED: Mapping[str, TypedIndicator] = {
    name: TypedIndicator(name, topic)
    for name, topic in (
        ("http_availability", _REQUESTS),
        ("http_latency", _REQUESTS),
        ("grpc_availability", _REQUESTS),
        ("grpc_latency", _REQUESTS),
        ("dependency_calls", _DEPENDENCIES),
        ("probe_success", _PROBES),
        ("probe_latency", _PROBES),
        ("span_availability", _SIGNALS),
        ("span_latency", _SIGNALS),
        ("log_events", _SIGNALS),
        ("batch_freshness", _BACKGROUND),
        ("queue_age", _BACKGROUND),
        ("queue_drain", _BACKGROUND),
        ("boolean_gauge", _RESOURCES),
        ("cache_hit", _RESOURCES),
        ("restart_loops", _RESOURCES),
        ("saturation", _RESOURCES),
    )
}
