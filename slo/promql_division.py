"""Split a ratio query into its two sides, so that its windows can be weighed by events."""

from __future__ import annotations

from typing import NamedTuple

import promql_parser as ast

from slo.plan import CompositeIndicator, Indicator, RatioIndicator
from slo.promql import has_window, parse_template, stripped
from slo.promql_lexer import tokens

__all__ = ["Division", "counts_events", "split_division"]


class Division(NamedTuple):
    """
    Hold the two sides of a ratio query.

    Args:
        complement: The query is one minus the quotient.
    """

    numerator: str
    denominator: str
    complement: bool


def counts_events(indicator: Indicator) -> bool:
    """Tell whether *indicator* counts events, so that windows can weigh by them."""
    if isinstance(indicator, CompositeIndicator):
        return indicator.rule == "weighted"
    if isinstance(indicator, RatioIndicator):
        return split_division(indicator.error_ratio) is not None
    return True


def split_division(template: str) -> Division | None:
    """
    Split `A / B` or `1 - A / B` into its sides; `None` when the query is neither.

    A quotient with vector matching is left whole: its sides do not mean much apart.

    >>> split_division("1 - sum(rate(ok[{{.window}}])) / sum(rate(all[{{.window}}]))").complement
    True
    """
    root = stripped(parse_template(template))
    if not isinstance(root, ast.BinaryExpr):
        return None
    text = _without_outer_parentheses(template)
    complement = False
    if str(root.op) == "-" and isinstance(root.lhs, ast.NumberLiteral) and root.lhs.val == 1:
        minus = next((t for t in tokens(text) if t.depth == 0 and t.text == "-"), None)
        if minus is None:
            return None
        complement = True
        text = _without_outer_parentheses(text[minus.offset + 1 :])
        root = stripped(root.rhs)
    if not isinstance(root, ast.BinaryExpr) or str(root.op) != "/" or root.modifier is not None:
        return None
    slashes = [t for t in tokens(text) if t.depth == 0 and t.text in ("*", "/", "%")]
    if not slashes or slashes[-1].text != "/":
        return None
    at = slashes[-1].offset
    sides = (text[:at].strip(), _without_outer_parentheses(text[at + 1 :]))
    numerator, denominator = _without_outer_parentheses(sides[0]), sides[1]
    if not (has_window(numerator) and has_window(denominator)):
        return None
    return Division(numerator, denominator, complement)


def _without_outer_parentheses(text: str) -> str:
    """Return *text* without parentheses that enclose all of it."""
    while True:
        text = text.strip()
        found = list(tokens(text))
        if len(found) < 2 or found[0].text != "(" or found[-1].text != ")":
            return text
        if any(t.depth == 0 for t in found[1:-1]):
            return text
        text = text[1:-1]
