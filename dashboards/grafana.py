"""
Write dashboards as Grafana reads them, through the models of its own SDK.

Each panel stands on lines of its own, so that a diff shows which panels changed, and the uid
comes first, so that a file of ours can be told from others.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from string import ascii_uppercase
from typing import Any

from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import prometheus as prometheus_query

from slo.dashboards.grafana_looks import look, plain_json
from slo.dashboards.model import Annotation, Dashboard, Kind, Link, Panel, Target, Variable

with warnings.catch_warnings():
    # The SDK would rather see version 2, which provisioned files and older servers do not take.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models import dashboard as sdk

__all__ = ["dashboard_text", "grafana_dashboard", "panel_json"]

# A variable, so that a dashboard works whatever the data source is called.
_DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
_ALL = "$__all"
# The SDK sets these for every variable; only those of type `interval` have them.
_NO_INTERVAL: dict[str, None] = {"auto": None, "auto_min": None, "auto_count": None}
# Values of the SDK turn into dictionaries while they are written.
_compact = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, default=lambda value: value.to_json()
).encode


def dashboard_text(dashboard: Dashboard) -> str:
    """Return *dashboard* as the text of its file; the same for the same content."""
    content = _frame(dashboard).to_json()
    uid = content.pop("uid")
    lines = [f'  "uid": {_compact(uid)},']
    lines += [f'  "{key}": {_compact(value)},' for key, value in sorted(content.items())]
    shown = ",\n".join(map(_panel_text, dashboard.panels))
    return "{\n" + "\n".join(lines) + f'\n  "panels": [\n{shown}\n  ]\n}}\n'


def panel_json(panel: Panel) -> dict[str, Any]:
    """Return one panel as plain dictionaries and lists."""
    found: dict[str, Any] = plain_json(_panel(panel))
    return found


def _panel_text(panel: Panel) -> str:
    texts = {key: _compact(value) for key, value in _asked(panel).to_json().items()}
    texts |= _look_texts(replace(panel, title="", description="", targets=(), number=0))
    lines = ",\n".join(f'      "{key}": {texts[key]}' for key in sorted(texts))
    return f"    {{\n{lines}\n    }}"


@lru_cache(maxsize=1024)
def _look_texts(panel: Panel) -> dict[str, str]:
    """Return how a panel looks, which is the same for thousands of SLOs."""
    return {key: _compact(value) for key, value in look(panel).items()}


def grafana_dashboard(dashboard: Dashboard) -> sdk.Dashboard:
    """Return *dashboard* as the SDK's model of version 1, which every Grafana in use reads."""
    made = _frame(dashboard)
    made.panels = [_panel(panel) for panel in dashboard.panels]
    return made


def _frame(dashboard: Dashboard) -> sdk.Dashboard:
    """Return a dashboard without its panels."""
    return sdk.Dashboard(
        uid=dashboard.uid,
        title=dashboard.title,
        description=dashboard.description,
        tags=list(dashboard.tags),
        timezone="browser",
        editable=True,
        graph_tooltip=sdk.DashboardCursorSync.CROSSHAIR,
        time=sdk.DashboardDashboardTime(from_val=dashboard.since, to="now"),
        refresh=dashboard.refresh,
        templating=sdk.DashboardDashboardTemplating(
            list_val=[_datasource_variable(), *map(_variable, dashboard.variables)]
        ),
        annotations=sdk.AnnotationContainer(
            list_val=[_stored_annotations(), *map(_annotation, dashboard.annotations)]
        ),
        links=[_link(link) for link in dashboard.links],
    )


def _datasource_variable() -> sdk.VariableModel:
    return sdk.VariableModel(
        **_NO_INTERVAL,
        type_val=sdk.VariableType.DATASOURCE,
        name="datasource",
        label="Data source",
        description="The server that holds the recorded series.",
        query="prometheus",
        current=sdk.VariableOption(text="default", value="default"),
    )


def _variable(variable: Variable) -> sdk.VariableModel:
    if not variable.query:
        return sdk.VariableModel(
            **_NO_INTERVAL,
            type_val=sdk.VariableType.ADHOC,
            name=variable.name,
            label=variable.label,
            description=variable.description,
            datasource=_DATASOURCE,
        )
    current = sdk.VariableOption(text="All", value=_ALL) if variable.multi else None
    return sdk.VariableModel(
        **_NO_INTERVAL,
        type_val=sdk.VariableType.QUERY,
        name=variable.name,
        label=variable.label,
        description=variable.description,
        datasource=_DATASOURCE,
        query={"query": variable.query, "refId": "StandardVariableQuery"},
        definition=variable.query,
        # Services and groups come and go while a dashboard is open.
        refresh=sdk.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=sdk.VariableSort.ALPHABETICAL_ASC,
        multi=variable.multi,
        include_all=variable.multi,
        all_value=".*" if variable.multi else None,
        current=current,
    )


def _stored_annotations() -> sdk.AnnotationQuery:
    """Return what people and pipelines have told Grafana itself."""
    return sdk.AnnotationQuery(
        name="Annotations & Alerts",
        datasource=common.DataSourceRef(type_val="grafana", uid="-- Grafana --"),
        enable=True,
        hide=True,
        icon_color="rgba(0, 211, 255, 1)",
        type_val="dashboard",
        built_in=1,
    )


def _annotation(annotation: Annotation) -> sdk.AnnotationQuery:
    return sdk.AnnotationQuery(
        name=annotation.name,
        datasource=_DATASOURCE,
        enable=annotation.enabled,
        icon_color=annotation.color,
        expr=annotation.expr,
        title_format=annotation.title,
        text_format=annotation.text,
        step="60s",
        use_value_for_time=annotation.value_is_time,
    )


def _link(link: Link) -> sdk.DashboardLink:
    return sdk.DashboardLink(
        title=link.title,
        type_val=sdk.DashboardLinkType.LINK,
        icon="external link" if "://" in link.url else "dashboard",
        tooltip=link.tooltip,
        url=link.url,
        target_blank="://" in link.url,
        keep_time="://" not in link.url,
    )


def _panel(panel: Panel) -> sdk.Panel:
    made = _asked(panel)
    seen = look(panel)
    made.options, made.field_config = seen["options"], seen.get("fieldConfig")
    return made


def _asked(panel: Panel) -> sdk.Panel:
    """Return a panel with its place and queries, without its look."""
    grid = panel.grid
    made = sdk.Panel(
        type_val=panel.kind.value,
        id_val=panel.number,
        title=panel.title,
        description=panel.description,
        grid_pos=sdk.GridPos(x=grid.x, y=grid.y, w=grid.width, h=grid.height),
        datasource=_DATASOURCE if panel.targets else None,
        targets=[*_targets(panel)] if panel.targets else None,
        transformations=[*_transformations(panel)] if panel.columns else None,
    )
    # The SDK sets it for every panel; only repeated ones have it.
    made.repeat_direction = None
    return made


def _targets(panel: Panel) -> Iterator[prometheus_query.Dataquery]:
    table_format = panel.kind is Kind.TABLE
    for letter, target in zip(ascii_uppercase, panel.targets, strict=False):
        yield _target(target, letter, table_format)


def _target(target: Target, letter: str, as_table: bool) -> prometheus_query.Dataquery:
    formats = prometheus_query.PromQueryFormat
    return prometheus_query.Dataquery(
        ref_id=letter,
        datasource=_DATASOURCE,
        expr=target.expr,
        legend_format=target.legend or "__auto",
        instant=target.instant,
        range_val=not target.instant,
        format_val=formats.TABLE if as_table else formats.TIME_SERIES,
        editor_mode=prometheus_query.QueryEditorMode.CODE,
    )


def _transformations(panel: Panel) -> Iterator[sdk.DataTransformerConfig]:
    """Join the answers by their labels, sort, and keep the columns in their order."""
    yield sdk.DataTransformerConfig(id_val="merge", options={})
    yield sdk.DataTransformerConfig(
        id_val="sortBy",
        options={"fields": {}, "sort": [{"field": panel.sort, "desc": panel.descending}]},
    )
    yield sdk.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": {c.field: place for place, c in enumerate(panel.columns)},
            "renameByName": {c.field: c.title for c in panel.columns},
        },
    )
