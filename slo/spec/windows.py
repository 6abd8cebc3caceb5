"""Read what the budget is for and what it counts: compliance windows and budgeting methods."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from slo.burnrate import MAX_TIME_WINDOW
from slo.diagnostics import Span
from slo.duration import Duration, days, minutes
from slo.plan import Calendar, ComplianceWindow, Timeslices
from slo.schema import closest
from slo.source import Map, Seq, Source, raw_text, span_of
from slo.spec.context import ReadContext
from slo.spec.lowering import value_span

__all__ = ["read_budgeting", "read_windows"]

# Thresholds of alerts are for periods of these lengths; a month or quarter differs by 7 % at most.
_NOMINAL = {"week": days(7), "month": days(30), "quarter": days(90)}
_SHORTEST_FURTHER = days(1)
_SLICES = (minutes(1), minutes(5))


def read_windows(
    context: ReadContext, source: Source, slo: Map
) -> tuple[ComplianceWindow, tuple[ComplianceWindow, ...]] | None:
    """Return the window that alerts are for, and the further ones; `None` when one is wrong."""
    if "window" not in slo:
        return ComplianceWindow(context.default_time_window), ()
    declared = slo["window"]
    entries: list[tuple[Any, Span]] = [(declared, value_span(source, slo, "window"))]
    if isinstance(declared, Seq):
        nodes = zip(declared, declared.nodes, strict=True)
        entries = [(entry, span_of(source, node)) for entry, node in nodes]
    windows: list[ComplianceWindow] = []
    sound = True
    for entry, span in entries:
        window = _window(context, source, entry, span)
        if window is None:
            sound = False
            continue
        if any(window.name == other.name for other in windows):
            context.report(
                "SLO217", span, f"the window `{window.name}` is declared twice", "remove one"
            )
            sound = False
        elif windows and not _SHORTEST_FURTHER <= window.length <= MAX_TIME_WINDOW:
            message = f"a further window of {window.length} is not between 1d and 90d"
            hint = "shorter look-backs are recorded as `slo:sli_error:ratio_rate...`"
            hint = hint if window.length < _SHORTEST_FURTHER else "90d are the longest period"
            context.report("SLO217", span, message, hint)
            sound = False
        windows.append(window)
    return (windows[0], tuple(windows[1:])) if sound else None


def _window(
    context: ReadContext, source: Source, declared: Any, span: Span
) -> ComplianceWindow | None:
    if not isinstance(declared, Map):
        return ComplianceWindow(Duration.parse(declared))
    zone = declared.get("time_zone", "UTC")
    if zone != "UTC":
        from slo.time_zones import is_time_zone, time_zones

        if not is_time_zone(zone):
            message = f"no time zone `{zone}`"
            guess = closest(zone, time_zones())
            hint = "use a name of the IANA database, such as `Europe/Berlin` or `UTC`"
            hint = f"did you mean `{guess}`?" if guess else hint
            context.report("SLO109", value_span(source, declared, "time_zone"), message, hint)
            return None
    unit = declared["calendar"]
    return ComplianceWindow(_NOMINAL[unit], Calendar(unit, zone))


def read_budgeting(context: ReadContext, source: Source, slo: Map) -> Timeslices | None:
    """Return the slices that the budget counts; `None` where it counts events."""
    declared = slo.get("budgeting", "occurrences")
    if not isinstance(declared, Map):
        return None
    kind = next(iter(declared))
    settings: Map = declared[kind]
    length = Duration.parse(settings["slice"])
    if not _SLICES[0] <= length <= _SLICES[1]:
        message = f"a slice of {length} is not between {_SLICES[0]} and {_SLICES[1]}"
        hint = "a server forgets in five minutes what is not recorded again"
        context.report("SLO218", value_span(source, settings, "slice"), message, hint)
    target = Decimal(raw_text(settings, "target")) if "target" in settings else None
    return Timeslices(length, target, settings.get("empty", "excluded"))
