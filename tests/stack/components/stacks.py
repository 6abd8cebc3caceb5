"""Make stacks to test: settings, and what the compiler makes of a spec."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.source import Source
from slo.stack.components.context import Compiled, Versions
from slo.stack.components.model import StackPlan
from slo.stack.components.plan import stack_plan
from slo.stack.settings import Deadman, Exposure, StackSettings
from slo.stack.settings_file import read_settings
from tests.stack.components.places import FlatPlaces

__all__ = ["EVERYTHING_PUBLIC", "SPEC", "VARIANTS", "compiled", "plan", "settings_of"]

SPEC = """\
version: slo/v1
service: checkout
owner: payments
slos:
  - name: availability
    objective: 99.9
    window: 30d
    indicator: {http_availability: {selector: {job: checkout}}}
---
version: slo/v1
kind: Owners
owners:
  - name: payments
    page: [{pagerduty: {routing_key_file: /etc/alertmanager/payments-pagerduty}}]
    ticket: [{webhook: {url: "https://tickets.example.com/hook"}}]
"""

EVERYTHING_PUBLIC = StackSettings(
    name="shop",
    host="slo.example.com",
    expose={
        name: Exposure("0.0.0.0")
        for name in ("alertmanager", "collector-gateway", "engine", "grafana", "prometheus")
    },
)
# One of everything that changes the shape of a stack.
VARIANTS = {
    "plain": StackSettings(),
    "public": EVERYTHING_PUBLIC,
    "scaled": StackSettings(
        engine="victoria-metrics", shards=3, replicas={"engine": 2, "collector-gateway": 3}
    ),
    "victoria": StackSettings(engine="victoria-metrics"),
    "small": StackSettings(parts=frozenset(("alertmanager", "engine"))),
    "bare": StackSettings(parts=frozenset()),
    "watched": StackSettings(deadman=Deadman(), scrape={"checkout": ("checkout:8080",)}),
}


_plans: dict[str, StackPlan] = {}


@cache
def compiled(spec: str = SPEC) -> Compiled:
    """Return what the compiler makes of *spec*."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "checkout.yaml"
        path.write_text(spec, "utf-8")
        result = compile_specs([str(path)], CompileOptions(format="prometheus"))
    assert not result.failed, [str(d) for d in result.diagnostics]
    return Compiled(result.specs, result.artifacts, {"checkout.yaml": spec})


def plan(
    settings: StackSettings | None = None,
    *,
    root: str = "/stack",
    versions: Versions | None = None,
    **more: Any,
) -> StackPlan:
    """Return the plan of *settings* with the compiled spec, all of it below *root*."""
    chosen = settings or StackSettings()
    key = repr((chosen, root, versions, more))
    if key not in _plans:
        places = FlatPlaces(chosen, root)
        _plans[key] = stack_plan(chosen, compiled(), places, versions=versions, **more)
    return _plans[key]


def settings_of(text: str) -> StackSettings:
    """Return the settings that *text* holds below its two first lines."""
    head = "version: slo/v1\nkind: Stack\n"
    return read_settings(Source("slostack.yaml", head + text), Path("/shop"))
