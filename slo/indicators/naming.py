"""
Translate OpenTelemetry's names the way Prometheus' OTLP receiver does.

Its setting `translation_strategy` decides: whether characters other than letters, digits and
`_` are escaped, and whether units and `_total` are appended. Read off Prometheus 3 by sending
it one metric of each kind under each strategy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["DEFAULT_NAMING", "NAMINGS", "Naming", "naming_of"]

DEFAULT_NAMING = "escaped"

_FOREIGN = re.compile(r"[^a-zA-Z0-9_:]")


class Naming(NamedTuple):
    """
    Hold one of the four translation strategies.

    Args:
        escaped: Dots become underscores.
        suffixes: Names end in their unit, those of counters in `_total`.
    """

    escaped: bool
    suffixes: bool

    def metric(self, name: str, unit: str = "", counter: bool = False) -> str:
        """
        Return the name of a metric, without the ending of a histogram's parts.

        >>> Naming(True, True).metric("http.server.request.duration", "seconds")
        'http_server_request_duration_seconds'
        """
        if self.suffixes:
            name += f"_{unit}" * bool(unit) + "_total" * counter
        return _FOREIGN.sub("_", name) if self.escaped else name

    def label(self, name: str) -> str:
        """Return the name of a label."""
        return _FOREIGN.sub("_", name) if self.escaped else name


NAMINGS: Mapping[str, Naming] = {
    "escaped": Naming(escaped=True, suffixes=True),
    "escaped_without_suffixes": Naming(escaped=True, suffixes=False),
    "utf8": Naming(escaped=False, suffixes=False),
    "utf8_with_suffixes": Naming(escaped=False, suffixes=True),
}


def naming_of(name: str | None) -> Naming:
    """Return the strategy that specs call *name*."""
    return NAMINGS[name or DEFAULT_NAMING]
