"""Hold what a run of the compiler was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slo.alerts.exact_rules import DEFAULT_INTERVAL
from slo.duration import Duration, days

__all__ = ["FORMATS", "KINDS", "PROFILES", "CompileOptions"]

PROFILES = ("exact", "sloth")
FORMATS = ("auto", "prometheus", "kubernetes")
KINDS = ("rules", "tests", "alertmanager", "dashboards", "collector")


@dataclass(frozen=True, slots=True, eq=False)
class CompileOptions:
    """
    Hold the options of `slo compile` and of the commands that compile on the way.

    Args:
        format: `auto` writes a custom resource as a `PrometheusRule`, all else as rule files.
        kinds: Which artifacts to make, of `KINDS`.
        labels: Extra labels; they win over those of the specs.
        windows: Folders or files with alert-window catalogs.
        period: Period of an SLO that names none.
        interval: Evaluation interval of the fast groups of profile `exact`.
    """

    profile: str = "exact"
    format: str = "auto"
    kinds: tuple[str, ...] = KINDS
    labels: Mapping[str, str] = field(default_factory=dict)
    windows: tuple[Path, ...] = ()
    plugins: tuple[Path, ...] = ()
    exclude: tuple[str, ...] = ()
    period: Duration = field(default_factory=lambda: days(30))
    interval: Duration = DEFAULT_INTERVAL
    retention: Duration | None = None
    recordings: bool = True
    alerts: bool = True

    @property
    def exact(self) -> bool:
        """Tell whether the rules are made by profile `exact`."""
        return self.profile == "exact"
