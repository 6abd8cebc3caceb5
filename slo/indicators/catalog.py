"""List the typed indicators by the key that specs name them with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slo.indicators import grpc_availability, http_availability, http_latency, probe_success
from slo.indicators.params import Queries

__all__ = ["TYPED"]

TYPED: Mapping[str, Callable[[Mapping[str, Any], Sequence[str]], Queries]] = {
    "grpc_availability": grpc_availability.lower,
    "http_availability": http_availability.lower,
    "http_latency": http_latency.lower,
    "probe_success": probe_success.lower,
}
