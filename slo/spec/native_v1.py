"""Read the native dialect, `version: slo/v1`: kinds Service and Owners."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from slo import conventions
from slo.burnrate import AlertPolicy
from slo.diagnostics import Diagnostic, Span
from slo.duration import Duration
from slo.indicators.catalog import TYPED
from slo.indicators.params import enclosed, error_from_good
from slo.plan import (
    AlertMeta,
    CompositeIndicator,
    EventsIndicator,
    Indicator,
    Link,
    Member,
    Origin,
    Owner,
    PluginCall,
    RatioIndicator,
    Receiver,
    ServicePlan,
    SloPlan,
    SpecSet,
)
from slo.schema import checker, closest
from slo.source import Document, Map, Source, key_span, raw_text
from slo.spec.context import ReadContext
from slo.spec.lowering import (
    is_sound,
    merged,
    plugin_calls,
    plugin_indicator,
    pruned,
    resolve_policy,
    value_span,
)
from slo.spec.queries import report_query
from slo.spec.windows import read_budgeting, read_windows

__all__ = ["read_owners", "read_service"]

_KINDS = ("Service", "Owners", "GatePolicy", "Packs", "Stack", "Telemetry")
_ORIGIN = Origin("slo-v1", "cli-gen-prom", "slo/v1")


def read_service(document: Document, context: ReadContext) -> SpecSet:
    """Return the plans of a service."""
    if not _known_kind(document, context):
        return SpecSet()
    errors = _checked(document, context, "Service")
    service = pruned(document.root, errors, "slos")
    if service is None or not {"service", "slos"} <= set(service):
        return SpecSet()
    reader = _ServiceReader(document.source, context, service)
    slos = [reader.read(slo) for slo in service["slos"] if is_sound(slo, errors)]
    found = tuple(slo for slo in slos if slo is not None)
    plan = ServicePlan(service["service"], found, document.source.path)
    if "telemetry" in service:
        # Most specs have none.
        from slo.spec.telemetry import read_service_telemetry
        from slo.spec.telemetry_checks import check_service_telemetry

        check_service_telemetry(document.source, service, context)
        plan = plan._replace(telemetry=read_service_telemetry(document.source, service))
    return SpecSet((plan,))


def read_owners(document: Document, context: ReadContext) -> SpecSet:
    """Return the teams of an Owners document."""
    if _checked(document, context, "Owners"):
        return SpecSet()
    owners = [
        Owner(
            name=owner["name"],
            page=_receivers(document.source, owner.get("page")),
            ticket=_receivers(document.source, owner.get("ticket")),
            span=value_span(document.source, owner, "name"),
        )
        for owner in document.root["owners"]
    ]
    return SpecSet(owners=tuple(owners))


def _known_kind(document: Document, context: ReadContext) -> bool:
    root = document.root
    if root.get("kind", "Service") == "Service":
        return True
    guess = closest(str(root["kind"]), _KINDS)
    context.report(
        "SLO104",
        value_span(document.source, root, "kind"),
        f"expected one of {', '.join(f'`{kind}`' for kind in _KINDS)} as `kind`",
        f"did you mean `{guess}`?" if guess else "leave it out for a service",
    )
    return False


def _checked(document: Document, context: ReadContext, definition: str) -> list[Diagnostic]:
    """Check *document* and return the errors in it."""
    assert document.node is not None
    found = checker("slo-v1", definition).check(document.source, document.root, document.node)
    context.diagnostics.extend(found)
    return [d for d in found if d.is_error]


def _receivers(source: Source, declared: Any) -> tuple[Receiver, ...]:
    found = []
    for entry in declared or ():
        kind = next(iter(entry))
        found.append(Receiver(kind, entry[kind], key_span(source, entry, kind)))
    return tuple(found)


def _camel(*words: str) -> str:
    """Return *words* as an alert name, such as `CheckoutAvailabilityErrorBudgetBurn`."""
    letters = "".join(c if c.isalnum() else " " for word in words for c in f"{word} ")
    return "".join(part[0].upper() + part[1:] for part in letters.split()) + "ErrorBudgetBurn"


def _chosen_guard(
    indicator: Indicator, policy: AlertPolicy, objective: Decimal, events_per_hour: Decimal
) -> int:
    """Return the bad events that burn-rate alerts must wait for; 0 where none can be counted."""
    # Of no use to most specs.
    from slo.low_traffic import smallest_guard
    from slo.promql_division import counts_events

    # What one event of a composite weighs depends on its members.
    if isinstance(indicator, CompositeIndicator) or not counts_events(indicator):
        return 0
    return smallest_guard(policy, (100 - objective) / 100, events_per_hour)


class _ServiceReader:
    """Lower the objectives of one service."""

    def __init__(self, source: Source, context: ReadContext, service: Map) -> None:
        self._source = source
        self._context = context
        self._service = service
        self._labels = dict(service.get("labels") or {})
        for key in (conventions.OWNER_LABEL, conventions.TIER_LABEL):
            if key in service:
                self._labels.setdefault(key, service[key])

    def read(self, slo: Map) -> SloPlan | None:
        """Return the plan of *slo*, or `None` when something essential is wrong with it."""
        source, service = self._source, self._service
        objective = Decimal(raw_text(slo, "objective"))
        group_by = tuple(slo.get("group_by") or ())
        indicator = self._indicator(slo["indicator"], slo["name"], objective, group_by)
        timeslices = read_budgeting(self._context, source, slo)
        windows = read_windows(self._context, source, slo)
        if indicator is None or windows is None:
            return None
        window, more_windows = windows
        window_span = value_span(source, slo, "window" if "window" in slo else "name")
        policy = resolve_policy(self._context, window.length, window_span)
        if policy is None:
            return None
        alerting = slo.get("alerting") or {}
        traffic = slo.get("expected_events_per_hour")
        events_per_hour = None if traffic is None else Decimal(str(traffic))
        guard = alerting.get("min_bad_events")
        chosen = 0
        pages = alerting.get("page") is not False
        if guard is None and pages and events_per_hour is not None and timeslices is None:
            chosen = _chosen_guard(indicator, policy, objective, events_per_hour)
        links = merged(service.get("links") or {}, slo.get("links") or {})
        return SloPlan(
            id=f"{service['service']}-{slo['name']}",
            service=service["service"],
            name=slo["name"],
            description=(slo.get("description") or "").strip(),
            objective=objective,
            time_window=window.length,
            indicator=indicator,
            policy=policy,
            origin=_ORIGIN,
            span=value_span(source, slo, "name"),
            objective_span=value_span(source, slo, "objective"),
            labels=merged(self._labels, slo.get("labels") or {}, self._context.extra_labels),
            owner=service.get("owner"),
            tier=service.get("tier"),
            runbook=slo.get("runbook") or service.get("runbook"),
            links=tuple(Link(name, url) for name, url in links.items()),
            group_by=group_by,
            page=self._alert(slo, alerting, "page"),
            ticket=self._alert(slo, alerting, "ticket"),
            min_bad_events=chosen if guard is None else guard,
            min_bad_events_chosen=chosen > 0,
            events_per_hour=events_per_hour,
            timeslices=timeslices,
            calendar=window.calendar,
            more_windows=more_windows,
            plugins=self._plugins(slo),
            alert_on_exhaustion=alerting.get("budget_exhausted", True),
            alert_on_missing_data=alerting.get("missing_data", True),
        )

    def _plugins(self, slo: Map) -> tuple[PluginCall, ...]:
        return plugin_calls(self._source, slo.get("plugins"))

    def _alert(self, slo: Map, alerting: Mapping[str, Any], severity: str) -> AlertMeta | None:
        own = alerting.get(severity, {})
        if own is False:
            return None
        lasting = Duration.parse(alerting["for"]) if "for" in alerting else None
        return AlertMeta(
            name=alerting.get("name") or _camel(self._service["service"], slo["name"]),
            labels=merged(alerting.get("labels") or {}, own.get("labels") or {}),
            annotations=merged(alerting.get("annotations") or {}, own.get("annotations") or {}),
            for_=lasting,
        )

    def _indicator(
        self, declared: Map, name: str, objective: Decimal, group_by: tuple[str, ...]
    ) -> Indicator | None:
        kind = next(iter(declared))
        params: Map = declared[kind]
        if kind == "events":
            return self._events(params)
        if kind == "ratio":
            return self._ratio(params)
        if kind == "composite":
            return self._composite(params, key_span(self._source, declared, kind))
        if kind == "plugin":
            meta = (self._service["service"], name, objective)
            return plugin_indicator(self._context, self._source, params, meta, self._labels)
        span = key_span(self._source, declared, kind)
        queries = TYPED[kind](params, group_by)
        for query in (queries.error, queries.total):
            if not report_query(self._context, span, query, f"`{kind}` with these settings"):
                break
        return EventsIndicator(
            queries.error, queries.total, span, span, good=queries.good, unit=queries.unit
        )

    def _events(self, events: Map) -> Indicator:
        source, total = self._source, events["total"]
        key = "error" if "error" in events else "good"
        good = events.get("good")
        error = events["error"] if good is None else error_from_good(good, total)
        spans = value_span(source, events, key), value_span(source, events, "total")
        return EventsIndicator(error, total, *spans, good=good)

    def _composite(self, composite: Map, span: Span) -> Indicator:
        members = []
        for entry in composite["members"]:
            service, _, name = entry["slo"].rpartition("/")
            weight = Decimal(raw_text(entry, "weight")) if "weight" in entry else Decimal(1)
            slo_id = f"{service or self._service['service']}-{name}"
            members.append(Member(slo_id, weight, value_span(self._source, entry, "slo")))
        return CompositeIndicator(composite["rule"], tuple(members), composite["silent"], span)

    def _ratio(self, ratio: Map) -> Indicator:
        key = "error" if "error" in ratio else "good"
        query = ratio[key]
        error = query if key == "error" else f"1 - {enclosed(query)}"
        return RatioIndicator(error, value_span(self._source, ratio, key))
