"""Count what the engine asks its servers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from slo.engine.sources.breaker import Circuit

__all__ = ["SourceMetrics"]

_BUCKETS = (0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class SourceMetrics:
    """
    Hold the metrics of all sources.

    Args:
        registry: Exposes them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "slo_engine_source_queries",
            "Queries to a metrics server by how they ended.",
            ("source", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "slo_engine_source_query_seconds",
            "How long queries to a metrics server took, retries included.",
            ("source",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._circuit = Gauge(
            "slo_engine_source_circuit",
            "Whether calls to a metrics server go through; the present state is 1.",
            ("source", "state"),
            registry=registry,
        )

    def called(self, source: str, outcome: str, seconds: float, circuit: Circuit) -> None:
        """Count a call to *source* that ended with *outcome* after *seconds*."""
        self._calls.labels(source, outcome).inc()
        self._seconds.labels(source).observe(seconds)
        for state in Circuit:
            self._circuit.labels(source, state.value).set(state is circuit)
