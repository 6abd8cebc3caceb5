"""Put a whole stack together, in the order in which it starts."""

from __future__ import annotations

from collections.abc import Collection

from slo.duration import Duration, days
from slo.errors import ToolError
from slo.stack.components.alertmanager import alertmanager
from slo.stack.components.collector import collectors
from slo.stack.components.context import Compiled, Context, Versions
from slo.stack.components.engine import engine
from slo.stack.components.grafana import grafana
from slo.stack.components.jaeger import jaeger
from slo.stack.components.loki import loki
from slo.stack.components.model import Component, Places, StackPlan
from slo.stack.components.postgres import postgres
from slo.stack.components.prometheus import prometheus
from slo.stack.components.victoria_metrics import (
    cluster_names,
    victoria_metrics,
    vmagent,
    vmalert,
    vminsert,
    vmselect,
    vmstorage,
)
from slo.stack.settings import StackSettings

__all__ = ["component_names", "retention", "stack_plan"]

# Beyond the longest window: what arrives late, and a day to look back from.
_MARGIN = days(2)
_SHORTEST = days(15)
_LOGS, _TRACES = days(14), days(7)


def component_names(settings: StackSettings) -> tuple[str, ...]:
    """Return the components that *settings* ask for, in the order in which they start."""
    parts = settings.parts
    names = [
        *(["postgres"] if "engine" in parts and settings.replica_count("engine") > 1 else []),
        *(["alertmanager"] if "alertmanager" in parts else []),
        *_metrics(settings),
        *(name for name in ("loki", "jaeger") if name in parts),
        *(["collector-gateway", "collector-agent"] if "collector" in parts else []),
        *(name for name in ("engine", "grafana") if name in parts),
    ]
    return tuple(names)


def _metrics(settings: StackSettings) -> tuple[str, ...]:
    if settings.engine == "prometheus":
        return ("prometheus",)
    return cluster_names() if settings.shards > 1 else ("victoria-metrics", "vmalert")


def stack_plan(
    settings: StackSettings,
    compiled: Compiled,
    places: Places,
    *,
    versions: Versions | None = None,
    without: Collection[str] = (),
) -> StackPlan:
    """
    Return every component of the stack with its final arguments and files.

    Args:
        compiled: The specs, and what was compiled from them.
        places: Where things are on the target.
        versions: What configuration is written for; those of our images if left out.
        without: Components that the target cannot run; nobody is told to reach them.

    Raises:
        ToolError: The settings do not fit the specs.
    """
    names = tuple(name for name in component_names(settings) if name not in without)
    kept = retention(settings, compiled)
    context = Context(settings, compiled, places, versions or Versions(), frozenset(names))
    return StackPlan(tuple(_component(name, context, kept) for name in names))


def _component(name: str, context: Context, kept: Duration) -> Component:
    match name:
        case "alertmanager":
            return alertmanager(context)
        case "collector-agent":
            return collectors(context)[1]
        case "collector-gateway":
            return collectors(context)[0]
        case "engine":
            return engine(context)
        case "grafana":
            return grafana(context)
        case "jaeger":
            return jaeger(context, _TRACES)
        case "loki":
            return loki(context, _LOGS)
        case "postgres":
            return postgres(context)
        case "prometheus":
            return prometheus(context, kept)
        case "victoria-metrics":
            return victoria_metrics(context, kept)
        case "vmagent":
            return vmagent(context)
        case "vmalert":
            return vmalert(context)
        case "vminsert":
            return vminsert(context)
        case "vmselect":
            return vmselect(context)
        case "vmstorage":
            return vmstorage(context, kept)
        case _:
            raise KeyError(name)


def retention(settings: StackSettings, compiled: Compiled) -> Duration:
    """
    Return how long samples are kept.

    Raises:
        ToolError: The settings ask for less than a window of the specs looks back.
    """
    windows = [(window.longest, slo) for slo in compiled.specs.slos for window in slo.windows]
    if not windows:
        return settings.retention or days(32)
    longest, slo = max(windows, key=lambda pair: pair[0])
    if settings.retention is None:
        return max(longest + _MARGIN, _SHORTEST)
    if settings.retention < longest:
        raise ToolError(
            f"a retention of {settings.retention} is shorter than the window of `{slo.id}`, which "
            f"looks back {longest}: its budget would forget the rest.\n"
            f"Set `retention: {longest + _MARGIN}` or more, or leave it out"
        )
    return settings.retention
