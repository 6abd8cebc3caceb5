"""
Write dashboards as Grafana reads them, through the models of its own SDK.

Each panel stands on lines of its own, so that a diff shows which panels changed, and the uid
comes first, so that a file of ours can be told from others.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from string import ascii_uppercase
from typing import Any

from grafana_foundation_sdk.models import (
    bargauge,
    common,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.models import prometheus as prometheus_query

from slo.dashboards.model import (
    Annotation,
    Column,
    Dashboard,
    Kind,
    Link,
    Panel,
    Range,
    Series,
    Step,
    Target,
    Variable,
)

with warnings.catch_warnings():
    # The SDK would rather see version 2, which provisioned files and older servers do not take.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models import dashboard as sdk

__all__ = ["dashboard_text", "grafana_dashboard", "panel_json", "plain_json"]

# A variable, so that a dashboard works whatever the data source is called.
_DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
_WALL_TEXT = common.VizTextDisplayOptions(title_size=24, value_size=64)
_ALL = "$__all"
_NUMBERS = sdk.ThresholdsMode.ABSOLUTE


def dashboard_text(dashboard: Dashboard) -> str:
    """Return *dashboard* as the text of its file; the same for the same content."""
    content = plain_json(grafana_dashboard(dashboard))
    for variable in content["templating"]["list"]:
        # The SDK sets these for every variable; only those of type `interval` have them.
        for key in ("auto", "auto_min", "auto_count"):
            variable.pop(key, None)
    uid = content.pop("uid")
    panels = content.pop("panels")
    lines = [f'  "uid": {_compact(uid)},']
    lines += [f'  "{key}": {_compact(value)},' for key, value in sorted(content.items())]
    shown = ",\n".join(_panel_text(panel) for panel in panels)
    return "{\n" + "\n".join(lines) + f'\n  "panels": [\n{shown}\n  ]\n}}\n'


def panel_json(panel: Panel) -> dict[str, Any]:
    """Return one panel as plain dictionaries and lists."""
    found: dict[str, Any] = plain_json(_panel(panel))
    return found


def _panel_text(panel: dict[str, Any]) -> str:
    lines = [f'      "{key}": {_compact(value)}' for key, value in sorted(panel.items())]
    return "    {\n" + ",\n".join(lines) + "\n    }"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def plain_json(value: Any) -> Any:
    """Return models of the SDK as plain dictionaries and lists."""
    if isinstance(value, (str, int, float)) or value is None:
        # Enumerations of the SDK are strings or numbers as well.
        return value
    if isinstance(value, list):
        return [plain_json(item) for item in value]
    content = value if isinstance(value, dict) else value.to_json()
    return {key: plain_json(item) for key, item in content.items()}


def grafana_dashboard(dashboard: Dashboard) -> sdk.Dashboard:
    """Return *dashboard* as the SDK's model of version 1, which every Grafana in use reads."""
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
        panels=[_panel(panel) for panel in dashboard.panels],
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
            type_val=sdk.VariableType.ADHOC,
            name=variable.name,
            label=variable.label,
            description=variable.description,
            datasource=_DATASOURCE,
        )
    current = sdk.VariableOption(text="All", value=_ALL) if variable.multi else None
    return sdk.VariableModel(
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
    grid = panel.grid
    return sdk.Panel(
        type_val=panel.kind.value,
        id_val=panel.number,
        title=panel.title,
        description=panel.description,
        grid_pos=sdk.GridPos(x=grid.x, y=grid.y, w=grid.width, h=grid.height),
        datasource=_DATASOURCE if panel.targets else None,
        targets=[*_targets(panel)] if panel.targets else None,
        transformations=[*_transformations(panel)] if panel.columns else None,
        options=_OPTIONS[panel.kind](panel),
        field_config=_field_config(panel),
    )


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


def _thresholds(steps: tuple[Step, ...]) -> sdk.ThresholdsConfig:
    return sdk.ThresholdsConfig(
        mode=_NUMBERS, steps=[sdk.Threshold(value=s.value, color=s.color) for s in steps]
    )


def _mapping(shown: Range, place: int) -> sdk.RangeMap:
    return sdk.RangeMap(
        options=sdk.DashboardRangeMapOptions(
            from_val=shown.low,
            to=shown.high,
            result=sdk.ValueMappingResult(text=shown.text, color=shown.color, index=place),
        )
    )


def _mappings(ranges: tuple[Range, ...]) -> list[Any]:
    return [_mapping(shown, place) for place, shown in enumerate(ranges)]


def _field_config(panel: Panel) -> sdk.FieldConfigSource | None:
    if panel.kind is Kind.TEXT:
        return None
    plot = panel.kind is Kind.TIME_SERIES
    mode = sdk.FieldColorModeId.PALETTE_CLASSIC if plot else sdk.FieldColorModeId.THRESHOLDS
    return sdk.FieldConfigSource(
        defaults=sdk.FieldConfig(
            unit=panel.unit,
            decimals=panel.decimals,
            min_val=panel.minimum,
            max_val=panel.maximum,
            thresholds=_thresholds(panel.steps) if panel.steps else None,
            mappings=_mappings(panel.ranges) if panel.ranges else None,
            color=sdk.FieldColor(mode=mode),
            no_value=panel.empty,
            custom=_custom(panel),
        ),
        overrides=[*map(_column, panel.columns), *map(_series, panel.series)],
    )


def _custom(panel: Panel) -> object | None:
    match panel.kind:
        case Kind.TIME_SERIES:
            styles = common.GraphThresholdsStyleMode
            stacking = common.StackingMode
            return common.GraphFieldConfig(
                draw_style=common.GraphDrawStyle.LINE,
                line_width=2,
                fill_opacity=60 if panel.stacked else 0,
                show_points=common.VisibilityMode.NEVER,
                stacking=common.StackingConfig(
                    mode=stacking.NORMAL if panel.stacked else stacking.NONE
                ),
                thresholds_style=common.GraphThresholdsStyleConfig(
                    mode=styles.DASHED if panel.lines else styles.OFF
                ),
            )
        case Kind.STATE_TIMELINE:
            return statetimeline.FieldConfig(line_width=0, fill_opacity=80)
        case _:
            return None


def _column(column: Column) -> sdk.DashboardFieldConfigSourceOverrides:
    properties: list[tuple[str, object]] = []
    if column.unit:
        properties.append(("unit", column.unit))
        properties.append(("decimals", 2))
    if column.steps:
        properties.append(("thresholds", plain_json(_thresholds(column.steps))))
        cell = {"type": "color-background", "mode": "basic"}
        properties.append(("custom.cellOptions", cell))
    if column.ranges:
        properties.append(("mappings", plain_json(_mappings(column.ranges))))
    if column.link:
        properties.append(("links", [{"title": "Open", "url": column.link}]))
    return _override(column.title, properties)


def _series(series: Series) -> sdk.DashboardFieldConfigSourceOverrides:
    properties: list[tuple[str, object]] = []
    if series.color:
        properties.append(("color", {"mode": "fixed", "fixedColor": series.color}))
    if series.dashed:
        properties.append(("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}))
    if series.unit:
        properties.append(("unit", series.unit))
    return _override(series.legend, properties)


def _override(
    name: str, properties: list[tuple[str, object]]
) -> sdk.DashboardFieldConfigSourceOverrides:
    return sdk.DashboardFieldConfigSourceOverrides(
        matcher=sdk.MatcherConfig(id_val="byName", options=name),
        properties=[sdk.DynamicConfigValue(id_val=key, value=value) for key, value in properties],
    )


def _latest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="")


def _stat_options(panel: Panel) -> object:
    modes = common.BigValueColorMode
    return stat.Options(
        color_mode=modes.BACKGROUND_SOLID if panel.wall else modes.VALUE,
        graph_mode=common.BigValueGraphMode.NONE,
        justify_mode=common.BigValueJustifyMode.CENTER,
        text_mode=common.BigValueTextMode.AUTO,
        wide_layout=True,
        reduce_options=_latest(),
        text=_WALL_TEXT if panel.wall else None,
        orientation=common.VizOrientation.AUTO,
    )


def _plot_options(panel: Panel) -> object:
    return timeseries.Options(legend=_legend(), tooltip=_tooltip())


def _legend() -> common.VizLegendOptions:
    return common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        show_legend=True,
        calcs=[],
    )


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions(
        mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING
    )


def _bar_options(panel: Panel) -> object:
    return bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        value_mode=common.BarGaugeValueMode.COLOR,
        name_placement=common.BarGaugeNamePlacement.LEFT,
        show_unfilled=True,
        sizing=common.BarGaugeSizing.AUTO,
        min_viz_width=8,
        min_viz_height=16,
        max_viz_height=300,
        orientation=common.VizOrientation.HORIZONTAL,
        reduce_options=_latest(),
        text=common.VizTextDisplayOptions(title_size=20, value_size=28) if panel.wall else None,
        legend=common.VizLegendOptions(
            display_mode=common.LegendDisplayMode.LIST,
            placement=common.LegendPlacement.BOTTOM,
            show_legend=False,
            calcs=[],
        ),
    )


def _table_options(panel: Panel) -> object:
    height = common.TableCellHeight
    return table.Options(
        frame_index=0,
        show_header=True,
        cell_height=height.LG if panel.wall else height.SM,
    )


def _timeline_options(panel: Panel) -> object:
    return statetimeline.Options(
        show_value=common.VisibilityMode.AUTO,
        row_height=0.9,
        merge_values=True,
        align_value=common.TimelineValueAlignment.LEFT,
        legend=_legend(),
        tooltip=_tooltip(),
    )


def _text_options(panel: Panel) -> object:
    return text.Options(mode=text.TextMode.MARKDOWN, content=panel.text)


_OPTIONS: dict[Kind, Callable[[Panel], object]] = {
    Kind.BAR_GAUGE: _bar_options,
    Kind.STAT: _stat_options,
    Kind.STATE_TIMELINE: _timeline_options,
    Kind.TABLE: _table_options,
    Kind.TEXT: _text_options,
    Kind.TIME_SERIES: _plot_options,
}
