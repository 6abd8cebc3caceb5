"""Find texts that a regular expression matches in full."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

__all__ = ["matching_texts"]

# Enough to meet every alternative of the regular expressions that people write in selectors.
_MAX_TEXTS = 24
_MAX_REPEAT = 64
_CATEGORIES = {
    codes.CATEGORY_DIGIT: "0",
    codes.CATEGORY_NOT_DIGIT: "a",
    codes.CATEGORY_WORD: "a",
    codes.CATEGORY_NOT_WORD: "-",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_SPACE: "a",
}
_PRINTABLE = [chr(c) for c in (*range(97, 123), *range(48, 58), *range(33, 48), *range(58, 97))]


class _Unsupported(Exception):
    """Stop at a construct whose texts depend on more than its own place."""


@lru_cache(maxsize=4096)
def matching_texts(pattern: str) -> tuple[str, ...]:
    """
    Return texts that *pattern* matches in full, at least one per alternative where there are few.

    Empty when none is found; look-around and back-references are not tried.

    >>> matching_texts("5..|GET")
    ('500', 'GET')
    """
    try:
        compiled = re.compile(pattern)
        found = list(islice(_sequence(list(parser.parse(pattern))), _MAX_TEXTS))
    except (re.error, _Unsupported, RecursionError, OverflowError):
        return ()
    return tuple(dict.fromkeys(text for text in found if compiled.fullmatch(text)))


def _sequence(nodes: list[tuple[Any, Any]]) -> Iterator[str]:
    if not nodes:
        yield ""
        return
    for head in islice(_texts(*nodes[0]), _MAX_TEXTS):
        for tail in islice(_sequence(nodes[1:]), _MAX_TEXTS):
            yield head + tail


def _texts(op: Any, argument: Any) -> Iterable[str]:
    if op is codes.LITERAL:
        return (chr(argument),)
    if op is codes.ANY:
        # Reads well in a status code: `5..` becomes 500.
        return ("0",)
    if op is codes.NOT_LITERAL:
        return (next(c for c in _PRINTABLE if ord(c) != argument),)
    if op is codes.IN:
        return _members(argument)
    if op is codes.BRANCH:
        return (text for branch in argument[1] for text in _sequence(list(branch)))
    if op is codes.SUBPATTERN:
        return _sequence(list(argument[-1]))
    if op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        return _repeated(*argument)
    if op is codes.ATOMIC_GROUP:
        return _sequence(list(argument))
    if op is codes.AT and argument in (
        codes.AT_BEGINNING,
        codes.AT_BEGINNING_STRING,
        codes.AT_END,
        codes.AT_END_STRING,
    ):
        return ("",)
    raise _Unsupported(str(op))


def _repeated(least: int, most: int, body: Any) -> Iterator[str]:
    if least > _MAX_REPEAT:
        raise _Unsupported("repeat")
    for count in dict.fromkeys((least, min(max(least, 1), most))):
        if count == 0:
            yield ""
        for text in islice(_sequence(list(body)), _MAX_TEXTS) if count else ():
            yield text * count


def _members(members: list[tuple[Any, Any]]) -> list[str]:
    """Return characters of a class: one of each member, or one that a negated class allows."""
    if members[0][0] is codes.NEGATE:
        allowed = re.compile(_class_pattern(members))
        return [c for c in _PRINTABLE if allowed.fullmatch(c)][:1]
    found = []
    for op, argument in members:
        if op is codes.LITERAL:
            found.append(chr(argument))
        elif op is codes.RANGE:
            found.append(chr(argument[0]))
        elif op is codes.CATEGORY:
            found.append(_CATEGORIES[argument])
    return found


def _class_pattern(members: list[tuple[Any, Any]]) -> str:
    letters = {
        codes.CATEGORY_DIGIT: r"\d",
        codes.CATEGORY_NOT_DIGIT: r"\D",
        codes.CATEGORY_WORD: r"\w",
        codes.CATEGORY_NOT_WORD: r"\W",
        codes.CATEGORY_SPACE: r"\s",
        codes.CATEGORY_NOT_SPACE: r"\S",
    }
    parts = []
    for op, argument in members[1:]:
        if op is codes.LITERAL:
            parts.append(re.escape(chr(argument)))
        elif op is codes.RANGE:
            parts.append(f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}")
        else:
            parts.append(letters[argument])
    return f"[^{''.join(parts)}]"
