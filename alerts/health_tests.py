"""Make the promtool test of the rules that watch the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slo.artifact import Artifact

if TYPE_CHECKING:
    from slo.alerts.emit import EmitOptions

__all__ = ["health_test"]


def health_test(options: EmitOptions) -> list[Artifact]:
    """Return the test file of the health rules."""
    return []
