"""Count events within a threshold, by classic and by native histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from slo.duration import Duration
from slo.indicators.params import Queries, aggregation, rate, series
from slo.numbers import decimal_text

__all__ = ["Histogram", "in_unit"]

_MILLISECONDS_PER_UNIT = {"seconds": 1000, "milliseconds": 1}


def in_unit(length: str, unit: str) -> Decimal:
    """
    Return the duration *length* as a number of *unit*.

    >>> in_unit("300ms", "seconds")
    Decimal('0.3')
    """
    return Decimal(Duration.parse(length).milliseconds) / _MILLISECONDS_PER_UNIT[unit]


@dataclass(frozen=True, slots=True)
class Histogram:
    """
    Hold a histogram of durations.

    Args:
        metric: Its name, without the ending of its parts.
        unit: `seconds` or `milliseconds`.
        native: It has no parts: each sample is a whole histogram.
    """

    metric: str
    unit: str
    native: bool
    selector: Any
    group_by: Sequence[str]

    @classmethod
    def of(
        cls, params: Mapping[str, Any], metric: str, unit: str, group_by: Sequence[str]
    ) -> Histogram:
        """Return what the settings say, with *metric* and *unit* where they say nothing."""
        return cls(
            params.get("metric", metric),
            params.get("unit", unit),
            params.get("histogram") == "native",
            params.get("selector"),
            group_by,
        )

    def count(self, *matchers: str) -> str:
        """Return the query for all events per second that also pass *matchers*."""
        if self.native:
            return f"histogram_count({self._summed(matchers)})"
        return rate(series(f"{self.metric}_count", self.selector, *matchers), self.group_by)

    def within(self, threshold: str, *matchers: str) -> str:
        """
        Return the query for those events per second that took no longer than *threshold*.

        A native histogram without events has no fraction but NaN, which the comparison drops.
        """
        bound = in_unit(threshold, self.unit)
        if self.native:
            summed = self._summed(matchers)
            share = f"histogram_fraction(0, {decimal_text(bound)}, {summed})"
            return f"{share} * histogram_count({summed}) >= 0"
        selected = series(f"{self.metric}_bucket", self.selector, *matchers, _bucket(bound))
        return rate(selected, self.group_by)

    def latency(self, threshold: str, *matchers: str) -> Queries:
        """Return the queries of an indicator that wants events within *threshold*."""
        queries = Queries.of_good(self.within(threshold, *matchers), self.count(*matchers))
        return replace(queries, unit=self.unit)

    def _summed(self, matchers: Sequence[str]) -> str:
        selected = series(self.metric, self.selector, *matchers)
        return f"{aggregation(self.group_by)}(rate({selected}[{{{{.window}}}}]))"


def _bucket(bound: Decimal) -> str:
    """
    Return the matcher of a bucket's upper bound.

    Prometheus 3 writes whole bounds as floats, `le="1.0"` where version 2 has `le="1"`.
    """
    text = decimal_text(bound)
    return f'le="{text}"' if "." in text else f'le=~"{text}(\\\\.0)?"'
