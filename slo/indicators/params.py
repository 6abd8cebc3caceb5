"""Hold what typed indicators have in common: matchers, grouping and the queries they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slo.promql import quote

__all__ = ["Queries", "aggregation", "matchers"]


@dataclass(frozen=True, slots=True)
class Queries:
    """Hold the error and total query that a typed indicator makes."""

    error: str
    total: str


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
