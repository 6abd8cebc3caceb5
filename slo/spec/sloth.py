"""
Read sloth's two dialects, `prometheus/v1` and the resource `PrometheusServiceLevel`.

They hold the same fields, in snake case and in camel case. Sloth decodes through JSON: keys
match in any letter case, numbers and booleans pass for text, unknown keys are ignored
(`pkg/prometheus/api/v1`, `pkg/kubernetes/api/sloth/v1`, sloth v0.16).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from slo.diagnostics import Diagnostic, Severity
from slo.plan import (
    AlertMeta,
    EventsIndicator,
    Indicator,
    KubernetesMeta,
    Origin,
    RatioIndicator,
    ServicePlan,
    SloPlan,
    SpecSet,
)
from slo.schema import checker, load_schema
from slo.source import Document, Map, Seq, Source, key_span, raw_text, span_of
from slo.spec.context import ReadContext
from slo.spec.lowering import (
    as_text,
    is_sound,
    merged,
    plugin_calls,
    plugin_indicator,
    pruned,
    resolve_policy,
    texts,
    value_span,
)

__all__ = ["read_prometheus_v1", "read_service_level"]


@dataclass(frozen=True, slots=True)
class _Keys:
    """Spell the keys that differ between the two dialects."""

    schema: str
    definition: str
    origin: Origin
    plugins: str
    override: str
    error_ratio: str
    error: str
    total: str
    page: str
    ticket: str


_SNAKE = _Keys(
    "sloth-prometheus-v1",
    "Spec",
    Origin("sloth-prometheus-v1", "cli-gen-prom", "prometheus/v1"),
    "slo_plugins",
    "overridePrevious",
    "error_ratio_query",
    "error_query",
    "total_query",
    "page_alert",
    "ticket_alert",
)
_CAMEL = _Keys(
    "sloth-k8s-v1",
    "PrometheusServiceLevel",
    Origin("sloth-k8s-v1", "cli-gen-k8s", "sloth.slok.dev/v1"),
    "sloPlugins",
    "overridePrevious",
    "errorRatioQuery",
    "errorQuery",
    "totalQuery",
    "pageAlert",
    "ticketAlert",
)
# The plugin with which sloth's users switch from PromQL to MetricsQL.
_METRICSQL = "sloth.dev/contrib/validate_victoria_metrics/v1"
_QUERY_KEYS = ("error_ratio_query", "error_query", "total_query")


def read_prometheus_v1(document: Document, context: ReadContext) -> SpecSet:
    """Return the plans of a `prometheus/v1` document."""
    errors = _checked(document, context, _SNAKE)
    spec = pruned(document.root, errors, "slos")
    return _Reader(document.source, context, _SNAKE, errors).read(spec, None)


def read_service_level(document: Document, context: ReadContext) -> SpecSet:
    """Return the plans of a `PrometheusServiceLevel` resource."""
    errors = _checked(document, context, _CAMEL)
    root = pruned(document.root, errors, "spec")
    if root is None or "metadata" not in root:
        return SpecSet()
    metadata = root["metadata"]
    kubernetes = KubernetesMeta(
        name=as_text(metadata["name"]),
        namespace=as_text(metadata["namespace"]) if metadata.get("namespace") else None,
        labels=texts(metadata.get("labels")),
        annotations=texts(metadata.get("annotations")),
    )
    spec = pruned(root.get("spec"), errors, "slos")
    return _Reader(document.source, context, _CAMEL, errors).read(spec, kubernetes)


def _checked(document: Document, context: ReadContext, keys: _Keys) -> list[Diagnostic]:
    """Check *document* and return the errors in it."""
    schema = load_schema(keys.schema)
    definitions = schema["$defs"]
    _fold_case(document, context, document.root, definitions[keys.definition], definitions)
    assert document.node is not None
    found = checker(keys.schema, keys.definition, lenient=True).check(
        document.source, document.root, document.node
    )
    if _is_metricsql(document.root, keys):
        found = [d for d in found if d.code != "SLO301"]
    context.diagnostics.extend(found)
    return [d for d in found if d.is_error]


def _is_metricsql(root: Any, keys: _Keys) -> bool:
    """Tell whether the document asks for VictoriaMetrics' dialect, which we cannot parse."""
    spec = root.get("spec", root)
    if not isinstance(spec, Map):
        return False
    slos = spec.get("slos")
    owners = [spec.get(keys.plugins)]
    owners += (
        [s.get("plugins") for s in slos if isinstance(s, Map)] if isinstance(slos, Seq) else []
    )
    chains = [plugins.get("chain") for plugins in owners if isinstance(plugins, Map)]
    return any(
        isinstance(call, Map) and call.get("id") == _METRICSQL
        for chain in chains
        if isinstance(chain, Seq)
        for call in chain
    )


def _fold_case(
    document: Document, context: ReadContext, value: Any, schema: Any, definitions: Any
) -> None:
    """Rename keys to the spelling of *schema* and drop nulls, as Go's JSON decoder does."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, list):
        for member in value:
            _fold_case(document, context, member, schema.get("items", {}), definitions)
    properties = schema.get("properties")
    if not isinstance(value, Map) or not properties:
        return
    for written in list(value):
        key = written
        if key not in properties:
            known = _same_key(key, properties)
            if known is None or known in value:
                continue
            if known.lower() != key.lower():
                context.report(
                    "SLO101",
                    key_span(document.source, value, key),
                    f"`{key}` is read as `{known}`",
                    "other tools may ignore it; use the documented spelling",
                    Severity.WARNING,
                )
            value[known] = value.pop(key)
            value.nodes[known] = value.nodes.pop(key)
            key = known
        if value[key] is None:
            del value[key], value.nodes[key]
            continue
        _fold_case(document, context, value[key], properties[key], definitions)


def _same_key(key: str, properties: Any) -> str | None:
    for known in properties:
        if known.lower() == key.lower():
            return str(known)
        # Both spellings of the queries are found in sloth's own test data.
        if known in _QUERY_KEYS and known.replace("_", "") == key.lower():
            return str(known)
    return None


class _Reader:
    """Lower one checked document."""

    def __init__(
        self, source: Source, context: ReadContext, keys: _Keys, errors: list[Diagnostic]
    ) -> None:
        self._source = source
        self._context = context
        self._keys = keys
        self._errors = errors

    def read(self, spec: Map | None, kubernetes: KubernetesMeta | None) -> SpecSet:
        if spec is None or not {"service", "slos"} <= set(spec):
            return SpecSet()
        service = as_text(spec["service"])
        sound = [slo for slo in spec["slos"] if is_sound(slo, self._errors)]
        slos = [self._slo(spec, service, slo) for slo in sound]
        found = tuple(slo for slo in slos if slo is not None)
        return SpecSet((ServicePlan(service, found, self._source.path, kubernetes),))

    def _slo(self, spec: Map, service: str, slo: Map) -> SloPlan | None:
        keys, context, source = self._keys, self._context, self._source
        name = as_text(slo["name"])
        objective = Decimal(raw_text(slo, "objective"))
        labels = texts(spec.get("labels"))
        indicator = self._indicator(slo["sli"], (service, name, objective), labels)
        time_window = context.default_time_window
        policy = resolve_policy(context, time_window, span_of(source, slo.node))
        if indicator is None or policy is None:
            return None
        group, own = spec.get(keys.plugins) or {}, slo.get("plugins") or {}
        override = bool(own.get(keys.override))
        inherited = () if override else plugin_calls(source, group.get("chain"))
        alerting = slo.get("alerting") or {}
        page, ticket = self._alert(alerting, keys.page), self._alert(alerting, keys.ticket)
        if (page or ticket) and not alerting.get("name"):
            span = key_span(source, slo, "alerting" if "alerting" in slo else "name")
            hint = f"add `name`, or disable `{keys.page}` and `{keys.ticket}`"
            context.report("SLO214", span, "the alerts have no name", hint)
        return SloPlan(
            id=f"{service}-{name}",
            service=service,
            name=name,
            description=as_text(slo.get("description")),
            objective=objective,
            time_window=time_window,
            indicator=indicator,
            policy=policy,
            origin=keys.origin,
            span=value_span(source, slo, "name"),
            objective_span=value_span(source, slo, "objective"),
            labels=merged(labels, texts(slo.get("labels")), context.extra_labels),
            page=page,
            ticket=ticket,
            owner=labels.get("owner"),
            plugins=(*inherited, *plugin_calls(source, own.get("chain"))),
            override_default_plugins=override or bool(group.get(keys.override)),
        )

    def _indicator(
        self, sli: Map, meta: tuple[str, str, Decimal], labels: dict[str, str]
    ) -> Indicator | None:
        source, keys = self._source, self._keys
        if "events" in sli:
            events = sli["events"]
            return EventsIndicator(
                error=as_text(events[keys.error]),
                total=as_text(events[keys.total]),
                error_span=value_span(source, events, keys.error),
                total_span=value_span(source, events, keys.total),
            )
        if "raw" in sli:
            raw = sli["raw"]
            span = value_span(source, raw, keys.error_ratio)
            return RatioIndicator(as_text(raw[keys.error_ratio]), span)
        return plugin_indicator(self._context, source, sli["plugin"], meta, labels)

    def _alert(self, alerting: Any, key: str) -> AlertMeta | None:
        alert = alerting.get(key) or {}
        if alert.get("disable"):
            return None
        return AlertMeta(
            name=as_text(alerting.get("name")),
            labels=merged(texts(alerting.get("labels")), texts(alert.get("labels"))),
            annotations=merged(texts(alerting.get("annotations")), texts(alert.get("annotations"))),
        )
