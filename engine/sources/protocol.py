"""Say what a source of metrics answers, whichever library asks the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from slo.duration import Duration
from slo.errors import ToolError

__all__ = [
    "Answer",
    "BadAnswer",
    "MetricsSource",
    "QueryRefused",
    "SourceSeries",
    "TooMuchData",
    "Unavailable",
]


class QueryRefused(ToolError):
    """Say that the server understood the request and will not answer it."""


class TooMuchData(QueryRefused):
    """Say that the server could answer for a shorter time."""


class Unavailable(ToolError):
    """Say that the server did not answer; it, or another one, may do so later."""


class BadAnswer(ToolError):
    """Say that what came back is not the answer of a Prometheus."""


class SourceSeries(NamedTuple):
    """
    Hold one series of an answer.

    Args:
        labels: With the name of the metric as `__name__`, where there is one.
        samples: Unix time in seconds, and value.
    """

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


class Answer(NamedTuple):
    """
    Hold what a query found.

    Args:
        warnings: The server's words, such as that a part of it did not answer.
        answered_at: Unix time by the server's own clock, where it is known.
    """

    series: tuple[SourceSeries, ...]
    warnings: tuple[str, ...] = ()
    answered_at: float | None = None


class MetricsSource(Protocol):
    """Answer PromQL queries; each within a deadline, or with a `ToolError`."""

    url: str

    def instant(self, query: str, at: float | None = None) -> Answer:
        """
        Return the series of *query* at one moment, each with one sample.

        Args:
            at: Unix time in seconds; now if left out.

        Raises:
            TooMuchData: The query reads more than the server allows.
            ToolError: There is no usable answer.
        """
        ...

    def range(self, query: str, start: float, end: float, step: Duration) -> Answer:
        """
        Return the series of *query*, evaluated every *step*.

        Args:
            start: Unix time in seconds.
            end: Unix time in seconds, included where a step falls on it.

        Raises:
            TooMuchData: The query reads more than the server allows.
            ToolError: There is no usable answer.
        """
        ...

    def head_start(self) -> float | None:
        """Return the Unix time of the oldest sample that is not in a block yet, if known."""
        ...
