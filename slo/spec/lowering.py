"""Hold the steps that readers share: texts, labels, windows and identities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import yaml

from slo.alert_windows import policy_for
from slo.burnrate import MAX_TIME_WINDOW, MIN_TIME_WINDOW, AlertPolicy
from slo.diagnostics import Diagnostic, Span
from slo.duration import Duration
from slo.errors import PluginError
from slo.numbers import go_float
from slo.plan import EventsIndicator, Indicator, PluginCall, RatioIndicator
from slo.source import Map, Seq, Source, span_of
from slo.spec.context import ReadContext
from slo.spec.queries import report_query

__all__ = [
    "as_text",
    "is_sound",
    "merged",
    "plugin_calls",
    "plugin_indicator",
    "pruned",
    "resolve_policy",
    "texts",
    "value_span",
]


def pruned(root: Any, errors: Iterable[Diagnostic], *deeper: str) -> Map | None:
    """
    Return *root* without the keys that have one of *errors*; `None` when it is no mapping.

    Reading goes on past mistakes, so that a run shows as many of them as it can.

    Args:
        deeper: Keys to keep all the same, since their own parts are pruned later; they must be
            a mapping or a list.
    """
    if not isinstance(root, Map):
        return None
    places = [(d.span.line, d.span.column) for d in errors]
    result = Map(root.node)
    for key, value in root.items():
        key_node, value_node = root.nodes[key]
        kept = isinstance(value, (Map, Seq)) if key in deeper else True
        spoilt = key not in deeper and _any_within(places, value, key_node, value_node)
        if kept and not spoilt:
            result[key] = value
            result.nodes[key] = (key_node, value_node)
    return result


def is_sound(value: Any, errors: Iterable[Diagnostic]) -> bool:
    """Tell whether *value* is a mapping without any of *errors* in it."""
    places = [(d.span.line, d.span.column) for d in errors]
    return isinstance(value, Map) and not _any_within(places, value, value.node, value.node)


def _any_within(
    places: list[tuple[int, int]], value: Any, first: yaml.Node, last: yaml.Node
) -> bool:
    """Tell whether any of *places* is in the nodes, or in what *value* takes from aliases."""
    if not places:
        return False
    if _inside(places, first) or _inside(places, last):
        return True
    if isinstance(value, Map):
        members = [(value[key], *nodes) for key, nodes in value.nodes.items()]
    elif isinstance(value, Seq):
        members = [(m, node, node) for m, node in zip(value, value.nodes, strict=True)]
    else:
        return False
    return any(_any_within(places, *member) for member in members)


def _inside(places: list[tuple[int, int]], node: yaml.Node) -> bool:
    begin = (node.start_mark.line + 1, node.start_mark.column + 1)
    end = (node.end_mark.line + 1, node.end_mark.column + 1)
    return any(begin <= place < max(end, (begin[0], begin[1] + 1)) for place in places)


def value_span(source: Source, container: Map, key: str) -> Span:
    """Return the place of the value of *key*."""
    return span_of(source, container.nodes[key][1])


def as_text(value: Any) -> str:
    """Return a scalar as Go prints it, as sloth does where a text is wanted."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value)
    return "" if value is None else str(value)


def texts(mapping: Mapping[str, Any] | None) -> dict[str, str]:
    """Return *mapping* with every value as text."""
    return {key: as_text(value) for key, value in (mapping or {}).items()}


def merged(*mappings: Mapping[str, str]) -> dict[str, str]:
    """Return one mapping of all, where later ones win."""
    result: dict[str, str] = {}
    for mapping in mappings:
        result.update(mapping)
    return result


def _in_days(length: Duration) -> str:
    return f"{length.seconds / 86_400:g}d"


def resolve_policy(context: ReadContext, time_window: Duration, span: Span) -> AlertPolicy | None:
    """Return the alert windows of *time_window*, or report that there are none."""
    policy = policy_for(time_window, context.policies)
    if policy is None:
        context.report(
            "SLO204",
            span,
            f"no alert windows for a period of {time_window}",
            f"use {_in_days(MIN_TIME_WINDOW)} to {_in_days(MAX_TIME_WINDOW)}, "
            "or give a catalog with --windows",
        )
    return policy


def plugin_calls(source: Source, chain: Any) -> tuple[PluginCall, ...]:
    """Return the SLO plugins of a checked chain."""
    calls = []
    for entry in chain or ():
        span = value_span(source, entry, "id")
        config = entry.get("config") or {}
        calls.append(PluginCall(as_text(entry["id"]), config, entry.get("priority") or 0, span))
    return tuple(calls)


def plugin_indicator(
    context: ReadContext,
    source: Source,
    declared: Map,
    meta: tuple[str, str, Decimal],
    labels: Mapping[str, str],
) -> Indicator | None:
    """
    Return the indicator that an SLI plugin makes, or report why it did not.

    Args:
        meta: Service, name and objective of the SLO.
        labels: Labels of the service.
    """
    span = value_span(source, declared, "id")
    plugin_id = as_text(declared["id"])
    service, name, objective = meta
    try:
        plugin = context.plugins.find_sli(plugin_id) if context.plugins else None
        if plugin is None:
            known = sorted(context.plugins.sli) if context.plugins else []
            hint = f"loaded: {', '.join(known)}" if known else "name its file with --plugins"
            context.report("SLO901", span, f"no SLI plugin `{plugin_id}`", hint)
            return None
        # sloth formats the objective with Go's %f, six digits.
        values = {"service": service, "slo": name, "objective": f"{objective:.6f}"}
        result = plugin.run(values, labels, texts(declared.get("options")))
    except PluginError as error:
        context.report("SLO902", span, f"plugin `{plugin_id}` failed: {error}")
        return None
    queries = (result,) if isinstance(result, str) else result
    if not all(report_query(context, span, q, f"plugin `{plugin_id}`") for q in queries):
        return None
    if len(queries) == 1:
        return RatioIndicator(queries[0], span)
    return EventsIndicator(queries[0], queries[1], span, span)
