"""Draw burn rate, firing alerts and budget over time, one chart for each group of an SLO."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo

from slo.alerts.backtest_result import Backtest, GroupBacktest
from slo.duration import Duration
from slo.engine.reporters.figures import (
    days_text,
    factor_text,
    objective_text,
    percent_text,
    time_text,
)
from slo.engine.simulate import svg
from slo.engine.simulate.axes import LogAxis, power_marks
from slo.engine.simulate.comparison import Comparison, group_name

__all__ = ["backtest_svg"]

_WIDTH, _LEFT, _RIGHT = 1000, 110, 132
_BURN_TOP, _BURN_HEIGHT = 58, 200
_LANE, _BUDGET_HEIGHT, _BOTTOM = 16, 120, 40
_LOWEST_BURN = 0.1
_MOST_DATES = 10
# What happens in a version that is compared with.
_SIDES = ("after", "before")

_Place = Callable[[float], float]


def backtest_svg(comparisons: Sequence[Comparison], zone: tzinfo) -> str:
    """
    Return an SVG file of backtests.

    Args:
        comparisons: Without another version, `before` is `None`.
    """
    shapes: list[str] = []
    offset = 0
    for comparison in comparisons:
        shown = comparison.after or comparison.before
        assert shown is not None
        for group in shown.groups:
            chart = _Chart(comparison, shown, group, zone, offset)
            shapes += chart.shapes()
            offset += chart.height
    if not shapes:
        shapes = [svg.text(_LEFT, 40, "Nothing was measured", "title")]
    title = "Burn rate, firing alerts and remaining error budget over time"
    return svg.document(_WIDTH, max(offset, 80), title, shapes)


class _Chart:
    """Draw one group."""

    def __init__(
        self,
        comparison: Comparison,
        test: Backtest,
        group: GroupBacktest,
        zone: tzinfo,
        offset: int,
    ) -> None:
        self._test, self._group, self._zone, self._offset = test, group, zone, offset
        self._lanes = [
            (severity, side, found)
            for severity in ("page", "ticket")
            for side in _SIDES
            if (found := _same_group(getattr(comparison, side), group)) is not None
        ]
        self._compared = comparison.before is not None and comparison.after is not None
        self._before = _same_group(comparison.before, group) if self._compared else None
        self._lanes_top = _BURN_TOP + _BURN_HEIGHT + 8
        self._budget_top = self._lanes_top + len(self._lanes) * _LANE + 30
        self.height = self._budget_top + _BUDGET_HEIGHT + _BOTTOM

    def _x(self, moment: float) -> float:
        share = (moment - self._test.since) / max(self._test.until - self._test.since, 1)
        return _LEFT + min(max(share, 0.0), 1.0) * (_WIDTH - _LEFT - _RIGHT)

    def shapes(self) -> Iterator[str]:
        """Yield everything from top to bottom."""
        plan, group, offset = self._test.plan, self._group, self._offset
        period = days_text(plan.time_window) if plan.calendar is None else f"a {plan.calendar.unit}"
        labels = f" {{{group_name(group.labels)}}}" if group.labels else ""
        name = f"{plan.service} {plan.name}{labels}"
        title = f"{name}: {objective_text(plan.objective, period)}"
        yield svg.text(_LEFT, offset + 24, title, "title")
        zone_name = datetime.fromtimestamp(self._test.until, self._zone).tzname() or "UTC"
        words = f"Burn rate: 1x spends the budget in exactly one period. Times in {zone_name}."
        yield svg.text(_LEFT, offset + 44, words, "soft")
        yield from self._dates()
        yield from self._burn()
        yield from self._firing()
        yield from self._budget()

    def _dates(self) -> Iterator[str]:
        since = datetime.fromtimestamp(self._test.since, self._zone)
        day = since.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        days = max(1, round((self._test.until - self._test.since) / 86_400))
        stride = -(-days // _MOST_DATES)
        top = self._offset + _BURN_TOP
        bottom = self._offset + self._budget_top + _BUDGET_HEIGHT
        while day.timestamp() <= self._test.until:
            x = self._x(day.timestamp())
            yield svg.line(x, top, x, bottom, "grid")
            yield svg.text(x, bottom + 18, f"{day:%d %b}", "soft middle")
            day += timedelta(days=stride)

    def _burn(self) -> Iterator[str]:
        plan, group = self._test.plan, self._group
        pairs = [
            (severity, pair)
            for severity, meta, found in (
                ("page", plan.page, plan.policy.pages),
                ("ticket", plan.ticket, plan.policy.tickets),
            )
            if meta is not None
            for pair in found
        ]
        limits = [float(pair.threshold(plan.time_window)) for _, pair in pairs]
        rates = [v for v in group.burn_rates if v is not None and v < float("inf")]
        axis = LogAxis(_LOWEST_BURN, max([10.0, *limits, *rates]) * 1.3)
        top = self._offset + _BURN_TOP
        bottom = top + _BURN_HEIGHT

        def y(rate: float) -> float:
            return bottom - axis.place(rate) * (bottom - top)

        for mark in power_marks(axis):
            yield svg.line(_LEFT, y(mark.value), _WIDTH - _RIGHT, y(mark.value), "grid")
            yield svg.text(_LEFT - 8, y(mark.value) + 4, f"{mark.text}x", "soft end")
        columns = _columns(group.burn_rates, _WIDTH - _LEFT - _RIGHT, max)
        yield svg.path(self._strokes(columns, y), "burn thin")
        free = float("inf")
        for limit, (severity, pair) in sorted(
            zip(limits, pairs, strict=True), key=lambda found: found[0]
        ):
            yield svg.line(_LEFT, y(limit), _WIDTH - _RIGHT, y(limit), f"{severity} thin dashed")
            # Thresholds may be closer than lines of text.
            free = min(y(limit) + 4, free - 14)
            words = f"{factor_text(limit)} {severity} {pair.long_window}"
            yield svg.text(_WIDTH - _RIGHT + 8, free, words, f"{severity}-text")
        yield svg.path([[(_LEFT, top), (_LEFT, bottom), (_WIDTH - _RIGHT, bottom)]], "frame")
        yield from self._shades(top, bottom)

    def _shades(self, top: float, bottom: float) -> Iterator[str]:
        for severity in ("ticket", "page"):
            for stretch in self._group.stretches(severity):
                end = self._test.until if stretch.end is None else stretch.end
                left = self._x(stretch.start)
                width = max(1.0, self._x(end) - left)
                yield svg.rectangle(left, top, width, bottom - top, f"{severity}-fill shade")

    def _strokes(
        self, columns: Sequence[tuple[float, float | None]], y: _Place
    ) -> list[list[tuple[float, float]]]:
        strokes: list[list[tuple[float, float]]] = [[]]
        for place, value in columns:
            if value is None:
                strokes.append([])
            else:
                strokes[-1].append((_LEFT + place, y(value)))
        return [stroke for stroke in strokes if len(stroke) > 1]

    def _firing(self) -> Iterator[str]:
        for number, (severity, side, group) in enumerate(self._lanes):
            top = self._offset + self._lanes_top + number * _LANE
            label = f"{severity}s" if not self._compared else f"{severity}s {side}"
            yield svg.text(_LEFT - 8, top + 11, label, "soft end")
            yield svg.line(_LEFT, top + 7, _WIDTH - _RIGHT, top + 7, "grid")
            for stretch in group.stretches(severity):
                end = self._test.until if stretch.end is None else stretch.end
                left = self._x(stretch.start)
                lasted = time_text(Duration(round((end - stretch.start) * 1000)))
                moment = datetime.fromtimestamp(stretch.start, self._zone)
                note = f"{severity} at {moment:%Y-%m-%d %H:%M:%S} for {lasted}"
                width = max(2.0, self._x(end) - left)
                yield svg.rectangle(left, top + 2, width, _LANE - 5, f"{severity}-fill", note)

    def _budget(self) -> Iterator[str]:
        top = self._offset + self._budget_top
        bottom = top + _BUDGET_HEIGHT
        versions = [(self._group, "burn")]
        if self._before is not None and self._before is not self._group:
            versions.insert(0, (self._before, "before dashed"))
        known = [v for group, _ in versions for v in group.budget if v is not None]
        lowest = min([0.0, *known])
        highest = max([1.0, *known])

        def y(share: float) -> float:
            return bottom - (share - lowest) / (highest - lowest) * (bottom - top)

        words = "Error budget left" + (" (dashed: before)" if len(versions) > 1 else "")
        yield svg.text(_LEFT, top - 8, words, "soft")
        for share in {0.0, 1.0, lowest if lowest < -0.3 else 0.0}:
            yield svg.line(_LEFT, y(share), _WIDTH - _RIGHT, y(share), "grid")
            yield svg.text(_LEFT - 8, y(share) + 4, percent_text(share), "soft end")
        if lowest < 0:
            yield svg.line(_LEFT, y(0), _WIDTH - _RIGHT, y(0), "page thin")
        for group, style in versions:
            columns = _columns(group.budget, _WIDTH - _LEFT - _RIGHT, _last)
            yield svg.path(self._strokes(columns, y), style)
        remaining = self._group.remaining
        if remaining is not None:
            x = _WIDTH - _RIGHT + 8
            yield svg.text(x, y(remaining) + 4, f"{percent_text(remaining)} left", "burn-text")
        yield svg.path([[(_LEFT, top), (_LEFT, bottom), (_WIDTH - _RIGHT, bottom)]], "frame")


def _same_group(test: Backtest | None, group: GroupBacktest) -> GroupBacktest | None:
    if test is None:
        return None
    return next((each for each in test.groups if each.labels == group.labels), None)


def _last(values: Sequence[float]) -> float:
    return values[-1]


def _columns(
    values: Sequence[float | None], width: int, reduce: Callable[[Sequence[float]], float]
) -> list[tuple[float, float | None]]:
    """Return for each column of pixels what *reduce* makes of the values there."""
    count = min(width, len(values))
    found: list[tuple[float, float | None]] = []
    for column in range(count):
        part = values[column * len(values) // count : (column + 1) * len(values) // count]
        known = [value for value in part if value is not None and value < float("inf")]
        place = (column + 0.5) * width / count
        found.append((place, reduce(known) if known else None))
    return found
