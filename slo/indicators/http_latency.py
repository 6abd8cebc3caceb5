"""Measure the share of HTTP requests answered within a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slo.indicators.histograms import Histogram
from slo.indicators.naming import naming_of
from slo.indicators.params import Queries, matcher

__all__ = ["lower"]

_ERROR_STATUS = "5.."


def lower(params: Mapping[str, Any], group_by: Sequence[str]) -> Queries:
    """
    Return the queries for slow and for all requests per second.

    Requests that fail are left out unless the settings say otherwise: availability counts
    them already, and a service that fails fast must not look quick.
    """
    names = naming_of(params.get("naming"))
    metric = names.metric("http.server.request.duration", "seconds")
    histogram = Histogram.of(params, metric, "seconds", group_by)
    if not params.get("only_successful", True):
        return histogram.latency(params["threshold"])
    status = params.get("status_label", names.label("http.response.status_code"))
    answered = matcher(status, "!~", params.get("error_status", _ERROR_STATUS))
    return histogram.latency(params["threshold"], answered)
