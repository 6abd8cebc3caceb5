"""
Split PromQL into tokens, and find the place that the parser's messages speak of.

The parser knows no positions; a person who mends a query needs one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

__all__ = ["PromqlError", "Token", "located", "tokens"]

_KEYWORDS = ("and", "or", "unless", "on", "ignoring", "group_left", "group_right", "by", "without")
_MODIFIERS = ("offset", "bool", "atan2", "start", "end")
_PAIRS = {")": "(", "]": "[", "}": "{"}


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


class Token(NamedTuple):
    """Hold one token; *depth* counts the brackets around it."""

    kind: str
    text: str
    offset: int
    depth: int


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


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of *text*, white space and comments left out."""
    depth = 0
    for match in _token_pattern().finditer(text):
        kind = match.lastgroup or "other"
        if kind in ("space", "comment"):
            continue
        if kind == "close":
            depth -= 1
        yield Token(kind, match.group(), match.start(), depth)
        if kind == "open":
            depth += 1


def located(text: str, reason: str) -> PromqlError:
    """Return the parser's *reason* with the place in *text* that it speaks of."""
    opened: list[Token] = []
    last: Token | None = None
    for token in tokens(text):
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
        for token in tokens(text):
            if token.kind == "string" and token.text[1:-1] == pattern.group(1):
                message = f"`{pattern.group(1)}` is not a valid regular expression"
                return PromqlError(message, token.offset + 1, max(len(token.text) - 2, 1))
    ranged = re.match(r"expected type matrix in call to function '(\w+)'", reason)
    if ranged:
        reason = f"'{ranged.group(1)}' needs a range: `{ranged.group(1)}(...[{{{{.window}}}}])`"
    named = re.findall(r"'([\w:.]+)'|syntax: (\w+)", reason)
    words = {word for pair in named for word in pair if word}
    for token in tokens(text):
        if token.text in words:
            return PromqlError(reason, token.offset, len(token.text))
    suspect = _unexpected(text) or last
    if suspect is not None and "invalid promql query" in reason:
        return PromqlError(f"unexpected `{suspect.text}`", suspect.offset, len(suspect.text))
    return PromqlError(reason)


def _unexpected(text: str) -> Token | None:
    """Return the first token that cannot follow the one before it."""
    before: Token | None = None
    keywords = frozenset(_KEYWORDS + _MODIFIERS)
    for token in tokens(text):
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
