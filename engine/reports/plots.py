"""Draw for a report how fast a budget burned."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from html import escape

from slo.engine.reports.attainment import SloReport
from slo.engine.reports.spans import Span

__all__ = ["burn_plot"]

_WIDTH, _HEIGHT = 460, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 6, 8, 22
_MOST_BARS = 168


def burn_plot(slo: SloReport, span: Span, moment: Callable[[float], str]) -> str:
    """
    Return an SVG of burn rates over *span*: bars, red above 1, on a scale of square roots.

    Args:
        moment: Writes a time for people.
    """
    bars = list(_bars(slo, span))
    highest = max((rate for _, rate in bars if rate is not None), default=1.0)
    top = max(2.0, highest)
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    step = inner_width / max(1, len(bars))

    def y(rate: float) -> float:
        return _TOP + inner_height * (1 - math.sqrt(rate / top))

    shapes = []
    for index, (at, rate) in enumerate(bars):
        x = _LEFT + index * step
        if rate is None:
            shapes.append(
                f'<rect class="gap" x="{x:.1f}" y="{_TOP}" width="{step:.2f}" '
                f'height="{inner_height}"/>'
            )
        elif rate > 0:
            kind = "bad" if rate > 1 else "good"
            shapes.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{y(rate):.1f}" '
                f'width="{max(0.8, step - 0.4):.2f}" height="{_TOP + inner_height - y(rate):.1f}">'
                f"<title>{moment(at)}: {rate:.3g}x</title></rect>"
            )
    marks = [1.0] + ([highest] if highest > 2.5 else [])
    lines = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(m):.1f}" y2="{y(m):.1f}"/>'
        f'<text class="end" x="{_LEFT - 5}" y="{y(m) + 4:.1f}">{m:.3g}x</text>'
        for m in marks
    )
    words = f"Burn rate of {slo.status.key}: at most {highest:.3g}x"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">'
        f"{''.join(shapes)}{lines}"
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{moment(span.start)}</text>'
        f'<text class="end" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}">{moment(span.end)}</text>'
        "</svg>"
    )


def _bars(slo: SloReport, span: Span) -> Iterator[tuple[float, float | None]]:
    """Yield the start and the burn rate of equal stretches; `None` where nothing was measured."""
    width = span.seconds / _MOST_BARS
    bad = [0.0] * _MOST_BARS
    total = [0.0] * _MOST_BARS
    seen = [False] * _MOST_BARS
    for point in slo.points:
        if point.bad is None or point.total is None:
            continue
        # A point longer than a bar belongs to several of them.
        first = max(0, int((point.at - span.start) / width))
        last = min(_MOST_BARS - 1, int((point.at + point.seconds - span.start - 1e-6) / width))
        for index in range(first, last + 1):
            begin = max(point.at, span.start + index * width)
            end = min(point.at + point.seconds, span.start + (index + 1) * width)
            share = max(0.0, end - begin) / point.seconds if point.seconds else 1.0
            bad[index] += point.bad * share
            total[index] += point.total * share
            seen[index] = True
    budget = slo.status.budget.ratio
    for index in range(_MOST_BARS):
        rate = bad[index] / total[index] / budget if total[index] and budget else 0.0
        yield span.start + index * width, rate if seen[index] else None
