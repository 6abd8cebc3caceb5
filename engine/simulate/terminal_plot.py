"""Plot detection times in a terminal, with characters."""

from __future__ import annotations

from collections.abc import Iterator

from slo.alerts.error_rates import Simulation
from slo.engine.reporters.figures import DIM, RED, YELLOW, Paint
from slo.engine.simulate.axes import percent_marks, time_marks
from slo.engine.simulate.curves import DetectionCurves, detection_curves

__all__ = ["detection_plot"]

_COLUMNS, _ROWS, _MARGIN = 80, 14, 8
# Theory and measured; without colours the shapes alone tell page from ticket.
_GLYPHS = {"page": ("•", "●"), "ticket": ("◦", "○")}
_STYLES = {"page": RED, "ticket": YELLOW}

_Grid = list[list[tuple[str, str]]]


def detection_plot(simulation: Simulation, paint: Paint) -> Iterator[str]:
    """Yield the lines of the plot: time until the first alert, against the share of errors."""
    found = detection_curves(simulation, _COLUMNS)
    if found is None:
        return
    legend = "   ".join(
        paint(f"{theory}{rules} {severity}", _STYLES[severity])
        for severity, (theory, rules) in (
            (curve.severity, _GLYPHS[curve.severity]) for curve in found.curves
        )
    )
    yield f"  Time until the first alert, by share of errors   {legend}   (• theory, ● the rules)"
    grid = _drawn(found)
    marks = {_row(found, mark.value): mark.text for mark in time_marks(found.seconds)}
    for number, row in enumerate(grid):
        label = f"{marks.get(number, ''):>{_MARGIN - 2}} {'┤' if number in marks else '│'}"
        yield f"{paint(label, DIM)}{_line(row, paint)}".rstrip()
    yield paint(_axis(found), DIM)
    yield paint(_labels(found), DIM)


def _row(found: DetectionCurves, seconds: float) -> int:
    return _ROWS - 1 - round(found.seconds.place(seconds) * (_ROWS - 1))


def _column(found: DetectionCurves, ratio: float) -> int:
    return round(found.ratios.place(ratio) * (_COLUMNS - 1))


def _drawn(found: DetectionCurves) -> _Grid:
    grid: _Grid = [[(" ", "")] * _COLUMNS for _ in range(_ROWS)]
    # Pages last, since they matter most where both are in one place.
    for curve in reversed(found.curves):
        style = _STYLES[curve.severity]
        for ratio, seconds in curve.theory:
            if seconds is not None:
                place = (_GLYPHS[curve.severity][0], style)
                grid[_row(found, seconds)][_column(found, ratio)] = place
    for curve in reversed(found.curves):
        for ratio, seconds in curve.measured:
            place = (_GLYPHS[curve.severity][1], _STYLES[curve.severity])
            grid[_row(found, seconds)][_column(found, ratio)] = place
    return grid


def _line(row: list[tuple[str, str]], paint: Paint) -> str:
    return "".join(paint(glyph, style) if style else glyph for glyph, style in row)


def _axis(found: DetectionCurves) -> str:
    ticks = {_column(found, mark.value) for mark in percent_marks(found.ratios)}
    line = "".join("┴" if column in ticks else "─" for column in range(_COLUMNS))
    return f"{'':{_MARGIN - 1}}└{line}"


def _labels(found: DetectionCurves) -> str:
    text = [" "] * (_MARGIN + _COLUMNS + 8)
    free = 0
    for mark in percent_marks(found.ratios):
        start = _MARGIN + _column(found, mark.value) - (len(mark.text) - 2) // 2
        if start >= free:
            text[start : start + len(mark.text)] = mark.text
            free = start + len(mark.text) + 2
    return "".join(text).rstrip()
