"""Show how a backfill goes on, and what it did."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import click

from slo.engine.backfill.moments import day_text, minute_text
from slo.engine.backfill.run import Report

__all__ = ["ProgressLine", "lines"]

_DAY = 86_400
_EVERY_SECONDS = 15.0


class ProgressLine:
    """
    Print on standard error how far a run is: one line on a terminal, now and then one elsewhere.

    Args:
        terminal: Standard error is one.
        clock: Seconds that only grow.
    """

    def __init__(self, terminal: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal, self._clock = terminal, clock
        self._began = self._printed = clock()

    def show(self, slo: str, at: float, share: float) -> None:
        """Say which SLO and day is at work, how much is done, and how long the rest takes."""
        now = self._clock()
        if not self._terminal and now - self._printed < _EVERY_SECONDS:
            return
        self._printed = now
        spent = now - self._began
        left = f", {_length(spent / share - spent)} left" if share > 0.02 and spent > 2 else ""
        text = f"{share:4.0%}  {slo}  {day_text(at)}{left}"
        if self._terminal:
            click.echo(f"\r\033[K{text}", nl=False, err=True)
        else:
            click.echo(text, err=True)

    def end(self) -> None:
        """Remove the line."""
        if self._terminal:
            click.echo("\r\033[K", nl=False, err=True)


def _length(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def lines(reports: Sequence[Report], since: int, until: int, color: bool) -> list[str]:
    """Return the summary: a table with a line per SLO, and one per group of a grouped one."""
    rows: list[tuple[str, ...]] = [
        ("SLO", "data since", "days", "coverage", "written", "kept", "budget left")
    ]
    gone = set()
    for report in reports:
        head = _head(report, until)
        if list(report.budget) in ([], [""]):
            gone |= {len(rows)} if report.budget.get("", 1) <= 0 else set()
            rows.append((*head, _percent(report.budget.get(""))))
            continue
        rows.append((*head, ""))
        for group, left in report.budget.items():
            gone |= {len(rows)} if left <= 0 else set()
            rows.append((f"  {group}", *[""] * (len(head) - 1), _percent(left)))
    shown = _table(rows)
    if color:
        shown = [
            f"\033[1m{text}\033[0m" if i == 0 else f"\033[31m{text}\033[0m" if i in gone else text
            for i, text in enumerate(shown)
        ]
    span = f"{(until - since) / _DAY:.1f} days"
    return [f"Filled {minute_text(since)} to {minute_text(until)}, {span}", "", *shown]


def _head(report: Report, until: int) -> tuple[str, ...]:
    if report.first is None:
        return (report.slo, "no data", "0", "0%", "0", f"{report.existing:,}")
    return (
        report.slo,
        day_text(report.first),
        f"{(until - report.first) / _DAY:.1f}",
        f"{report.coverage:.1%}",
        f"{report.samples:,}",
        f"{report.existing:,}",
    )


def _percent(left: float | None) -> str:
    return "unknown" if left is None else f"{left:.2%}"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
