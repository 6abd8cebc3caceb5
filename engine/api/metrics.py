"""Count what the engine does, and expose the budgets that it has worked out."""

from __future__ import annotations

import math
from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from slo import conventions as names
from slo.engine.api.view import View
from slo.engine.status.model import SloStatus, State

__all__ = ["METRICS_TYPE", "EngineMetrics"]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

# Not the names of recorded series: these hold corrections, and another server computed those.
_REMAINING = "slo_engine_error_budget_remaining_ratio"
_STATE = "slo_engine_slo_state"


class EngineMetrics:
    """
    Hold the metrics of the API; other parts of the engine add theirs to the same registry.

    Args:
        registry: Exposes them.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        # A second series for each, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        self._requests = Counter(
            "slo_engine_http_requests",
            "Requests by route, method and status.",
            ("route", "method", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "slo_engine_http_request_seconds",
            "How long requests took, event streams left out.",
            ("route",),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._gates = Counter(
            "slo_engine_gate_decisions",
            "Answers of gates by verdict.",
            ("verdict",),
            registry=registry,
        )
        self._gate_requests = Counter(
            "slo_engine_gate_requests",
            "Questions to gates: `answered`, or `failed` by the engine's own fault.",
            ("outcome",),
            registry=registry,
        )
        self._gate_seconds = Histogram(
            "slo_engine_gate_seconds",
            "How long questions to gates took.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self.unrecorded = Counter(
            "slo_engine_decisions_unrecorded",
            "Decisions that were answered before the ledger had them.",
            registry=registry,
        )
        self.lost = Counter(
            "slo_engine_decisions_lost",
            "Decisions that the ledger never got; they stand in the log.",
            registry=registry,
        )
        self.refreshes = Counter(
            "slo_engine_refreshes",
            "Refreshes by outcome: `read`, or `failed` when the old numbers were kept.",
            ("outcome",),
            registry=registry,
        )
        self.refused = Counter(
            "slo_engine_requests_refused",
            "Requests refused before they reached a route, by reason.",
            ("reason",),
            registry=registry,
        )
        for outcome in ("answered", "failed"):
            # An objective on these needs them before the first failure.
            self._gate_requests.labels(outcome)
        for outcome in ("read", "failed"):
            self.refreshes.labels(outcome)
        for verdict in ("allow", "deny", "unknown"):
            self._gates.labels(verdict)
        self._cached: tuple[str, bytes] | None = None

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Expose what *value* returns whenever somebody reads the metrics."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def answered(self, route: str, method: str, code: int, seconds: float | None) -> None:
        """Count a request; *seconds* is `None` for one that stayed open on purpose."""
        self._requests.labels(route, method, str(code)).inc()
        if seconds is not None:
            self._seconds.labels(route).observe(seconds)

    def gate(self, seconds: float, *, failed: bool) -> None:
        """Count a question to a gate."""
        self._gate_requests.labels("failed" if failed else "answered").inc()
        self._gate_seconds.observe(seconds)

    def decided(self, verdict: str) -> None:
        """Count an answer of a gate."""
        self._gates.labels(verdict).inc()

    def text(self, view: View | None) -> bytes:
        """Return everything in the text format of Prometheus."""
        own = generate_latest(self.registry)
        if view is None:
            return own
        if self._cached is None or self._cached[0] != view.tag:
            self._cached = view.tag, _budgets(view)
        return own + self._cached[1]


def _budgets(view: View) -> bytes:
    remaining = [
        f"# HELP {_REMAINING} Share of the error budget that is left, corrections applied.",
        f"# TYPE {_REMAINING} gauge",
    ]
    states = [
        f"# HELP {_STATE} How many SLOs are in each state.",
        f"# TYPE {_STATE} gauge",
    ]
    for status in view.snapshot.statuses:
        value = status.budget.remaining
        # Stale numbers would look like fresh ones to whoever scrapes them.
        if value is not None and math.isfinite(value) and status.state is not State.STALE:
            remaining.append(f"{_REMAINING}{{{_labels(status)}}} {value!r}")
    counts = view.states()
    states += [f'{_STATE}{{state="{state.value}"}} {counts.get(state.value, 0)}' for state in State]
    return "\n".join((*remaining, *states, "")).encode()


def _labels(status: SloStatus) -> str:
    labels = {
        names.LABEL_ID: status.id,
        names.LABEL_SERVICE: status.service,
        names.LABEL_SLO: status.name,
        **status.group,
    }
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items()))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
