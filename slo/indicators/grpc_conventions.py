"""Know how the conventions for gRPC metrics name things and spell status codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from slo.indicators.naming import naming_of
from slo.indicators.params import matcher

__all__ = ["Convention", "convention_of"]

# Server errors by OpenTelemetry's conventions for gRPC, in gRPC's own spelling.
_ERROR_CODES = (
    "Unknown",
    "DeadlineExceeded",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
)
# Numbered as in gRPC's status codes.
_CODES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)
# OpenTelemetry spells this one with two l.
_OTEL_SPELLING = {"Canceled": "CANCELLED"}
_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Convention(NamedTuple):
    """
    Hold one convention's names.

    Args:
        counter: Metric that counts calls by status code.
        histogram: Metric of durations, without the ending of its parts.
        unit: Of the histogram.
        failed: Regular expression of the status codes that count as bad.
        coded: The histogram has the status code as a label.
    """

    counter: str
    histogram: str
    unit: str
    code_label: str
    failed: str
    coded: bool

    def matcher(self, operator: str) -> str:
        """Return the matcher of failed calls (`=~`) or of all others (`!~`)."""
        return matcher(self.code_label, operator, self.failed)


def convention_of(params: Mapping[str, Any]) -> Convention:
    """Return the convention that the settings choose, with the names that they give."""
    codes = params.get("error_codes", _ERROR_CODES)
    chosen = params.get("convention", "grpc_prometheus")
    if chosen == "grpc_prometheus":
        # Its histogram lacks the status code, unless somebody says where it is.
        coded = "code_label" in params
        names = ("grpc_server_handled_total", "grpc_server_handling_seconds", "seconds")
        label, spelled = "grpc_code", list(codes)
    else:
        coded = True
        naming = naming_of(params.get("naming"))
        if chosen == "otel":
            metric, unit = naming.metric("rpc.server.call.duration", "seconds"), "seconds"
            label, spelled = "rpc.response.status_code", [_otel(code) for code in codes]
        else:
            metric, unit = naming.metric("rpc.server.duration", "milliseconds"), "milliseconds"
            label, spelled = "rpc.grpc.status_code", [_number(code) for code in codes]
        names = (f"{metric}_count", metric, unit)
        label = naming.label(label)
    return Convention(*names, params.get("code_label", label), "|".join(spelled), coded)


def _otel(code: str) -> str:
    if code not in _CODES:
        return code
    return _OTEL_SPELLING.get(code, _WORD_START.sub("_", code).upper())


def _number(code: str) -> str:
    return str(_CODES.index(code)) if code in _CODES else code
