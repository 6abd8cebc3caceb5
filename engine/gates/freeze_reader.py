"""Read the freezes of a policy: once, again and again, or on dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from slo.diagnostics import Diagnostic, Severity, Span
from slo.duration import Duration
from slo.engine.gates.policy import PolicyFreeze, Scope
from slo.engine.ledger.records import Freeze, Target
from slo.errors import InvalidRecord
from slo.schema import closest
from slo.source import Map, Source, span_of
from slo.time_zones import is_time_zone, time_zones

__all__ = ["read_freeze"]

_LONGEST = 366 * 86_400.0
# So far from the first occurrence a recurrence is looked at for a gap.
_LOOK = 120 * 86_400.0


class _Mistake(Exception):
    def __init__(self, key: str, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.key, self.code, self.message, self.hint = key, code, message, hint


def read_freeze(source: Source, entry: Map, diagnostics: list[Diagnostic]) -> PolicyFreeze | None:
    """Return the freeze that *entry* declares, or `None` with a diagnostic."""
    try:
        zone = _zone(entry)
        spans = tuple(_spans(entry, zone))
        _check_end(entry, spans)
    except _Mistake as mistake:
        key = mistake.key if mistake.key in entry else "name"
        span: Span = span_of(source, entry.nodes[key][1])
        diagnostics.append(
            Diagnostic(mistake.code, Severity.ERROR, mistake.message, span, mistake.hint)
        )
        return None
    scope = Scope(*(tuple(entry.get(key, ())) for key in ("slos", "tiers", "environments")))
    return PolicyFreeze(entry["name"], entry["reason"], scope, zone, spans)


def _zone(entry: Map) -> str:
    zone: str = entry.get("time_zone", "UTC")
    if is_time_zone(zone):
        return zone
    guess = closest(zone, time_zones())
    hint = "use a name of the IANA database, such as `Europe/Berlin` or `UTC`"
    hint = f"did you mean `{guess}`?" if guess else hint
    raise _Mistake("time_zone", "SLO109", f"no time zone `{zone}`", hint)


def _spans(entry: Map, zone: str) -> Iterator[Freeze]:
    dates = entry.get("dates")
    if (dates is None) == ("start" not in entry):
        hint = "`start` with `length` or `end`, or `dates` for whole days"
        raise _Mistake("dates", "SLO607", "exactly one of `start` and `dates` is needed", hint)
    if dates is not None:
        for key in ("repeats", "end", "length"):
            if key in entry:
                message = f"`{key}` does not go with `dates`: they are whole days"
                raise _Mistake(key, "SLO607", message, "write a freeze of its own with `start`")
        for date in dates:
            first = _moment("dates", date)
            yield _span(entry, zone, first, first + timedelta(days=1), None)
        return
    start = _moment("start", entry["start"])
    if ("end" in entry) == ("length" in entry):
        hint = "`length: 62h`, or `end: 2026-11-30 06:00`"
        raise _Mistake("start", "SLO603", "exactly one of `end` and `length` is needed", hint)
    if "end" in entry:
        end = _moment("end", entry["end"])
        if end <= start:
            raise _Mistake("end", "SLO603", "the freeze ends before it begins", "swap the two")
    else:
        end = start + timedelta(seconds=Duration.parse(entry["length"]).seconds)
    yield _span(entry, zone, start, end, entry.get("repeats"))


def _moment(key: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        message = f"`{text}` is no date: {error}"
        raise _Mistake(key, "SLO607", message, "such as `2026-11-27 16:00`") from error


def _span(entry: Map, zone: str, start: datetime, end: datetime, repeats: str | None) -> Freeze:
    local = ZoneInfo(zone)
    first = start.replace(tzinfo=local).timestamp()
    if repeats is not None:
        _check_recurrence(repeats, first, zone)
    return Freeze(
        id=entry["name"],
        target=Target(),
        start=first,
        end=first + (end - start).total_seconds()
        if repeats is not None
        else end.replace(tzinfo=local).timestamp(),
        reason=entry["reason"],
        created_by="policy",
        created_at=0.0,
        recurrence=repeats,
        time_zone=zone,
    )


def _check_recurrence(repeats: str, first: float, zone: str) -> None:
    try:
        from slo.engine.ledger.recurrence import check_recurrence
    except ModuleNotFoundError as error:
        hint = "pip install 'slostack[engine]'"
        message = f"a recurrence needs the Python package {error.name}"
        raise _Mistake("repeats", "SLO607", message, hint) from error
    try:
        check_recurrence(repeats, first, zone)
    except InvalidRecord as error:
        raise _Mistake("repeats", "SLO607", str(error)) from error


def _check_end(entry: Map, spans: tuple[Freeze, ...]) -> None:
    """Refuse a freeze that nobody would live to see the end of."""
    hint = "end it, or deny deployments by a rule"
    for span in spans:
        if span.end - span.start > _LONGEST:
            message = "the freeze lasts longer than a year"
            raise _Mistake("length" if "length" in entry else "end", "SLO603", message, hint)
        if span.recurrence is None:
            continue
        from slo.engine.ledger.recurrence import occurrences

        found = occurrences(span, span.start, span.start + _LOOK)
        if any(end - start >= _LOOK for start, end in found):
            message = "the freeze never ends: each occurrence begins before the last one is over"
            raise _Mistake("repeats", "SLO603", message, hint)
