"""
Judge gauges: look at them twice a minute, and count the looks that found something bad.

A plain range cannot compare, so the looks are a subquery. Its steps stand at whole half
minutes, whenever the rule is evaluated, so that evaluations of one window see the same looks.
Both counts come from the same expression: where a series is missing, neither has a value, and
that is no data, not good and not bad.
"""

from __future__ import annotations

from collections.abc import Sequence

from slo.indicators.params import Queries, aggregation

__all__ = ["STEP", "sampled"]

# No more often than metrics are scraped as a rule; a look costs one instant query.
STEP = "30s"


def sampled(condition: str, group_by: Sequence[str]) -> Queries:
    """
    Return the queries for bad looks and for all looks.

    Args:
        condition: Expression that is 1 for what is bad and 0 for what is good.
    """
    looks = f"({condition})[{{{{.window}}}}:{STEP}]"
    every = aggregation(group_by)
    return Queries(f"{every}(sum_over_time({looks}))", f"{every}(count_over_time({looks}))")
