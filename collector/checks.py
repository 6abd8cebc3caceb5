"""Check that telemetry and SLOs fit together."""

from __future__ import annotations

from collections.abc import Iterator

from slo.collector.needs import Needs
from slo.diagnostics import Diagnostic, Severity, sort_diagnostics
from slo.indicators.span_conventions import NAMESPACE
from slo.plan import SpecSet
from slo.schema import closest
from slo.telemetry import ServiceTelemetry, TelemetryPlan

__all__ = ["check_telemetry"]


def check_telemetry(specs: SpecSet, needs: Needs) -> tuple[Diagnostic, ...]:
    """Return what is wrong with the telemetry of *specs*."""
    found: list[Diagnostic] = []
    if not specs.telemetry:
        found += _without_platform(specs)
        return sort_diagnostics(found)
    plan = specs.telemetry[0]
    found += _several_platforms(specs)
    found += _routes(specs, plan)
    found += _jobs(specs)
    found += _histograms(needs)
    found += _metrics(plan, needs)
    found += _attributes(needs)
    found += _unused(plan)
    found += _untaken(specs, plan)
    return sort_diagnostics(found)


def _without_platform(specs: SpecSet) -> Iterator[Diagnostic]:
    declared = [s.telemetry for s in specs.services if s.telemetry is not None]
    if declared:
        yield Diagnostic(
            "SLO701",
            Severity.WARNING,
            "no Telemetry document says where this goes: no collector is configured",
            declared[0].span,
            "add a document with `kind: Telemetry` and its `destinations` to the run",
        )


def _several_platforms(specs: SpecSet) -> Iterator[Diagnostic]:
    for other in specs.telemetry[1:]:
        yield Diagnostic(
            "SLO713",
            Severity.ERROR,
            "a second Telemetry document",
            other.span,
            "put all destinations into one; compile installations one by one",
            (("the first one is here", specs.telemetry[0].span),),
        )


def _routes(specs: SpecSet, plan: TelemetryPlan) -> Iterator[Diagnostic]:
    owners = {slo.owner for slo in specs.slos if slo.owner is not None}
    owners |= {s.telemetry.owner for s in specs.services if s.telemetry and s.telemetry.owner}
    for route in plan.routes:
        if route.owner not in owners:
            guess = closest(route.owner, owners)
            yield Diagnostic(
                "SLO714",
                Severity.WARNING,
                f"no service of this run has owner `{route.owner}`: the route takes nothing",
                route.span,
                f"did you mean `{guess}`?" if guess else "routes go by `owner` of the services",
            )


def _jobs(specs: SpecSet) -> Iterator[Diagnostic]:
    """Report jobs that two services scrape: the collector refuses two of one name."""
    first: dict[str, ServiceTelemetry] = {}
    for telemetry in (s.telemetry for s in specs.services if s.telemetry is not None):
        for scrape in telemetry.scrapes:
            other = first.setdefault(scrape.job, telemetry)
            if other is not telemetry:
                yield Diagnostic(
                    "SLO717",
                    Severity.ERROR,
                    f"job `{scrape.job}` is scraped for `{telemetry.service}` and for "
                    f"`{other.service}`",
                    telemetry.span,
                    "give each its own name; several targets of one job belong to one service",
                    (("the other one is here", other.span),),
                )


def _histograms(needs: Needs) -> Iterator[Diagnostic]:
    """Report latency SLOs that want different things of the one histogram of spans."""
    wanted = [
        (use, words)
        for use in needs.uses
        if use.metric == f"{NAMESPACE}.duration"
        for words in (_histogram_words(use.native, use.unit),)
        if words
    ]
    first = wanted[0] if wanted else None
    for use, words in wanted:
        assert first is not None
        if words != first[1]:
            yield Diagnostic(
                "SLO709",
                Severity.ERROR,
                f"SLO `{use.slo.id}` wants {words}, SLO `{first[0].slo.id}` {first[1]}: "
                "the collector makes one histogram of spans",
                use.slo.span,
                "give all span_latency indicators the same `unit` and `histogram`",
                (("the other one is here", first[0].slo.span),),
            )


def _histogram_words(native: bool, unit: str | None) -> str:
    kind = "a native histogram" if native else "a classic histogram"
    return f"{kind} in {unit}" if unit else ""


def _metrics(plan: TelemetryPlan, needs: Needs) -> Iterator[Diagnostic]:
    """Report SLOs whose metrics go nowhere, or arrive under other names."""
    takers = [d for d in plan.destinations if "metrics" in d.signals and d.default]
    if needs.uses and not takers:
        use = needs.uses[0]
        yield Diagnostic(
            "SLO711",
            Severity.ERROR,
            f"SLO `{use.slo.id}` reads metrics of the collector, and no destination takes them",
            plan.span,
            "add a destination of kind `prometheus`, `victoriametrics` or `mimir`",
        )
        return
    namings = {d.naming for d in takers if d.kind != "datadog"}
    for use in needs.uses:
        if use.naming is not None and namings and use.naming not in namings:
            yield Diagnostic(
                "SLO710",
                Severity.WARNING,
                f"SLO `{use.slo.id}` reads names of translation `{use.naming}`, "
                f"metrics are sent for `{'`, `'.join(sorted(namings))}`",
                use.slo.span,
                "let `naming` of the indicator and of the destination agree",
            )


def _attributes(needs: Needs) -> Iterator[Diagnostic]:
    for label, slo in needs.unknown:
        yield Diagnostic(
            "SLO712",
            Severity.WARNING,
            f"no attribute is known for label `{label}`: an attribute of that name is counted by",
            slo.span,
            "name the attribute in `telemetry: {dimensions: [...]}` of the service",
        )


def _unused(plan: TelemetryPlan) -> Iterator[Diagnostic]:
    routed = {name for route in plan.routes for name in route.destinations}
    for destination in plan.destinations:
        if not destination.default and destination.name not in routed:
            yield Diagnostic(
                "SLO715",
                Severity.WARNING,
                f"nothing is sent to `{destination.name}`: it is no default, and no route names it",
                destination.span,
                "name it in a route, or leave out `default: false`",
            )


def _untaken(specs: SpecSet, plan: TelemetryPlan) -> Iterator[Diagnostic]:
    taken = {signal for destination in plan.destinations for signal in destination.signals}
    for service in specs.services:
        told = service.telemetry
        if told is None:
            continue
        for signal, declared in (("metrics", told.scrapes), ("logs", told.log_files)):
            if declared and signal not in taken:
                yield Diagnostic(
                    "SLO716",
                    Severity.WARNING,
                    f"service `{service.service}` has {signal} to read, "
                    "and no destination takes them",
                    told.span,
                    f"add a destination that takes {signal} to the Telemetry document",
                )
