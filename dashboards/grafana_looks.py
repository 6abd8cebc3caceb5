"""Say how panels look, in the models of Grafana's SDK: options, colours, words for numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
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

from slo.dashboards.model import Column, Kind, Panel, Range, Series, Step

with warnings.catch_warnings():
    # The SDK would rather see version 2, which provisioned files and older servers do not take.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.models import dashboard as sdk

__all__ = ["look", "plain_json"]

_WALL_TEXT = common.VizTextDisplayOptions(title_size=24, value_size=64)
_NUMBERS = sdk.ThresholdsMode.ABSOLUTE


def plain_json(value: Any) -> Any:
    """Return models of the SDK as plain dictionaries and lists."""
    if isinstance(value, (str, int, float)) or value is None:
        # Enumerations of the SDK are strings or numbers as well.
        return value
    if isinstance(value, list):
        return [plain_json(item) for item in value]
    content = value if isinstance(value, dict) else value.to_json()
    return {key: plain_json(item) for key, item in content.items()}


def look(panel: Panel) -> dict[str, Any]:
    """Return the options and the field configuration of a panel."""
    found: dict[str, Any] = {"options": _OPTIONS[panel.kind](panel)}
    config = _field_config(panel)
    if config is not None:
        found["fieldConfig"] = config
    return found


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
