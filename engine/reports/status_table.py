"""Show in a terminal how SLOs stand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from slo.engine.reporters.figures import BOLD, DIM, GREEN, RED, YELLOW, Paint, count_text
from slo.engine.reports.attention import left_of
from slo.engine.status.model import SloStatus, Snapshot, State

__all__ = ["Trends", "short_length", "spark", "table"]

# How the budget of an SLO went down, by key; `None` where it is not known.
Trends = Mapping[str, Sequence[float | None]]

_BLUE, _REVERSE = "34", "7"
# Without colour the shape alone tells the states apart.
_LOOKS: Mapping[State, tuple[str, str, str]] = {
    State.BREACHED: ("✖", "breached", RED),
    State.STALE: ("◌", "stale", DIM),
    State.NO_DATA: ("∅", "no data", DIM),
    State.WARNING: ("▲", "warning", YELLOW),
    State.FROZEN: ("❄", "frozen", _BLUE),
    State.OK: ("✔", "ok", GREEN),
}
_UNKNOWN = (State.STALE, State.NO_DATA)
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"
_BAR, _TREND = 10, 16
_LOW, _HOT = 0.25, 6.0
# Widths from which on a column has room.
_FOR_BURN, _FOR_BAR, _FOR_GONE, _FOR_TREND, _FOR_OWNER = 52, 62, 80, 104, 124


def table(
    snapshot: Snapshot,
    statuses: Sequence[SloStatus],
    *,
    now: float,
    width: int,
    paint: Paint,
    trends: Trends | None = None,
) -> Iterator[str]:
    """
    Yield the lines of a table, and a summary.

    Args:
        statuses: In the order in which they are shown.
        now: Unix time.
        width: Columns of the terminal.
        trends: Left out where nobody asked for the past.
    """
    names = [status.key for status in statuses]
    fixed = 11 + 8 + 8 + 9 * (width >= _FOR_BURN)
    fixed += (_BAR + 1) * (width >= _FOR_BAR) + 12 * (width >= _FOR_GONE)
    with_trend = trends is not None and width >= _FOR_TREND
    fixed += (_TREND + 2) * with_trend + 14 * (width >= _FOR_OWNER)
    room = max(12, min(max(map(len, names), default=3), width - fixed))
    yield paint(_head(width, room, with_trend), DIM)
    for status in statuses:
        trend = trends.get(status.key, ()) if with_trend and trends is not None else None
        yield _row(status, now, width, room, trend, paint).rstrip()
    yield ""
    yield _summary(snapshot, statuses, now, paint)


def _head(width: int, room: int, with_trend: bool) -> str:
    parts = [f"{'STATE':<11}", f"{'SLO':<{room}}"]
    if width >= _FOR_BAR:
        parts.append(f" {'BUDGET LEFT':<{_BAR + 8}}"[: _BAR + 9])
    else:
        parts.append(f"{'LEFT':>8}")
    if width >= _FOR_BURN:
        parts.append(f"{'BURN 1h':>9}")
    if width >= _FOR_GONE:
        parts.append(f"  {'GONE IN':<10}")
    if with_trend:
        parts.append(f"  {'PERIOD':<{_TREND}}")
    if width >= _FOR_OWNER:
        parts.append(f"  {'OWNER':<12}")
    parts.append(f"{'AGE':>8}")
    return "".join(parts).rstrip()


def _row(
    status: SloStatus,
    now: float,
    width: int,
    room: int,
    trend: Sequence[float | None] | None,
    paint: Paint,
) -> str:
    glyph, word, style = _LOOKS[status.state]
    unknown = status.state in _UNKNOWN
    left = left_of(status)
    burn = status.burn_rate("1h")
    parts = [paint(f"{glyph} {word:<9}", style), f"{_cut(status.key, room):<{room}}"]
    tone = DIM if unknown else _tone(left)
    if width >= _FOR_BAR:
        parts.append(" " + paint(_bar(left), tone))
    parts.append(paint(f"{_percent(left):>8}", tone))
    if width >= _FOR_BURN:
        parts.append(_painted_burn(burn, unknown, paint))
    if width >= _FOR_GONE:
        parts.append(f"  {_gone(status, left):<10}")
    if trend is not None:
        parts.append("  " + paint(f"{spark(trend, _TREND):<{_TREND}}", tone))
    if width >= _FOR_OWNER:
        parts.append(f"  {_cut(status.owner or '-', 12):<12}")
    at = status.provenance.evaluated_at
    age = "never" if at is None else short_length(max(0.0, now - at))
    parts.append(paint(f"{age:>8}", YELLOW if unknown else DIM))
    return "".join(parts)


def _summary(snapshot: Snapshot, statuses: Sequence[SloStatus], now: float, paint: Paint) -> str:
    found = Counter(status.state for status in statuses)
    parts = [
        paint(f"{found[state]} {word}", style if state is not State.OK else DIM)
        for state, (_, word, style) in _LOOKS.items()
        if found[state]
    ]
    age = f"read {short_length(snapshot.age(now))} ago"
    whole = "" if snapshot.complete else paint("  the server answered only a part", YELLOW)
    if not snapshot.number:
        age, whole = paint("no metrics server has answered yet", YELLOW), ""
    listed = f": {', '.join(parts)}" if parts else ""
    return f"{paint(count_text(len(statuses), 'SLO'), BOLD)}{listed}; {age}{whole}"


def spark(values: Sequence[float | None], width: int) -> str:
    """
    Draw shares from 0 to 1 in one line; a share below 0 is the lowest, an unknown one a gap.

    >>> spark([1.0, 0.5, None, -0.2], 4)
    '█▅ ▁'
    """
    if not values:
        return ""
    picked = [
        values[min(len(values) - 1, (i + 1) * len(values) // width - 1)] for i in range(width)
    ]
    if len(values) < width:
        picked = list(values)
    top = len(_LEVELS) - 1
    return "".join(
        " " if value is None else _LEVELS[min(top, max(0, math.floor(value * top + 0.5 + 1e-9)))]
        for value in picked
    )


def short_length(seconds: float) -> str:
    """
    Return a length of time in one or two units.

    >>> short_length(42), short_length(3_700), short_length(200_000), short_length(2_000_000)
    ('42s', '1h1m', '2d7h', '23d')
    """
    if seconds < 60:
        return f"{int(seconds)}s"
    if seconds >= 10 * 86_400:
        return f"{seconds / 86_400:.0f}d"
    minutes = int(seconds // 60)
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days:
        return f"{days}d{hours}h" if hours else f"{days}d"
    if hours:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    return f"{minutes}m"


def _bar(left: float | None) -> str:
    if left is None:
        return "·" * _BAR
    if left < 0:
        # Overspent: a solid pattern of its own.
        filled = min(_BAR, max(1, round(-left * _BAR)))
        return f"{'▓' * filled:░<{_BAR}}"
    eighths = min(8 * _BAR, max(0, math.floor(left * 8 * _BAR)))
    whole, rest = divmod(eighths, 8)
    text = "█" * whole + (_EIGHTHS[rest] if rest else "")
    return f"{text:░<{_BAR}}"


def _tone(left: float | None) -> str:
    if left is None:
        return DIM
    return RED if left <= 0 else YELLOW if left < _LOW else GREEN


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    value = share * 100
    return f"{value:.0f} %" if abs(value) >= 100 else f"{value:.1f} %"


def _burn(rate: float | None) -> str:
    if rate is None:
        return "-"
    return f"{rate:,.0f}x" if rate >= 100 else f"{rate:.1f}x" if rate >= 10 else f"{rate:.2f}x"


def _painted_burn(rate: float | None, unknown: bool, paint: Paint) -> str:
    text = f"{_burn(rate):>9}"
    if unknown:
        return paint(text, DIM)
    if rate is None or rate < 1:
        return text
    return paint(text, RED if rate >= _HOT else YELLOW)


def _gone(status: SloStatus, left: float | None) -> str:
    if left is not None and left <= 0:
        return "gone"
    if status.exhaustion is None or left is None:
        return "-"
    likely = status.exhaustion.likely
    return "-" if likely is None else short_length(likely)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
