"""
Give the same panels to teams who build their dashboards with grafanalib.

    from grafanalib.core import Dashboard
    from slo.dashboards.grafanalib_panels import slo_panels

    dashboard = Dashboard(title="Checkout", panels=slo_panels("checkout", "availability"))

It needs the extra `grafanalib`.
"""

from __future__ import annotations

import json
from typing import Any

from grafanalib import core

from slo import conventions as names
from slo.dashboards.detail import detail_panels
from slo.dashboards.grafana import panel_json
from slo.dashboards.model import Dashboard, Kind, Panel
from slo.dashboards.queries import Scope

__all__ = ["DATASOURCE", "grafanalib_dashboard", "grafanalib_panel", "slo_panels"]

# The uid of the data source that the panels read, unless another one is named.
DATASOURCE = "prometheus"

_CLASSES: dict[Kind, Any] = {
    Kind.BAR_GAUGE: core.BarGauge,
    Kind.STAT: core.Stat,
    Kind.STATE_TIMELINE: core.StateTimeline,
    Kind.TABLE: core.Table,
    Kind.TEXT: core.Text,
    Kind.TIME_SERIES: core.TimeSeries,
}


def slo_panels(service: str, slo: str, datasource: str = DATASOURCE) -> list[Any]:
    """
    Return the panels of one SLO, placed from the top left.

    Args:
        service: As the spec names it.
        slo: Likewise.
        datasource: Its uid.
    """
    scope = Scope(f'{names.LABEL_SERVICE}="{service}",{names.LABEL_SLO}="{slo}"')
    return [grafanalib_panel(panel, datasource) for panel in detail_panels(scope)]


def grafanalib_dashboard(dashboard: Dashboard, datasource: str = DATASOURCE) -> Any:
    """Return a dashboard of ours as one of grafanalib's, to change or to embed."""
    return core.Dashboard(
        title=dashboard.title,
        uid=dashboard.uid,
        description=dashboard.description,
        tags=list(dashboard.tags),
        refresh=dashboard.refresh,
        time=core.Time(dashboard.since, "now"),
        panels=[grafanalib_panel(panel, datasource) for panel in dashboard.panels],
    )


def grafanalib_panel(panel: Panel, datasource: str = DATASOURCE) -> Any:
    """Return *panel* as grafanalib's object of its kind."""
    content: dict[str, Any] = json.loads(
        json.dumps(panel_json(panel)).replace("${datasource}", datasource)
    )
    grid = panel.grid
    common: dict[str, Any] = {
        "title": panel.title,
        "description": panel.description,
        "gridPos": core.GridPos(h=grid.height, w=grid.width, x=grid.x, y=grid.y),
        "id": panel.number,
        # What grafanalib has no words for, or other defaults, is taken from our own panel.
        "extraJson": {key: content[key] for key in ("options", "fieldConfig") if key in content},
    }
    if panel.kind is Kind.TEXT:
        return core.Text(**common, content=panel.text, mode=core.TEXT_MODE_MARKDOWN)
    return _CLASSES[panel.kind](
        **common,
        dataSource=content["datasource"],
        targets=[_target(target) for target in content["targets"]],
        transformations=content.get("transformations", []),
    )


def _target(content: dict[str, Any]) -> Any:
    return core.Target(
        expr=content["expr"],
        legendFormat=content["legendFormat"],
        refId=content["refId"],
        instant=content["instant"],
        format=content["format"],
        datasource=content["datasource"],
    )
