"""Measure the share of calls to another service that it answers well and in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.histograms import Histogram
from slo.indicators.naming import naming_of
from slo.indicators.params import Queries, matcher

__all__ = ["lower"]

_ERROR_STATUS = "5..|429"
# OpenTelemetry repeats the status code of an error answer as its error type; any other type
# means that there was no complete answer.
_ANSWERED = "|[1-5][0-9]{2}"


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """Return the queries for calls that failed or took too long, and for all calls per second."""
    names = naming_of(params.get("naming"))
    metric = names.metric("http.client.request.duration", "seconds")
    histogram = Histogram.of(params, metric, "seconds", group_by)
    status = params.get("status_label", names.label("http.response.status_code"))
    error_type = params.get("error_label", names.label("error.type"))
    # A call without an answer has no status code.
    well = (
        matcher(error_type, "=~", _ANSWERED),
        matcher(status, "!~", f"|{params.get('error_status', _ERROR_STATUS)}"),
    )
    if "timeout" in params:
        good = histogram.within(params["timeout"], *well)
    else:
        good = histogram.count(*well)
    return Queries.of_good(good, histogram.count())
