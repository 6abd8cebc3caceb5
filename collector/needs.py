"""
Find out what the SLOs need of the collector, from the very queries that are compiled.

Names agree by construction: a query is compared with the names that the collector's metrics
get under each translation, made by the same functions that typed indicators use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import promql_parser as ast

from slo.duration import Duration
from slo.indicators.log_events import ALL_RECORDS, BAD_RECORDS
from slo.indicators.naming import NAMINGS, Naming
from slo.indicators.span_conventions import NAMESPACE
from slo.plan import EventsIndicator, RatioIndicator, SloPlan
from slo.promql import PromqlError, Selector, parse_template, selector_of, walk

__all__ = ["Needs", "SlowSpans", "Use", "needs_of"]

_MILLISECONDS = {"milliseconds": 1, "seconds": 1000}
_SUFFIXES = ("_bucket", "_count", "_sum", "")
# Prometheus adds these by itself, or the connector always has them.
_BUILT_IN_SPAN = ("service.name", "span.name", "span.kind", "status.code", "collector.instance.id")
_BUILT_IN_LOG = ("service.name", "collector.instance.id")
_OF_THE_SERVER = frozenset(("job", "instance", "le", "__name__"))
# A whole bound is matched as `300(\.0)?`, since Prometheus 3 writes it as a float.
_BOUND = re.compile(r"([0-9.]+)(?:\(\\\.0\)\?)?\Z")

# Attributes of OpenTelemetry's semantic conventions that SLOs are usually cut by. A label is
# the attribute's name with underscores, which does not tell where the dots were.
_CONVENTIONS = (
    "client.address",
    "cloud.availability_zone",
    "cloud.region",
    "db.namespace",
    "db.operation.name",
    "db.system",
    "db.system.name",
    "deployment.environment",
    "deployment.environment.name",
    "error.type",
    "exception.type",
    "faas.trigger",
    "host.name",
    "http.method",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "http.status_code",
    "k8s.cluster.name",
    "k8s.container.name",
    "k8s.deployment.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "log.file.name",
    "messaging.destination.name",
    "messaging.operation.type",
    "messaging.system",
    "network.protocol.name",
    "peer.service",
    "rpc.grpc.status_code",
    "rpc.method",
    "rpc.response.status_code",
    "rpc.service",
    "rpc.system",
    "rpc.system.name",
    "server.address",
    "service.instance.id",
    "service.namespace",
    "service.version",
    "url.path",
    "url.scheme",
    "user_agent.name",
)


class SlowSpans(NamedTuple):
    """
    Describe the spans that violate a latency SLO.

    Args:
        service: Value of `service.name`; `None` for any.
    """

    threshold: Duration
    service: str | None
    kind: str | None
    name: str | None


class Use(NamedTuple):
    """
    Say that an SLO reads one of the collector's metrics.

    Args:
        metric: Name in the collector, such as `traces.span.metrics.calls`.
        naming: Translation that the query expects; `None` where several give that name.
        unit: Of a histogram; `None` where the name does not tell.
    """

    slo: SloPlan
    metric: str
    naming: str | None
    unit: str | None = None
    native: bool = False


@dataclass(slots=True)
class Needs:
    """
    Hold what the SLOs of a run need.

    Args:
        bounds: Thresholds that the histogram must have as bounds.
        span_attributes: What span metrics must keep apart, with the SLO that wants it.
        log_attributes: The same for counts of log records.
        unknown: Labels that no attribute is known for, taken as they are.
        span_names: An SLO tells spans apart by name.
    """

    uses: list[Use] = field(default_factory=list)
    bounds: set[Duration] = field(default_factory=set)
    slow: list[SlowSpans] = field(default_factory=list)
    span_attributes: dict[str, SloPlan] = field(default_factory=dict)
    log_attributes: dict[str, SloPlan] = field(default_factory=dict)
    unknown: list[tuple[str, SloPlan]] = field(default_factory=list)
    span_names: bool = False

    @property
    def spans(self) -> bool:
        """Tell whether any SLO reads span metrics."""
        return any(use.metric.startswith(f"{NAMESPACE}.") for use in self.uses)

    @property
    def seconds(self) -> bool:
        """Tell whether durations are wanted in seconds."""
        return any(use.unit == "seconds" for use in self.uses)

    @property
    def native(self) -> bool:
        """Tell whether native histograms are wanted."""
        return any(use.native for use in self.uses)


class _Known(NamedTuple):
    metric: str
    namings: tuple[str, ...]
    unit: str | None
    histogram: bool


def needs_of(
    slos: Iterable[SloPlan], log_counters: Iterable[str] = (), attributes: Iterable[str] = ()
) -> Needs:
    """
    Return what *slos* need.

    Args:
        log_counters: Counters of log records that the specs define, besides the usual two.
        attributes: Attributes that the specs declare, to find again in labels.
    """
    reader = _Reader(
        _known_metrics((ALL_RECORDS, BAD_RECORDS, *log_counters)),
        tuple(dict.fromkeys((*attributes, *_CONVENTIONS))),
    )
    for slo in slos:
        reader.read(slo)
    return reader.needs


def _known_metrics(log_counters: Iterable[str]) -> dict[str, _Known]:
    """Return the names in queries of all metrics that the collector can make."""
    found: dict[str, _Known] = {}

    def add(name: str, metric: str, naming: str, unit: str | None, histogram: bool) -> None:
        before = found.get(name)
        namings = (*before.namings, naming) if before else (naming,)
        found[name] = _Known(metric, namings, unit, histogram)

    for word, naming in NAMINGS.items():
        calls = f"{NAMESPACE}.calls"
        add(naming.metric(calls, counter=True), calls, word, None, False)
        duration = f"{NAMESPACE}.duration"
        for unit in _MILLISECONDS if naming.suffixes else (None,):
            name = naming.metric(duration, unit or "")
            for suffix in _SUFFIXES:
                add(name + suffix, duration, word, unit, True)
        for counter in log_counters:
            add(naming.metric(counter, counter=True), counter, word, None, False)
    return found


class _Reader:
    """Collect what SLO after SLO needs."""

    def __init__(self, known: Mapping[str, _Known], attributes: tuple[str, ...]) -> None:
        self.needs = Needs()
        self._known = known
        self._attributes = attributes

    def read(self, slo: SloPlan) -> None:
        for query in _queries(slo):
            try:
                tree = parse_template(query)
            except PromqlError:
                # The checks report it.
                continue
            bounds = dict(_native_bounds(tree))
            for node in walk(tree):
                if isinstance(node, ast.VectorSelector):
                    self._read_selector(slo, selector_of(node), bounds)

    def _read_selector(
        self, slo: SloPlan, selector: Selector, bounds: Mapping[Selector, Decimal]
    ) -> None:
        known = self._known.get(selector.metric)
        if known is None:
            return
        # Only native histograms are read as a whole.
        native = known.histogram and not selector.metric.endswith(_SUFFIXES[:-1])
        naming = known.namings[0] if len(known.namings) == 1 else None
        if known.histogram and known.unit is None and isinstance(slo.indicator, EventsIndicator):
            # Not in the name, so the indicator's own word counts.
            known = known._replace(unit=slo.indicator.unit)
        use = Use(slo, known.metric, naming, known.unit, native)
        if use not in self.needs.uses:
            self.needs.uses.append(use)
        bound = bounds.get(selector) if native else _bucket_bound(selector)
        translation = NAMINGS[known.namings[0]]
        if bound is not None:
            self._read_bound(bound, known, selector, translation, native)
        labels = [m.label for m in selector.matchers]
        is_span = known.metric.startswith(f"{NAMESPACE}.")
        for label in dict.fromkeys((*labels, *(slo.group_by or ()))):
            self._read_label(slo, label, translation, is_span)

    def _read_bound(
        self, bound: Decimal, known: _Known, selector: Selector, naming: Naming, native: bool
    ) -> None:
        threshold = Duration(int(bound * _MILLISECONDS[known.unit or "milliseconds"]))
        equal = {m.label: m.value for m in selector.matchers if m.op == "="}
        if not native:
            self.needs.bounds.add(threshold)
        service = equal.get(naming.label("service.name"))
        if service is None and "job" in equal:
            # Prometheus makes `job` of namespace and name.
            service = equal["job"].rpartition("/")[2]
        slow = SlowSpans(
            threshold,
            service,
            equal.get(naming.label("span.kind")),
            equal.get(naming.label("span.name")),
        )
        if slow not in self.needs.slow:
            self.needs.slow.append(slow)

    def _read_label(self, slo: SloPlan, label: str, naming: Naming, is_span: bool) -> None:
        built_in = _BUILT_IN_SPAN if is_span else _BUILT_IN_LOG
        if is_span and label == naming.label("span.name"):
            self.needs.span_names = True
        if label in _OF_THE_SERVER or label in map(naming.label, built_in):
            return
        wanted = self.needs.span_attributes if is_span else self.needs.log_attributes
        for attribute in self._attributes:
            if naming.label(attribute) == label:
                wanted.setdefault(attribute, slo)
                return
        if label not in wanted:
            wanted[label] = slo
            self.needs.unknown.append((label, slo))


def _queries(slo: SloPlan) -> tuple[str, ...]:
    indicator = slo.indicator
    if isinstance(indicator, EventsIndicator):
        return (indicator.error, indicator.total)
    return (indicator.error_ratio,) if isinstance(indicator, RatioIndicator) else ()


def _bucket_bound(selector: Selector) -> Decimal | None:
    for matcher in selector.matchers:
        if matcher.label == "le" and matcher.op in ("=", "=~"):
            match = _BOUND.match(matcher.value)
            return Decimal(match[1]) if match else None
    return None


def _native_bounds(tree: Any) -> Iterator[tuple[Selector, Decimal]]:
    """Yield the selectors inside `histogram_fraction`, each with the upper bound."""
    for node in walk(tree):
        if isinstance(node, ast.Call) and node.func.name == "histogram_fraction":
            upper = node.args[1]
            if isinstance(upper, ast.NumberLiteral):
                for inner in walk(node.args[2]):
                    if isinstance(inner, ast.VectorSelector):
                        yield selector_of(inner), Decimal(repr(upper.val))
