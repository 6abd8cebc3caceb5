"""Hold what every reader needs besides its document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slo.burnrate import AlertPolicy
from slo.diagnostics import Diagnostic, Severity, Span
from slo.duration import Duration, days

if TYPE_CHECKING:
    from slo.plugins import PluginRegistry

__all__ = ["ReadContext"]


@dataclass(slots=True)
class ReadContext:
    """
    Carry the options of a run to the readers, and their diagnostics back.

    Args:
        default_time_window: Period of an SLO that names none.
        extra_labels: Labels of the command line; they win over those of the specs.
        policies: Alert windows by period, the user's catalogs over the built-in ones.
    """

    policies: Mapping[Duration, AlertPolicy]
    default_time_window: Duration = field(default_factory=lambda: days(30))
    extra_labels: Mapping[str, str] = field(default_factory=dict)
    plugins: PluginRegistry | None = None
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def report(
        self,
        code: str,
        span: Span,
        message: str,
        hint: str | None = None,
        severity: Severity = Severity.ERROR,
        related: tuple[tuple[str, Span], ...] = (),
    ) -> None:
        """Note a problem; reading goes on so that all of them are found."""
        self.diagnostics.append(Diagnostic(code, severity, message, span, hint, related))
