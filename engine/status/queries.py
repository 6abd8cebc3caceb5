"""Hold the queries that read all SLOs at once; their number does not grow with the SLOs."""

from __future__ import annotations

from slo import conventions as names

__all__ = ["ALERTS", "BUDGETS", "BURN_RATES", "EVALUATED", "EVENTS", "TRAFFIC"]

_LENGTH = "([0-9]+[a-z]+)+"

BUDGETS = (
    f'{{__name__=~"{names.INFO}|{names.ERROR_BUDGET_REMAINING}|{names.PROJECTED_BUDGET_REMAINING}'
    f'|{names.TIME_PERIOD_DAYS}|{names.PERIOD_ELAPSED}|{names.COVERAGE}"}}'
)
BURN_RATES = '{__name__=~"slo:sli_error:ratio_.+"}'
EVENTS = '{__name__=~"slo:(error|total)_(events|slices):count.+"}'
TRAFFIC = f'{{__name__=~"{names.TOTAL_EVENTS}:rate{_LENGTH}"}}'
# The objective is recorded with the budget, by the same group, and never lacks data.
EVALUATED = f"timestamp({names.OBJECTIVE})"
# The second one holds since when an alert is active.
ALERTS = f'{{__name__=~"ALERTS|ALERTS_FOR_STATE",{names.LABEL_ID}!=""}}'
