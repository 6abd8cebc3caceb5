"""Hold what typed indicators have in common: selectors, grouping and the queries they make."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slo.promql import quote

__all__ = [
    "Queries",
    "aggregation",
    "enclosed",
    "error_from_good",
    "label",
    "matcher",
    "matchers",
    "rate",
    "series",
]

# Names outside of this stand in quotes, as from Prometheus 3 on.
_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
_PLAIN_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """
    Hold the queries that a typed indicator makes.

    Args:
        good: Query for good events, for indicators that count those; `error` follows from it.
        unit: Of the durations that they compare, `seconds` or `milliseconds`.
    """

    error: str
    total: str
    good: str | None = None
    unit: str | None = None

    @classmethod
    def of_good(cls, good: str, total: str) -> Queries:
        """Return the queries of an indicator that counts good events."""
        return cls(error_from_good(good, total), total, good)


def error_from_good(good: str, total: str) -> str:
    """
    Return the query for bad events: all events but the good ones.

    Good events that do not exist count as none, so that a wrong selector is loud: it shows as
    an outage, not as an objective that is always met. The two sides can be scraped at
    slightly different moments, hence never below zero.
    """
    every = enclosed(total)
    return f"clamp_min({every} - ({enclosed(good)} or 0 * {every}), 0)"


def enclosed(query: str) -> str:
    """Return *query* in parentheses that a comment at its end does not swallow."""
    return f"({query}\n)" if "#" in query else f"({query})"


def label(name: str) -> str:
    """Return a label name, in quotes where PromQL asks for them."""
    return name if _PLAIN_LABEL.match(name) else quote(name)


def matcher(name: str, operator: str, value: str) -> str:
    """
    Return one matcher.

    >>> matcher("code", "=~", "5.."), matcher("http.route", "=", "/pay")
    ('code=~"5.."', '"http.route"="/pay"')
    """
    return f"{label(name)}{operator}{quote(value)}"


def matchers(selector: Any, *more: str) -> str:
    """
    Return a selector's braces, from label values or from PromQL matchers.

    >>> matchers({"job": "api"}, 'code=~"5.."')
    '{job="api",code=~"5.."}'
    """
    inner = ",".join(_parts(selector, more))
    return f"{{{inner}}}" if inner else ""


def _parts(selector: Any, more: Sequence[str]) -> list[str]:
    parts: list[str] = []
    if isinstance(selector, Mapping):
        parts = [matcher(name, "=", str(value)) for name, value in selector.items()]
    elif selector:
        inner = str(selector).strip().removeprefix("{").removesuffix("}").strip().rstrip(",")
        parts = [inner] if inner else []
    return [*parts, *more]


def series(metric: str, selector: Any, *more: str) -> str:
    """
    Return the selector of *metric*.

    >>> series("up", {"job": "api"}), series("http.requests", None, 'code="500"')
    ('up{job="api"}', '{"http.requests",code="500"}')
    """
    if _PLAIN_METRIC.match(metric):
        return metric + matchers(selector, *more)
    return "{" + ",".join((quote(metric), *_parts(selector, more))) + "}"


def rate(selected: str, group_by: Sequence[str]) -> str:
    """Return the events per second of the counters *selected*, summed up."""
    return f"{aggregation(group_by)}(rate({selected}[{{{{.window}}}}]))"


def aggregation(group_by: Sequence[str], function: str = "sum") -> str:
    """
    Return an aggregation that keeps the labels of *group_by*.

    >>> aggregation(["route"]), aggregation([], "max")
    ('sum by (route)', 'max')
    """
    if not group_by:
        return function
    return f"{function} by ({', '.join(label(name) for name in group_by)})"
