"""Read specs from text and make collector configurations of them."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from slo.alert_windows import builtin_policies
from slo.collector.emit import AGENT, GATEWAY, collector_configs
from slo.collector.model import Config
from slo.collector.options import CollectorOptions
from slo.diagnostics import Diagnostic
from slo.plan import SpecSet
from slo.source import Source, parse_documents
from slo.spec.context import ReadContext
from slo.spec.registry import read_document

PLATFORM = """\
version: slo/v1
kind: Telemetry
destinations:
  - {name: metrics, kind: prometheus, url: "http://prometheus:9090"}
  - {name: logs, kind: loki, url: "http://loki:3100"}
  - {name: traces, kind: jaeger, url: "http://jaeger:4317"}
"""


def service(indicator: str, name: str = "shop", more: str = "") -> str:
    """Return a service with one SLO of *indicator*, written as a flow mapping."""
    return (
        f"version: slo/v1\nservice: {name}\nslos:\n"
        f"  - name: quality\n    objective: 99\n    indicator: {indicator}\n{dedent(more)}"
    )


def read(*documents: str) -> tuple[SpecSet, list[Diagnostic]]:
    """Return what *documents* say, and what is wrong with them."""
    context = ReadContext(builtin_policies())
    specs = SpecSet()
    for document in parse_documents(Source("spec.yaml", "---\n".join(documents))):
        specs = specs.joined(read_document(document, context))
    return specs, context.diagnostics


@dataclass(frozen=True)
class Made:
    """Hold what was made of specs."""

    configs: dict[str, Config]
    codes: list[str]

    @property
    def agent(self) -> Config:
        return self.configs[AGENT]

    @property
    def gateway(self) -> Config:
        return self.configs[GATEWAY]

    def reaches(self, start: str, end: str) -> bool:
        """Tell whether data of pipeline *start* of the gateway gets to exporter *end*."""
        seen, waiting = set(), [start]
        while waiting:
            name = waiting.pop()
            seen.add(name)
            pipeline = self.gateway.pipelines[name]
            if end in pipeline.exporters:
                return True
            waiting += [
                other
                for other, later in self.gateway.pipelines.items()
                if other not in seen and set(later.receivers) & set(pipeline.exporters)
            ]
        return False


def make(*documents: str, **options: Any) -> Made:
    """Return the configurations of *documents*, with options by name."""
    specs, found = read(*documents)
    assert [] == [d for d in found if d.is_error]
    configs, more = collector_configs(specs, CollectorOptions(**options))
    return Made(configs, [d.code for d in (*found, *more)])
