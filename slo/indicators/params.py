"""Hold what typed indicators have in common: matchers, grouping and the queries they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slo.promql import quote

__all__ = ["Queries", "aggregation", "enclosed", "error_from_good", "matchers"]


@dataclass(frozen=True, slots=True, eq=False)
class Queries:
    """
    Hold the queries that a typed indicator makes.

    Args:
        good: Query for good events, for indicators that count those; `error` follows from it.
    """

    error: str
    total: str
    good: str | None = None

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


def matchers(selector: Any, *more: str) -> str:
    """
    Return a selector's braces, from label values or from PromQL matchers.

    >>> matchers({"job": "api"}, 'code=~"5.."')
    '{job="api",code=~"5.."}'
    """
    parts: list[str] = []
    if isinstance(selector, Mapping):
        parts = [f"{label}={quote(str(value))}" for label, value in selector.items()]
    elif selector:
        inner = str(selector).strip().removeprefix("{").removesuffix("}").strip().rstrip(",")
        parts = [inner] if inner else []
    parts.extend(more)
    return "{" + ",".join(parts) + "}" if parts else ""


def aggregation(group_by: Sequence[str]) -> str:
    """Return the `sum` that keeps the labels of *group_by*."""
    return f"sum by ({', '.join(group_by)})" if group_by else "sum"
