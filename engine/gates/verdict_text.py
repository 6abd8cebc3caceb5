"""Print a gate's answer for people: the verdict, why, and what would change it."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from slo.engine.gates.decision import Effect, GateDecision, SloNumbers, Verdict
from slo.engine.gates.words import length, moment, percent

__all__ = ["lines"]

_COLORS = {Verdict.ALLOW: "32", Verdict.DENY: "31", Verdict.UNKNOWN: "33"}
_MARKS = {
    Effect.DENY: ("deny", "31"),
    Effect.UNKNOWN: ("unknown", "33"),
    Effect.ALLOW: ("allow", "32"),
    Effect.WARN: ("warning", "33"),
    Effect.NOTE: ("note", "2"),
}
_BAR = 20
_INDENT = 11


def lines(decision: GateDecision, color: bool, width: int = 100) -> Iterator[str]:
    """
    Yield the lines to print for *decision*.

    Args:
        width: Of the terminal.
    """
    request = decision.request
    tint = _COLORS[decision.verdict]
    word = _paint(decision.verdict.value.upper(), f"1;{tint}", color)
    what = request.service + (f" {request.version}" if request.version else "")
    yield f"{word}  {_paint(what, '1', color)} to {request.environment}"
    yield ""
    names = max((len(_name(n, request.service)) for n in decision.slos), default=0)
    for numbers in decision.slos:
        yield _row(numbers, request.service, names, color)
    if decision.slos:
        yield ""
    for reason in decision.told:
        mark, tint = _MARKS[reason.effect]
        yield from _entry(mark, tint, reason.message, color, width)
    for change in decision.changes:
        yield from _entry("to pass", "36", change, color, width)
    yield ""
    yield _paint(_footer(decision), "2", color)


def _row(numbers: SloNumbers, service: str, names: int, color: bool) -> str:
    tint = _COLORS[numbers.verdict]
    left = numbers.remaining
    parts = [f"  {_name(numbers, service):{names}}"]
    if left is None:
        parts.append(_paint("?" * _BAR, "33", color))
        parts.append(f"{'unknown':>8}")
    else:
        full = round(_BAR * min(1.0, max(0.0, left)))
        bar = _paint("█" * full, tint, color) + _paint("░" * (_BAR - full), "2", color)
        parts.append(bar)
        parts.append(_paint(f"{percent(left):>8}", tint, color) + " left")
    if numbers.needed is not None:
        more = "at least" if numbers.held and numbers.recover_at is not None else "more than"
        parts.append(f"needs {more} {percent(numbers.needed)}")
    burn = numbers.burn_rates.get("1h")
    if burn is not None:
        parts.append(f"burns {burn:.3g}x")
    if numbers.page:
        parts.append(_paint("page fires", "31", color))
    if numbers.age is not None:
        parts.append(f"{length(numbers.age)} old")
    return "  ".join(parts)


def _name(numbers: SloNumbers, service: str) -> str:
    return numbers.slo.removeprefix(f"{service}/")


def _entry(mark: str, tint: str, text: str, color: bool, width: int) -> Iterator[str]:
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    rows = wrap(shown, max(40, width - _INDENT), break_long_words=False, break_on_hyphens=False)
    for number, row in enumerate(rows):
        head = f"{mark:>9}  " if number == 0 else " " * _INDENT
        yield (_paint(head, tint, color) if number == 0 else head) + row


def _footer(decision: GateDecision) -> str:
    parts = [f"policy {decision.policy_name} {decision.policy.removeprefix('sha256:')[:12]}"]
    parts.append(f"decision {decision.id}")
    if decision.expires_at > decision.evaluated_at:
        parts.append(f"valid until {moment(decision.expires_at)}")
    return "  " + " · ".join(parts)


def _paint(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color else text
