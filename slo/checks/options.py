"""Hold what the checks know besides the plan."""

from __future__ import annotations

from dataclasses import dataclass

from slo.duration import Duration

__all__ = ["CheckOptions"]


@dataclass(frozen=True, slots=True, eq=False)
class CheckOptions:
    """
    Carry the options of a run to the checks.

    Args:
        exact: Whether the rules are made by profile `exact`.
        retention: How long the server keeps samples, if the user says.
    """

    exact: bool = True
    retention: Duration | None = None
