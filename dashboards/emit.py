"""Turn plans into dashboard files."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence

from slo.artifact import Artifact
from slo.dashboards.model import Dashboard
from slo.errors import ToolError
from slo.plan import ServicePlan, SloPlan, SpecSet

__all__ = ["FOLDER", "KIND", "MISSING", "available", "file_dashboards", "shared_dashboards"]

FOLDER = "dashboards"
KIND = "dashboards"
MISSING = "need the extra `dashboards`: pip install 'slostack[dashboards]'"


def available() -> bool:
    """Tell whether what writes dashboards is installed; it comes with the extra `dashboards`."""
    return importlib.util.find_spec("grafana_foundation_sdk") is not None


def file_dashboards(services: Iterable[ServicePlan], *, exact: bool) -> list[Artifact]:
    """
    Return a dashboard for each SLO of one spec file.

    Args:
        exact: Rules are made by profile `exact`.

    Raises:
        ToolError: The extra `dashboards` is not installed.
    """
    from slo.dashboards.slo_page import slo_dashboard

    return [
        _artifact(f"slo-{plan.id}", slo_dashboard(plan, exact=exact))
        for service in services
        for plan in service.slos
    ]


def shared_dashboards(specs: SpecSet) -> list[Artifact]:
    """
    Return the overview, the detail, and a dashboard for each service and each team.

    A service may stand in several files, so these can only be made when all are read.

    Raises:
        ToolError: The extra `dashboards` is not installed.
    """
    from slo.dashboards.detail import detail_dashboard
    from slo.dashboards.walls import overview_dashboard, service_dashboard, team_dashboard

    if not specs.slos:
        return []
    services = _by(specs.slos, [plan.service for plan in specs.slos])
    owned = [plan for plan in specs.slos if plan.owner]
    teams = _by(owned, [plan.owner or "" for plan in owned])
    return [
        _artifact("slo-overview", overview_dashboard()),
        _artifact("slo-detail", detail_dashboard()),
        *(
            _artifact(f"service-{name}", service_dashboard(name, plans))
            for name, plans in services.items()
        ),
        *(_artifact(f"team-{name}", team_dashboard(name, plans)) for name, plans in teams.items()),
    ]


def _by(plans: Sequence[SloPlan], keys: Sequence[str]) -> dict[str, list[SloPlan]]:
    found: dict[str, list[SloPlan]] = {}
    for key, plan in zip(keys, plans, strict=True):
        found.setdefault(key, []).append(plan)
    return dict(sorted(found.items()))


def _artifact(stem: str, dashboard: Dashboard) -> Artifact:
    try:
        from slo.dashboards.grafana import dashboard_text
    except ImportError as error:
        raise ToolError(f"dashboards {MISSING}") from error
    # A file name takes no slash; owners are free text.
    return Artifact(f"{FOLDER}/{stem.replace('/', '-')}.json", KIND, dashboard_text(dashboard))
