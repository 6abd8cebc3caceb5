"""Write conditions in the collector's transformation language."""

from __future__ import annotations

import json
from collections.abc import Iterable

from slo.collector.destinations import escaped
from slo.collector.needs import SlowSpans

__all__ = ["is_slow", "literal", "of_services"]

_NANOSECONDS = 1_000_000
_SERVICE = 'resource.attributes["service.name"]'


def literal(text: str) -> str:
    """
    Return *text* as a literal.

    >>> literal("$5")
    '"$$5"'
    """
    return escaped(json.dumps(text, ensure_ascii=False))


def of_services(names: Iterable[str]) -> str:
    """
    Return the condition that data comes from one of the services *names*.

    >>> of_services(["cart"])
    'resource.attributes["service.name"] == "cart"'
    """
    return " or ".join(f"{_SERVICE} == {literal(name)}" for name in names)


def is_slow(spans: SlowSpans) -> str:
    """Return the condition that a span takes longer than its SLO allows."""
    parts = []
    if spans.service is not None:
        parts.append(of_services([spans.service]))
    if spans.kind is not None:
        parts.append(f"kind.string == {literal(_kind(spans.kind))}")
    if spans.name is not None:
        parts.append(f"name == {literal(spans.name)}")
    limit = spans.threshold.milliseconds * _NANOSECONDS
    parts.append(f"end_time_unix_nano - start_time_unix_nano > {limit}")
    return " and ".join(parts)


def _kind(value: str) -> str:
    """Return a span kind as the language prints it: `Server` for `SPAN_KIND_SERVER`."""
    return value.removeprefix("SPAN_KIND_").capitalize()
