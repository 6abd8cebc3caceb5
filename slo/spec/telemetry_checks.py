"""Check what the schema cannot say of telemetry: addresses, and settings that contradict."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from slo.diagnostics import Span
from slo.source import Map, Source, key_span, span_of
from slo.spec.context import ReadContext
from slo.spec.lowering import value_span

__all__ = ["check_resolver", "check_routes", "check_service_telemetry", "usable_address"]

# What exporters add to an address by themselves.
_ADDED_PATHS = ("/otlp", "/v1/traces", "/v1/metrics", "/v1/logs", "/api/v1/write", "/api/v1/push")
_GRPC_PATHS = "gRPC has no paths: write only host and port"
_NAMED_GROUP = re.compile(r"\(\?P?<[A-Za-z_]\w*>")
# Counters that are always there.
_BUILT_IN_COUNTERS = ("log.record.count", "log.record.error.count")

_Report = Callable[[Span, str, str], None]


def usable_address(source: Source, entry: Map, protocol: str | None, context: ReadContext) -> str:
    """Return the address of a destination; empty, and reported, if nothing can be sent there."""
    url: str = entry.get("url", "")
    problem = _wrong_address(url, protocol) if url else None
    if problem is not None:
        message, hint = problem
        context.report("SLO704", value_span(source, entry, "url"), message, hint)
        return ""
    return url.rstrip("/")


def _wrong_address(url: str, protocol: str | None) -> tuple[str, str] | None:
    usual = "write it as `http://host:port`"
    address = _split(url)
    if address is None or not address.hostname or re.search(r"[\"'<>\\^`{}|]", address.netloc):
        return "the address names no host and port", usual
    if address.username is not None and address.password is None:
        return "the address has a user name inside", "give `username` and `password` beside it"
    if address.query or address.fragment:
        return "the address ends with a query", "give what it says under `headers`"
    path = address.path.rstrip("/")
    if path and protocol == "grpc":
        return f"the address has the path {path}", _GRPC_PATHS
    for added in _ADDED_PATHS:
        # Backends of kind `otlp` have paths of their own, such as `/otlp`; signals follow them.
        if path.endswith(added) and not (added == "/otlp" and protocol == "http"):
            return f"the address ends with {added}, which is added to it", "leave the path out"
    return None


def _split(url: str) -> SplitResult | None:
    try:
        address = urlsplit(url)
        usable = address.port is None or address.port > 0
    except ValueError:
        return None
    return address if usable else None


def check_resolver(source: Source, tier: Map, context: ReadContext) -> None:
    """Report gateways of which there are more than addresses."""
    targets = (tier.get("resolver") or {}).get("static")
    replicas = tier.get("replicas", 1)
    if targets is not None and "replicas" in tier and len(targets) != replicas:
        context.report(
            "SLO717",
            key_span(source, tier["resolver"], "static"),
            f"`replicas` is {replicas}, and `static` has {len(targets)} addresses",
            "name each gateway once",
        )


def check_routes(source: Source, routes: Sequence[Map], context: ReadContext) -> None:
    """Report owners who have several routes."""
    owners = [entry["owner"] for entry in routes]
    for index, owner in enumerate(owners):
        if owner in owners[:index]:
            first = routes[owners.index(owner)]
            context.report(
                "SLO717",
                value_span(source, routes[index], "owner"),
                f"a second route of `{owner}`",
                "name all its destinations in one",
                related=(("the first one is here", value_span(source, first, "owner")),),
            )


def check_service_telemetry(source: Source, service: Map, context: ReadContext) -> None:
    """Report settings of a service's telemetry that contradict each other."""
    declared = service.get("telemetry")
    if declared is None:
        return

    def report(span: Span, message: str, hint: str) -> None:
        context.report("SLO717", span, message, hint)

    logs = declared.get("logs") or Map(declared.node)
    for entry in logs.get("files") or ():
        _check_log_file(source, entry, report)
    counters = logs.get("count") or Map(declared.node)
    for name in counters:
        if name in _BUILT_IN_COUNTERS:
            report(
                key_span(source, counters, name),
                f"`{name}` is always there, and means something else",
                "give this counter a name of its own",
            )
        elif (wrong := _unbalanced(counters[name])) is not None:
            report(
                value_span(source, counters, name),
                f"this condition has {wrong}",
                'write it as in `attributes["event"] == "invoice" and severity_number >= 17`',
            )
    for index, name in _repeated(declared.get("scrape") or (), "job"):
        report(
            value_span(source, declared["scrape"][index], "job"),
            f"a second job `{name}`",
            "name all its targets in one, or give it a name of its own",
        )
    _check_attributes(source, declared.get("attributes") or {}, report)


def _check_log_file(source: Source, entry: Map, report: _Report) -> None:
    form = entry.get("format", "plain")
    pattern = entry.get("pattern")
    if form == "regex" and pattern is None:
        report(
            value_span(source, entry, "format"),
            "format `regex` needs the `pattern` of a line",
            "give `pattern`, with a named group for each field: `(?P<level>[A-Z]+) (?P<text>.*)`",
        )
    if pattern is not None and form != "regex":
        report(
            key_span(source, entry, "pattern"),
            f"`pattern` says nothing to format `{form}`",
            "give `format: regex`; for records of several lines, `starts`",
        )
    if form == "regex" and pattern is not None and not _NAMED_GROUP.search(pattern):
        report(
            value_span(source, entry, "pattern"),
            "`pattern` has no named group, so it yields no field",
            "name a group for each field: `(?P<level>[A-Z]+) (?P<text>.*)`",
        )
    for key in ("severity", "time"):
        if key in entry and form == "plain":
            report(
                key_span(source, entry, key),
                f"`{key}` is a field, and plain lines have none",
                "give `format: json`, or `format: regex` with a `pattern`",
            )


def _check_attributes(source: Source, rules: Any, report: _Report) -> None:
    """Report attributes that two rules want different things of."""
    for first, second in (("keep", "drop"), ("hash", "drop")):
        wanted = rules.get(first) or ()
        for index, name in enumerate(rules.get(second) or ()):
            if name in wanted:
                report(
                    span_of(source, rules[second].nodes[index]),
                    f"attribute `{name}` stands under `{first}`, too",
                    "leave out one of them",
                )


def _repeated(entries: Sequence[Map], key: str) -> Iterator[tuple[int, str]]:
    names = [entry[key] for entry in entries]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield index, name


def _unbalanced(condition: str) -> str | None:
    """Return what a condition of the collector's language opens and does not close, if so."""
    text = re.sub(r'"(?:\\.|[^"\\])*"', "", condition)
    if '"' in text:
        return "a string that is not closed"
    opened: list[str] = []
    pairs = {")": "(", "]": "[", "}": "{"}
    for sign in text:
        if sign in pairs.values():
            opened.append(sign)
        elif sign in pairs and (not opened or opened.pop() != pairs[sign]):
            return f"a `{sign}` too many"
    return f"a `{opened[-1]}` that is not closed" if opened else None
