"""
Hold the one form that every dialect is lowered to.

Nothing downstream of this module knows which dialect a plan came from, save for the three
labels in `Origin` that sloth's info series prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from slo import conventions
from slo.burnrate import AlertPolicy
from slo.diagnostics import Span
from slo.duration import Duration, days, hours

if TYPE_CHECKING:
    from slo.telemetry import ServiceTelemetry, TelemetryPlan

__all__ = [
    "AlertMeta",
    "Calendar",
    "ComplianceWindow",
    "CompositeIndicator",
    "EventsIndicator",
    "Indicator",
    "KubernetesMeta",
    "Link",
    "Member",
    "Origin",
    "Owner",
    "PluginCall",
    "RatioIndicator",
    "Receiver",
    "ServicePlan",
    "SloPlan",
    "SpecSet",
    "Timeslices",
]


# Small values are named tuples: making a dozen dataclasses costs a small run 6 ms.
_NONE: Mapping[str, str] = {}


class EventsIndicator(NamedTuple):
    """
    Count bad events and all events, each by a PromQL template with `{{.window}}`.

    Args:
        error: Query for the rate of bad events.
        total: Query for the rate of all events.
        good: Query for the rate of good events, where the spec gives that one; `error` is
            then derived from it.
        unit: Of the durations that a typed indicator compares; the queries need not show it.
    """

    error: str
    total: str
    error_span: Span
    total_span: Span
    good: str | None = None
    unit: str | None = None


class RatioIndicator(NamedTuple):
    """Measure the error ratio itself, by one PromQL template with `{{.window}}`."""

    error_ratio: str
    span: Span


class Member(NamedTuple):
    """Name one SLO that a composite counts, by its id, and how much it weighs."""

    id: str
    weight: Decimal
    span: Span


class CompositeIndicator(NamedTuple):
    """
    Measure several SLOs as one.

    Args:
        rule: `weighted` adds up the members' events, times their weights; `series` takes them
            for independent parts that a user needs all of; `worst` takes the worst ratio.
        silent: What a member without data counts as: `ignored`, `good` or `bad`.
    """

    rule: str
    members: tuple[Member, ...]
    silent: str
    span: Span


Indicator = EventsIndicator | RatioIndicator | CompositeIndicator


class Timeslices(NamedTuple):
    """
    Count slices of time instead of events.

    Args:
        length: Of one slice.
        target: Share of good events, in percent, from which on a slice is good; `None` lets
            each slice count by its own ratio (OpenSLO's RatioTimeslices).
        empty: What a slice without events counts as: `excluded`, `good` or `bad`.
    """

    length: Duration
    target: Decimal | None
    empty: str


class Calendar(NamedTuple):
    """Name a calendar period (`week`, `month` or `quarter`) and where its days begin."""

    unit: str
    time_zone: str

    @property
    def longest(self) -> Duration:
        """Return the longest that it can be: an hour more at the end of summer time."""
        return days({"week": 7, "month": 31, "quarter": 92}[self.unit]) + hours(1)


class ComplianceWindow(NamedTuple):
    """
    Hold the period that a budget is for.

    Args:
        length: Of a rolling window; nominal where the calendar decides.
        calendar: `None` for a rolling window.
    """

    length: Duration
    calendar: Calendar | None = None

    @property
    def name(self) -> str:
        """Return what series and their label `sloth_window` call it: `30d`, or `month`."""
        return str(self.length) if self.calendar is None else self.calendar.unit

    @property
    def longest(self) -> Duration:
        """Return how far back its rules look."""
        return self.length if self.calendar is None else self.calendar.longest


class AlertMeta(NamedTuple):
    """Hold what the user says of one severity's alerts; `None` in a plan means disabled."""

    name: str
    labels: Mapping[str, str] = _NONE
    annotations: Mapping[str, str] = _NONE
    for_: Duration | None = None


class Link(NamedTuple):
    """Name an address that helps the person on call."""

    name: str
    url: str


class PluginCall(NamedTuple):
    """Ask for an SLO plugin by its id; a negative priority runs before the default rules."""

    id: str
    config: Mapping[str, Any]
    priority: int
    span: Span


class Origin(NamedTuple):
    """
    Say which dialect a plan was written in.

    Args:
        mode: sloth's word for how it would have been run, a label of its info series.
        spec: sloth's word for the dialect, a label of its info series.
        float_objective: Objective as the binary float that sloth computes with, where that
            is not simply the float of the decimal.
    """

    dialect: str
    mode: str
    spec: str
    float_objective: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SloPlan:
    """
    Describe one objective completely: what is measured, against what, and who is told.

    Args:
        objective: Target in percent, in (0, 100].
        time_window: Compliance period; nominal where *calendar* decides.
        labels: Labels of every recorded series, in sloth's order of precedence.
        group_by: Labels that split this SLO into one per value; `None` when unknown.
        policy: Burn-rate thresholds with their windows, resolved for *time_window*.
        min_bad_events: Bad events in the long window below which no burn-rate alert fires.
        min_bad_events_chosen: The compiler chose that number by the expected traffic.
        events_per_hour: Expected traffic, for the checks that need it.
        timeslices: `None` where events are counted (OpenSLO's Occurrences).
        calendar: `None` for a rolling period.
        more_windows: Further periods that are measured, without alerts of their own.
        override_default_plugins: Run only the listed plugins, as sloth's `overridePrevious`.
        alert_on_exhaustion: Open a ticket when the budget is gone.
        alert_on_missing_data: Open a ticket when the indicator has no data.
    """

    id: str
    service: str
    name: str
    objective: Decimal
    time_window: Duration
    indicator: Indicator
    policy: AlertPolicy
    origin: Origin
    span: Span
    objective_span: Span
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    tier: str | None = None
    runbook: str | None = None
    links: tuple[Link, ...] = ()
    group_by: tuple[str, ...] | None = ()
    page: AlertMeta | None = None
    ticket: AlertMeta | None = None
    min_bad_events: int = 0
    min_bad_events_chosen: bool = False
    events_per_hour: Decimal | None = None
    timeslices: Timeslices | None = None
    calendar: Calendar | None = None
    more_windows: tuple[ComplianceWindow, ...] = ()
    plugins: tuple[PluginCall, ...] = ()
    override_default_plugins: bool = False
    alert_on_exhaustion: bool = True
    alert_on_missing_data: bool = True

    @property
    def error_budget(self) -> Decimal:
        """Return the share of events that may be bad, exactly: `(100 - objective) / 100`."""
        return (100 - self.objective) / 100

    @property
    def window(self) -> ComplianceWindow:
        """Return the period that alerts are for."""
        return ComplianceWindow(self.time_window, self.calendar)

    @property
    def windows(self) -> tuple[ComplianceWindow, ...]:
        """Return all periods, that of the alerts first."""
        return (self.window, *self.more_windows)

    @property
    def identity_labels(self) -> dict[str, str]:
        """Return the labels that identify this SLO in every series."""
        return conventions.identity_labels(self.id, self.service, self.name)

    @property
    def selector(self) -> str:
        """Return the matchers of this SLO's own series."""
        return f'{{{conventions.LABEL_ID}="{self.id}"}}'

    @property
    def full_selector(self) -> str:
        """Return the matchers of this SLO's own series as sloth writes them."""
        return conventions.selector(self.id, self.service, self.name)


class KubernetesMeta(NamedTuple):
    """Carry the metadata of a custom resource over to the object made from it."""

    name: str
    namespace: str | None = None
    labels: Mapping[str, str] = _NONE
    annotations: Mapping[str, str] = _NONE


class ServicePlan(NamedTuple):
    """Hold the SLOs of one document: one service, or one custom resource."""

    service: str
    slos: tuple[SloPlan, ...]
    source: str
    kubernetes: KubernetesMeta | None = None
    telemetry: ServiceTelemetry | None = None


class Receiver(NamedTuple):
    """
    Say where one severity of an owner's alerts goes; exactly one kind per receiver.

    Args:
        kind: `pagerduty`, `slack`, `email` or `webhook`.
        settings: Alertmanager settings of that kind; secrets only as `*_file` paths.
    """

    kind: str
    settings: Mapping[str, Any]
    span: Span


class Owner(NamedTuple):
    """Name a team and the receivers of its pages and tickets."""

    name: str
    page: tuple[Receiver, ...]
    ticket: tuple[Receiver, ...]
    span: Span


class SpecSet(NamedTuple):
    """Hold everything that one run has read."""

    services: tuple[ServicePlan, ...] = ()
    owners: tuple[Owner, ...] = ()
    telemetry: tuple[TelemetryPlan, ...] = ()

    def joined(self, other: SpecSet) -> SpecSet:
        """Return everything of both."""
        return SpecSet(
            self.services + other.services,
            self.owners + other.owners,
            self.telemetry + other.telemetry,
        )

    @property
    def slos(self) -> tuple[SloPlan, ...]:
        """Return the SLOs of all services in reading order."""
        return tuple(slo for service in self.services for slo in service.slos)
