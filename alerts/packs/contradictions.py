"""Find settings of a pack that are each fine, but not together."""

from __future__ import annotations

from collections.abc import Iterator

from slo.alerts.packs.settings import Settings
from slo.diagnostics import Diagnostic, Severity
from slo.source import Map, Source, key_span

__all__ = ["contradictions"]

# Durations of which the first must be below the second, and what would be wrong otherwise.
_LATE_TICKET = "the ticket would come after the page"
_BELOW = {
    "latency": (("floor", "limit", "no spike would be told before the limit"),),
    "disk": (("page_ahead", "ticket_ahead", _LATE_TICKET),),
    "certificates": (("page_before", "ticket_before", _LATE_TICKET),),
    "clocks": (("max_offset", "page_offset", _LATE_TICKET),),
}


def contradictions(source: Source, given: Map, settings: Settings) -> Iterator[Diagnostic]:
    """Yield what of *given* contradicts the other settings, defaults among them."""
    for lower, upper, consequence in _BELOW.get(settings.pack, ()):
        if settings.duration(lower) < settings.duration(upper):
            continue
        blamed, other = (lower, upper) if lower in given else (upper, lower)
        relation = "not below" if blamed == lower else "not above"
        yield Diagnostic(
            "SLO105",
            Severity.ERROR,
            f"`{blamed}` is {settings.given[blamed]}, {relation} `{other}`, "
            f"which is {settings.given[other]}: {consequence}",
            key_span(source, given, blamed),
            None if other in given else f"{settings.given[other]} is the default; give both",
        )
