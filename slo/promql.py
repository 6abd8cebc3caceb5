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

__all__ = [
    "MAX_LENGTH",
    "Division",
    "Matcher",
    "PromqlError",
    "Selector",
    "check_template",
    "counts_per_window",
    "has_window",
    "label_names",
    "parse_template",
    "quote",
    "render",
    "selectors",
    "split_division",
    "walk",
]

MAX_LENGTH = 16 * 1024
MAX_DEPTH = 100
# Each operator can be one more level of the tree, which is walked by recursion.
MAX_OPERATORS = 400

_WINDOW = re.compile(r"\{\{ *\.window *\}\}")
_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# Any duration parses; this one is not written by people, so it can be found again.
_PLACEHOLDER = "7919s"

_KEYWORDS = ("and", "or", "unless", "on", "ignoring", "group_left", "group_right", "by", "without")
_MODIFIERS = ("offset", "bool", "atan2", "start", "end")
_WORD_OPERATORS = frozenset(("and", "or", "unless", "atan2"))
_SET_OPERATOR = re.compile(r"\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_PAIRS = {")": "(", "]": "[", "}": "{"}
_COUNT_FUNCTIONS = frozenset(("increase", "count_over_time", "sum_over_time", "delta"))
_RATE_FUNCTIONS = frozenset(("rate", "irate", "deriv", "avg_over_time"))


class PromqlError(ValueError):
    """
    Say why a query is refused.

    Args:
        offset: Index of the offending character in the template; `None` when unknown.
        length: How many characters to underline.
        code: Diagnostic code.
    """

    def __init__(
        self, message: str, offset: int | None = None, length: int = 1, code: str = "SLO301"
    ) -> None:
        self.offset, self.length, self.code = offset, length, code
        super().__init__(message)


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int
    depth: int


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


class Division(NamedTuple):
    """
    Hold the two sides of a ratio query.

    Args:
        complement: The query is one minus the quotient.
    """

    numerator: str
    denominator: str
    complement: bool


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
        raise _located(template, str(error)) from None
    root = _stripped(tree)
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
    for token in _tokens(template):
        if token.depth > MAX_DEPTH:
            message = f"the query is nested more than {MAX_DEPTH} levels deep"
            raise PromqlError(message, token.offset, code="SLO305")
        operators += token.kind == "operator" or token.text.lower() in _WORD_OPERATORS
        if operators > MAX_OPERATORS:
            message = f"the query has more than {MAX_OPERATORS} operators"
            raise PromqlError(message, token.offset, len(token.text), "SLO305")


@lru_cache(maxsize=1)
def _token_pattern() -> re.Pattern[str]:
    # Compiled on first use: most runs never take a query apart.
    return re.compile(
        r"""(?P<space>[ \t\r\n]+)
        |(?P<comment>\#[^\n]*)
        |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)
        |(?P<open>[(\[{])
        |(?P<close>[)\]}])
        |(?P<number>(?:0x[0-9a-fA-F]+|[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+)(?:[a-zA-Z]\w*)?)
        |(?P<word>[a-zA-Z_:][a-zA-Z0-9_:.]*)
        |(?P<operator>=~|!~|!=|==|>=|<=|[-+*/%^=<>,@:])
        |(?P<other>.)""",
        re.VERBOSE | re.DOTALL,
    )


def _tokens(text: str) -> Iterator[_Token]:
    depth = 0
    for match in _token_pattern().finditer(text):
        kind = match.lastgroup or "other"
        if kind in ("space", "comment"):
            continue
        if kind == "close":
            depth -= 1
        yield _Token(kind, match.group(), match.start(), depth)
        if kind == "open":
            depth += 1


def _located(template: str, reason: str) -> PromqlError:
    """Find the place that the parser's message speaks of."""
    # Same length as the template, so that offsets stay true.
    text = _WINDOW.sub(lambda m: "1m" + " " * (len(m.group()) - 2), template)
    reason = reason.replace(_PLACEHOLDER, "{{.window}}")
    opened: list[_Token] = []
    last: _Token | None = None
    for token in _tokens(text):
        if token.kind == "other":
            if token.text in "\"'`":
                return PromqlError("this string is not closed", token.offset)
            return PromqlError(f"unexpected character `{token.text}`", token.offset)
        if token.kind == "open":
            opened.append(token)
        elif token.kind == "close":
            if not opened:
                return PromqlError(f"unexpected `{token.text}`", token.offset)
            if opened[-1].text != _PAIRS[token.text]:
                unclosed = opened[-1]
                return PromqlError(f"this `{unclosed.text}` is not closed", unclosed.offset)
            opened.pop()
        last = token
    if opened:
        return PromqlError(f"this `{opened[-1].text}` is not closed", opened[-1].offset)
    pattern = re.match(r"illegal regex for (.*)", reason, re.DOTALL)
    if pattern:
        for token in _tokens(text):
            if token.kind == "string" and token.text[1:-1] == pattern.group(1):
                message = f"`{pattern.group(1)}` is not a valid regular expression"
                return PromqlError(message, token.offset + 1, max(len(token.text) - 2, 1))
    ranged = re.match(r"expected type matrix in call to function '(\w+)'", reason)
    if ranged:
        reason = f"'{ranged.group(1)}' needs a range: `{ranged.group(1)}(...[{{{{.window}}}}])`"
    named = re.findall(r"'([\w:.]+)'|syntax: (\w+)", reason)
    words = {word for pair in named for word in pair if word}
    for token in _tokens(text):
        if token.text in words:
            return PromqlError(reason, token.offset, len(token.text))
    suspect = _unexpected(text) or last
    if suspect is not None and "invalid promql query" in reason:
        return PromqlError(f"unexpected `{suspect.text}`", suspect.offset, len(suspect.text))
    return PromqlError(reason)


def _unexpected(text: str) -> _Token | None:
    """Return the first token that cannot follow the one before it."""
    before: _Token | None = None
    keywords = frozenset(_KEYWORDS + _MODIFIERS)
    for token in _tokens(text):
        if before is not None:
            operand_before = (
                before.kind in ("word", "number", "string") and before.text.lower() not in keywords
            )
            operand = (
                token.kind in ("word", "number", "string") and token.text.lower() not in keywords
            )
            aggregation = before.kind == "close" or token.kind == "open"
            if operand_before and operand and not aggregation:
                return token
            binary = token.text in ("*", "/", "%", "^", ",")
            if binary and (before.text in ",([" or before.text in "+-*/%^"):
                return token
            if before.text == "=" and token.kind not in ("string", "operator"):
                return token
        before = token
    return None


def walk(node: Any) -> Iterator[Any]:
    """Yield *node* and every expression below it."""
    yield node
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(node, name, None)
        if child is not None:
            yield from walk(child)
    for argument in getattr(node, "args", None) or ():
        yield from walk(argument)


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
    names = {n.func.name for n in walk(parse_template(template)) if isinstance(n, ast.Call)}
    return bool(names & _COUNT_FUNCTIONS) and not names & _RATE_FUNCTIONS


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


def split_division(template: str) -> Division | None:
    """
    Split `A / B` or `1 - A / B` into its sides; `None` when the query is neither.

    A quotient with vector matching is left whole: its sides do not mean much apart.

    >>> split_division("1 - sum(rate(ok[{{.window}}])) / sum(rate(all[{{.window}}]))").complement
    True
    """
    root = _stripped(parse_template(template))
    if not isinstance(root, ast.BinaryExpr):
        return None
    text = _without_outer_parentheses(template)
    complement = False
    if str(root.op) == "-" and isinstance(root.lhs, ast.NumberLiteral) and root.lhs.val == 1:
        minus = next((t for t in _tokens(text) if t.depth == 0 and t.text == "-"), None)
        if minus is None:
            return None
        complement = True
        text = _without_outer_parentheses(text[minus.offset + 1 :])
        root = _stripped(root.rhs)
    if not isinstance(root, ast.BinaryExpr) or str(root.op) != "/" or root.modifier is not None:
        return None
    slashes = [t for t in _tokens(text) if t.depth == 0 and t.text in ("*", "/", "%")]
    if not slashes or slashes[-1].text != "/":
        return None
    at = slashes[-1].offset
    sides = (text[:at].strip(), _without_outer_parentheses(text[at + 1 :]))
    numerator, denominator = _without_outer_parentheses(sides[0]), sides[1]
    if not (has_window(numerator) and has_window(denominator)):
        return None
    return Division(numerator, denominator, complement)


def _stripped(node: Any) -> Any:
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def _without_outer_parentheses(text: str) -> str:
    """Return *text* without parentheses that enclose all of it."""
    while True:
        text = text.strip()
        tokens = list(_tokens(text))
        if len(tokens) < 2 or tokens[0].text != "(" or tokens[-1].text != ")":
            return text
        if any(t.depth == 0 for t in tokens[1:-1]):
            return text
        text = text[1:-1]
