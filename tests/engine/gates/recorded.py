"""Hold a metrics server that has recorded how some SLOs stand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slo.stack.victoria_metrics import VictoriaMetricsClient, run_victoria_metrics


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


@dataclass(frozen=True)
class Recorder:
    """Write to a server how SLOs stand."""

    server: VictoriaMetricsClient

    @property
    def url(self) -> str:
        return self.server.url

    def record(self, *slos: Recorded) -> None:
        now = time.time()
        self.server.import_lines(line for slo in slos for line in slo.lines(now))

    def record_rates(
        self, service: str, name: str, *, days: int, rate: float, bad: float, hours_ago: float
    ) -> None:
        """Record *rate* events a second, *bad* of them in one hour *hours_ago*."""
        identity = f'sloth_id="{service}-{name}",sloth_service="{service}",sloth_slo="{name}"'
        now = time.time() - 60
        begin = now - hours_ago * 3600

        def lines() -> Iterator[str]:
            for number in range(days * 288):
                at = now - 300 * number
                errors = bad / 3600 if begin <= at < begin + 3600 else 0.0
                yield f"slo:total_events:rate5m{{{identity}}} {rate} {1000 * at:.0f}"
                yield f"slo:error_events:rate5m{{{identity}}} {errors} {1000 * at:.0f}"

        self.server.import_lines(lines())


@contextmanager
def recording(folder: Path, *slos: Recorded) -> Iterator[Recorder]:
    """Run a server that has recorded *slos*."""
    # Otherwise it hides the last half minute.
    with run_victoria_metrics(folder, arguments=["-search.latencyOffset=0s"]) as server:
        recorder = Recorder(server)
        recorder.record(*slos)
        yield recorder
