"""
Hold a dashboard in our own words, whichever library writes it down.

Only what our dashboards use: a panel says what it shows and what it means; how a plot is drawn
follows from that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

__all__ = [
    "COLUMNS",
    "Annotation",
    "Column",
    "Dashboard",
    "Grid",
    "Kind",
    "Link",
    "Panel",
    "Range",
    "Series",
    "Step",
    "Target",
    "Variable",
    "arranged",
]

# Grafana's grid is so wide.
COLUMNS = 24


class Kind(StrEnum):
    """Name the ways to draw a panel, as Grafana calls them."""

    BAR_GAUGE = "bargauge"
    STAT = "stat"
    STATE_TIMELINE = "state-timeline"
    TABLE = "table"
    TEXT = "text"
    TIME_SERIES = "timeseries"


class Grid(NamedTuple):
    """Place a panel: `x` of 24 columns from the left, `y` rows from the top."""

    x: int
    y: int
    width: int
    height: int


class Target(NamedTuple):
    """
    Ask Prometheus for what a panel shows.

    Args:
        legend: Names the series, with labels as `{{label}}`.
        instant: Only the newest value counts.
    """

    expr: str
    legend: str = ""
    instant: bool = False


class Step(NamedTuple):
    """Give values from *value* on a colour; `None` begins at minus infinity."""

    value: float | None
    color: str


class Range(NamedTuple):
    """Show *text* in place of values between *low* and *high*; `None` is open."""

    low: float | None
    high: float | None
    text: str
    color: str


class Series(NamedTuple):
    """
    Draw the series named *legend* unlike the others.

    Args:
        unit: Its own, where it differs from the panel's.
    """

    legend: str
    color: str = ""
    dashed: bool = False
    unit: str = ""


class Column(NamedTuple):
    """
    Show one column of a table.

    Args:
        field: Label, or `Value #A` for the value of target A.
        unit: Empty for text.
        steps: Colour the cell by its value.
        link: Opened by a click; may name labels as `${__data.fields.LABEL}`.
    """

    field: str
    title: str
    unit: str = ""
    steps: tuple[Step, ...] = ()
    ranges: tuple[Range, ...] = ()
    link: str = ""
    width: int = 0


class Link(NamedTuple):
    """Name an address to go to."""

    title: str
    url: str
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """
    Say what one panel shows.

    Args:
        description: What the numbers mean, for who sees them for the first time.
        unit: Grafana's name of it; required wherever there are targets.
        steps: Colours by value, from below.
        lines: Draw the steps as lines into a plot.
        ranges: Words in place of numbers.
        stacked: Fill the series and put them on top of one another.
        wall: Write the value as large as the panel allows, on a coloured ground.
        sort: Column that a table is sorted by.
        descending: Sort the largest first.
        text: Markdown of a text panel.
        empty: What a panel without values says.
        grid: Place; `arranged` fills in `x` and `y`.
        number: Identity in the dashboard; `arranged` counts from 1.
    """

    kind: Kind
    title: str
    description: str
    targets: tuple[Target, ...] = ()
    unit: str = ""
    width: int = 12
    height: int = 8
    decimals: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    steps: tuple[Step, ...] = ()
    lines: bool = False
    ranges: tuple[Range, ...] = ()
    series: tuple[Series, ...] = ()
    columns: tuple[Column, ...] = ()
    stacked: bool = False
    wall: bool = False
    sort: str = ""
    descending: bool = False
    links: tuple[Link, ...] = ()
    text: str = ""
    empty: str = "no data"
    grid: Grid = field(default_factory=lambda: Grid(0, 0, 0, 0))
    number: int = 0


class Variable(NamedTuple):
    """
    Let people choose a label's value at the top of a dashboard.

    Args:
        query: In the form `label_values(SERIES, LABEL)`; empty for any label of choice.
        multi: Several at once, or all of them.
    """

    name: str
    label: str
    description: str
    query: str = ""
    multi: bool = False


class Annotation(NamedTuple):
    """
    Mark moments or stretches of time in every plot.

    Args:
        text: With labels as `{{label}}`.
        value_is_time: The value of the series is the moment, in Unix milliseconds.
    """

    name: str
    expr: str
    title: str
    text: str
    color: str
    value_is_time: bool = False
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Dashboard:
    """
    Hold one dashboard.

    Args:
        uid: Stays the same for as long as what it shows has the same name.
        since: Where its time range begins, such as `now-7d`.
    """

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    tags: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    links: tuple[Link, ...] = ()
    since: str = "now-7d"
    refresh: str = "1m"


def arranged(rows: list[list[Panel]]) -> tuple[Panel, ...]:
    """
    Place the panels of each row side by side, rows below one another, and number them.

    Panels that do not fit beside the others begin a new line.
    """
    placed: list[Panel] = []
    top = 0
    for row in rows:
        left = highest = 0
        for panel in row:
            if left + panel.width > COLUMNS:
                top, left, highest = top + highest, 0, 0
            grid = Grid(left, top, panel.width, panel.height)
            placed.append(replace(panel, grid=grid, number=len(placed) + 1))
            left += panel.width
            highest = max(highest, panel.height)
        top += highest
    return tuple(placed)
