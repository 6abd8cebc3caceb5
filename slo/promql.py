"""
Parse, render and take apart PromQL templates.

The parser (`promql-parser`) knows no positions and crashes the process on deep nesting, so
length and depth are capped first, and what it rejects is located by our own lexer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import promql_parser as ast

from slo.duration import Duration
from slo.promql_lexer import PromqlError, located, tokens

__all__ = [
    "MAX_LENGTH",
    "Matcher",
    "PromqlError",
    "Selector",
    "check_regex",
    "check_template",
    "counts_per_window",
    "has_window",
    "label_names",
    "never_absent",
    "parse_template",
    "quote",
    "render",
    "selector_of",
    "selectors",
    "stripped",
    "walk",
]

MAX_LENGTH = 16 * 1024
MAX_DEPTH = 100
# Each operator can be one more level of the tree, which is walked by recursion.
MAX_OPERATORS = 400

_WINDOW = re.compile(r"\{\{ *\.window *\}\}")
_QUOTED_PART = re.compile(r"\\Q(.*?)(?:\\E|\Z)", re.DOTALL)
_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# Any duration parses; this one is not written by people, so it can be found again.
_PLACEHOLDER = "7919s"


_WORD_OPERATORS = frozenset(("and", "or", "unless", "atan2"))
_SET_OPERATOR = re.compile(r"\b(?:and|or|unless|atan2)\b", re.IGNORECASE)

_COUNT_FUNCTIONS = frozenset(("increase", "count_over_time", "sum_over_time", "delta"))
_RATE_FUNCTIONS = frozenset(("rate", "irate", "deriv", "avg_over_time"))


class Matcher(NamedTuple):
    """Match one label; `op` is `=`, `!=`, `=~` or `!~`."""

    label: str
    op: str
    value: str

    def accepts(self, value: str) -> bool:
        """Tell whether a label of *value* (empty when absent) passes."""
        if self.op in ("=", "!="):
            return (value == self.value) == (self.op == "=")
        return (re.fullmatch(self.value, value) is not None) == (self.op == "=~")


class Selector(NamedTuple):
    """Hold one vector selector with its matchers, the metric name apart."""

    metric: str
    matchers: tuple[Matcher, ...]

    def accepts(self, metric: str, labels: dict[str, str]) -> bool:
        """Tell whether a series of *metric* with *labels* is selected."""
        if self.metric and metric != self.metric:
            return False
        return all(m.accepts(labels.get(m.label, "")) for m in self.matchers)


def has_window(template: str) -> bool:
    """Tell whether *template* holds `{{.window}}`."""
    return _WINDOW.search(template) is not None


def render(template: str, window: Duration | str) -> str:
    """Return *template* with `{{.window}}` replaced by *window*."""
    text = str(window)
    return _WINDOW.sub(lambda _: text, template)


def quote(value: str) -> str:
    """Return *value* as a PromQL string in double quotes."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def check_template(template: str) -> None:
    """
    Refuse a query that Prometheus would refuse, or that ignores the window.

    Raises:
        PromqlError: With the place of the mistake in *template*, as far as it can be told.
    """
    parse_template(template)
    if not has_window(template):
        raise PromqlError("the query does not use `{{.window}}`", None, code="SLO302")


def check_regex(pattern: str) -> None:
    """
    Refuse what Prometheus and the collector do not take as a regular expression.

    Raises:
        PromqlError: *pattern* does not compile.
    """
    try:
        # The parser's engine has the limits of RE2, which Python's own has not; all it lacks of
        # it are quoted parts.
        plain = _QUOTED_PART.sub(lambda m: re.escape(m.group(1)), pattern)
        ast.parse(f"up{{job=~{quote(plain)}}}")
    except ValueError:
        raise PromqlError("not a valid regular expression", code="SLO106") from None


@lru_cache(maxsize=4096)
def parse_template(template: str) -> Any:
    """
    Return the syntax tree of *template*, its window replaced by a placeholder.

    Raises:
        PromqlError: The query does not parse.
    """
    if len(template) > MAX_LENGTH:
        message = f"the query is {len(template)} characters long, more than {MAX_LENGTH}"
        raise PromqlError(message, code="SLO305")
    for action in _ACTION.finditer(template):
        if not _WINDOW.fullmatch(action.group()):
            message = f"unknown template action `{action.group()}`"
            raise PromqlError(message, action.start(), len(action.group()), "SLO304")
    if len(template) > MAX_DEPTH:
        _refuse_deep(template)
    try:
        tree = ast.parse(render(template, _PLACEHOLDER))
    except ValueError as error:
        # As long as the template, so that offsets stay true.
        plain = _WINDOW.sub(lambda m: "1m" + " " * (len(m.group()) - 2), template)
        raise located(plain, str(error).replace(_PLACEHOLDER, "{{.window}}")) from None
    root = stripped(tree)
    if isinstance(root, (ast.MatrixSelector, ast.SubqueryExpr)):
        raise PromqlError("the query returns a range of samples; wrap it in `rate()` or the like")
    if isinstance(root, ast.StringLiteral):
        raise PromqlError("the query returns a string, not a number")
    return tree


def _refuse_deep(template: str) -> None:
    brackets = template.count("(") + template.count("{") + template.count("[")
    signs = sum(map(template.count, "+-*/%^=<>")) + len(_SET_OPERATOR.findall(template))
    if brackets <= MAX_DEPTH and signs <= MAX_OPERATORS:
        return
    operators = 0
    for token in tokens(template):
        if token.depth > MAX_DEPTH:
            message = f"the query is nested more than {MAX_DEPTH} levels deep"
            raise PromqlError(message, token.offset, code="SLO305")
        operators += token.kind == "operator" or token.text.lower() in _WORD_OPERATORS
        if operators > MAX_OPERATORS:
            message = f"the query has more than {MAX_OPERATORS} operators"
            raise PromqlError(message, token.offset, len(token.text), "SLO305")


def stripped(node: Any) -> Any:
    """Return *node* without the parentheses around it."""
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def walk(node: Any) -> Iterator[Any]:
    """Yield *node* and every expression below it."""
    yield node
    for child in _children(node):
        yield from walk(child)


def _children(node: Any) -> Iterator[Any]:
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(node, name, None)
        if child is not None:
            yield child
    yield from getattr(node, "args", None) or ()


def selectors(template: str) -> list[Selector]:
    """Return the vector selectors of *template*, left to right."""
    found = []
    for node in walk(parse_template(template)):
        if isinstance(node, ast.VectorSelector):
            found.append(selector_of(node))
    return found


_OPS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def selector_of(node: Any) -> Selector:
    """Return the matchers of one vector selector of the syntax tree."""
    metric = node.name or ""
    matchers = []
    for matcher in node.matchers.matchers:
        op = _OPS[str(matcher.op).rpartition(".")[2]]
        if matcher.name == "__name__" and op == "=":
            metric = matcher.value
        else:
            matchers.append(Matcher(matcher.name, op, matcher.value))
    return Selector(metric, tuple(matchers))


def counts_per_window(template: str) -> bool:
    """Tell whether *template* counts events in the window instead of events per second."""
    names = set(_outermost(parse_template(template), _COUNT_FUNCTIONS | _RATE_FUNCTIONS))
    return bool(names & _COUNT_FUNCTIONS) and not names & _RATE_FUNCTIONS


def _outermost(node: Any, functions: frozenset[str]) -> Iterator[str]:
    """Yield the calls of *functions* that are not inside one another, as in a subquery."""
    if isinstance(node, ast.Call) and node.func.name in functions:
        yield node.func.name
        return
    for child in _children(node):
        yield from _outermost(child, functions)


def never_absent(template: str) -> bool:
    """Tell whether *template* ends in `or vector(...)`, so that it always has a result."""
    root = stripped(parse_template(template))
    if not isinstance(root, ast.BinaryExpr) or str(root.op).lower() != "or":
        return False
    other = stripped(root.rhs)
    return isinstance(other, ast.Call) and other.func.name == "vector"


def label_names(template: str) -> tuple[str, ...] | None:
    """
    Return the labels that the result of *template* has, sorted.

    `None` means that they cannot be told from the query, as with `without` or a bare selector.
    """
    return _labels_of(parse_template(template))


def _labels_of(node: Any) -> tuple[str, ...] | None:
    if isinstance(node, ast.AggregateExpr):
        return _aggregated(node)
    if isinstance(node, (ast.NumberLiteral, ast.StringLiteral)):
        return ()
    if isinstance(node, (ast.ParenExpr, ast.UnaryExpr, ast.SubqueryExpr)):
        return _labels_of(node.expr)
    if isinstance(node, ast.BinaryExpr):
        left, right = _labels_of(node.lhs), _labels_of(node.rhs)
        if left is None or right is None:
            return None
        # A scalar or `vector(0)` on one side leaves the labels of the other.
        return left if len(left) >= len(right) else right
    if isinstance(node, ast.Call):
        return _call_labels(node)
    return None


def _aggregated(node: Any) -> tuple[str, ...] | None:
    if str(node.op) in ("topk", "bottomk", "limitk", "limit_ratio"):
        return None
    if node.modifier is None:
        return ()
    kind = str(node.modifier.type).rpartition(".")[2]
    return tuple(sorted(node.modifier.labels)) if kind == "By" else None


def _call_labels(node: Any) -> tuple[str, ...] | None:
    name = node.func.name
    if name in ("vector", "time", "scalar"):
        return ()
    if name in ("absent", "absent_over_time", "label_replace", "label_join", "info"):
        return None
    inner: tuple[str, ...] | None = ()
    for argument in node.args:
        labels = _labels_of(argument)
        if labels is None:
            return None
        inner = labels if len(labels) > len(inner or ()) else inner
    if name == "histogram_quantile" and inner is not None:
        return tuple(label for label in inner if label != "le")
    return inner
