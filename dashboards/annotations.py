"""
Mark in every plot what people did: deployments, corrections, freezes, overrides.

The engine exposes them at its `/metrics`; where nobody scrapes it, nothing is marked and no
query fails.
"""

from __future__ import annotations

from slo.dashboards.model import Annotation
from slo.dashboards.queries import Scope

__all__ = ["ENGINE_SERIES", "marks"]

# The names are those of `slo.engine.api.standing_metrics`, which tests compare.
_DECIDED = "slo_engine_last_decision_time_seconds"
_CORRECTION = "slo_engine_correction_active"
_FREEZE = "slo_engine_freeze_active"
_OVERRIDE = "slo_engine_override_active"
ENGINE_SERIES = (_CORRECTION, _DECIDED, _FREEZE, _OVERRIDE)


def marks(scope: Scope, service: str, slo: str = "") -> tuple[Annotation, ...]:
    """
    Return the marks for dashboards of a service, or of one of its SLOs.

    Args:
        service: Name, or `$service` for what is chosen; a regular expression.
        slo: Likewise; empty for all of the service.
    """
    # A target is a shell pattern: those that name this service, or this SLO, or all.
    name = f"(\\\\*|{slo})" if slo else ".+"
    target = f'slo=~"(\\\\*|{service})(/{name})?"'
    return (
        Annotation(
            "Deployments",
            f'1000 * {_DECIDED}{{service=~"{service}",verdict="allow"}}',
            "Deployment allowed",
            "{{service}} {{version}} to {{environment}}",
            "blue",
            value_is_time=True,
        ),
        Annotation(
            "Deployments denied",
            f'1000 * {_DECIDED}{{service=~"{service}",verdict!="allow"}}',
            "Deployment {{verdict}}",
            "{{service}} {{version}} to {{environment}}",
            "red",
            value_is_time=True,
        ),
        Annotation(
            "Corrections",
            f"{_CORRECTION}{{{target}}}",
            "Correction: {{category}}",
            "{{effect}} {{reason}}",
            "purple",
        ),
        Annotation(
            "Freezes",
            f"{_FREEZE}{{{target}}}",
            "Freeze",
            "{{slo}} {{environment}} {{reason}}",
            "light-blue",
        ),
        Annotation(
            "Overrides",
            f"{_OVERRIDE}{{{target}}}",
            "Override: {{verdict}}",
            "{{slo}} {{environment}} {{reason}}",
            "yellow",
        ),
        Annotation(
            "Pages",
            f'ALERTS{{alertstate="firing",sloth_severity="page",{scope.matchers}}}',
            "{{alertname}}",
            "{{sloth_service}} {{sloth_slo}} {{long_window}}",
            "orange",
        ),
    )
