"""Hold a metrics server that has recorded how some SLOs stand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slo.stack.victoria_metrics import run_victoria_metrics


@dataclass(frozen=True)
class Recorded:
    """
    Say what a server has recorded about one SLO.

    Args:
        left: Share of the budget.
        firing: Severity of an alert that fires.
        age: Seconds since the rules ran last.
    """

    service: str
    name: str
    left: float
    tier: str = "critical"
    objective: str = "99.9"
    burn: float = 0.4
    firing: str | None = None
    age: float = 20.0

    def lines(self, now: float) -> Iterator[str]:
        """Yield the samples, in the form in which VictoriaMetrics imports them."""
        at = f"{1000 * (now - self.age):.0f}"
        identity = (
            f'sloth_id="{self.service}-{self.name}",sloth_service="{self.service}",'
            f'sloth_slo="{self.name}"'
        )
        budget = (100 - float(self.objective)) / 100
        info = (
            f'{identity},tier="{self.tier}",sloth_objective="{self.objective}",'
            'sloth_mode="cli-gen-prom",sloth_spec="slo/v1",sloth_version="1"'
        )
        yield f"sloth_slo_info{{{info}}} 1 {at}"
        values = {
            "slo:objective:ratio": 1 - budget,
            "slo:error_budget:ratio": budget,
            "slo:time_period:days": 30,
            "slo:period_error_budget_remaining:ratio": self.left,
            "slo:total_events:rate5m": 10,
        }
        for name, value in values.items():
            yield f"{name}{{{identity}}} {value} {at}"
        for window in ("5m", "1h", "6h"):
            yield (
                f'slo:sli_error:ratio_rate{window}{{{identity},sloth_window="{window}"}} '
                f"{self.burn * budget} {at}"
            )
        coverage = f'{identity},sloth_window="30d"'
        yield f"slo:period_coverage:ratio{{{coverage}}} 1 {at}"
        if self.firing:
            labels = (
                f'{identity},alertname="Burns",alertstate="firing",'
                f'sloth_severity="{self.firing}",severity="{self.firing}",'
                'slo_alert="burn_rate",long_window="1h",short_window="5m"'
            )
            yield f"ALERTS{{{labels}}} 1 {at}"


@contextmanager
def recording(folder: Path, *slos: Recorded) -> Iterator[str]:
    """Run a server that has recorded *slos*, and yield its URL."""
    # Otherwise it hides the last half minute.
    with run_victoria_metrics(folder, arguments=["-search.latencyOffset=0s"]) as server:
        now = time.time()
        server.import_lines(line for slo in slos for line in slo.lines(now))
        yield server.url
