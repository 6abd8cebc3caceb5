"""
Read YAML files into values that know where they stand.

PyYAML's C parser composes one document at a time; our own builder turns it into plain values
in the same pass, with the scalars of YAML 1.2 and every key and value traceable to its line.
The parser is recursive C code that a hostile file can crash, so size and depth are capped on
the text before it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml._yaml import CParser

from slo.diagnostics import Diagnostic, Severity, Span

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_VALUES",
    "Document",
    "Map",
    "Seq",
    "Source",
    "key_span",
    "parse_documents",
    "raw_text",
    "span_of",
]

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 100
MAX_VALUES = 500_000
# A file that stays under the byte cap can still explode through aliases; legitimate specs
# share a handful of anchors, so far fewer expansions are allowed than plain values.
MAX_EXPANDED = 20_000

_INT = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_BASED_INT = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    "-.inf": float("-inf"),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_YAML_11_BOOLS = frozenset(
    case(word)
    for word in ("yes", "no", "on", "off", "y", "n")
    for case in (str, str.title, str.upper)
)
_YAML_11_NUMBER = re.compile(r"[-+]?(?:0[0-7]+|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)\Z")
_TEXT_TAG = "tag:yaml.org,2002:str"
# What YAML 1.1 parsers take for a line break, and editors do not.
_ODD_BREAK = re.compile("[\x85\u2028\u2029]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_BRACKETS = re.compile(r"[\[\]{}\n]")
_DEEP_BLOCK = re.compile(rf"^ {{{MAX_DEPTH * 4}}}|^ *(?:[-?] +){{50}}", re.MULTILINE)


class Map(dict[str, Any]):
    """Be a mapping whose keys and values remember their nodes."""

    __slots__ = ("node", "nodes")

    def __init__(self, node: yaml.Node) -> None:
        super().__init__()
        self.node = node
        self.nodes: dict[str, tuple[yaml.Node, yaml.Node]] = {}


class Seq(list[Any]):
    """Be a sequence whose members remember their nodes."""

    __slots__ = ("node", "nodes")

    def __init__(self, node: yaml.SequenceNode) -> None:
        super().__init__()
        self.node = node
        self.nodes: list[yaml.Node] = node.value


@dataclass(frozen=True, slots=True)
class Source:
    """
    Hold the text of one file.

    Args:
        path: As the user wrote it, for messages.
    """

    path: str
    text: str

    @property
    def start(self) -> Span:
        """Return the span of the file's first character."""
        return Span(self.path, 1, 1, 1, 2)


@dataclass(slots=True)
class Document:
    """Hold one YAML document of a source; `root` is `None` for an empty one."""

    source: Source
    root: Any
    node: yaml.Node | None
    diagnostics: list[Diagnostic] = field(default_factory=list)


class _Composer(CParser):
    """Compose nodes whose tag is only their kind; values are resolved by `_Builder`."""

    def resolve(self, kind: Any, value: str | None, implicit: Any) -> str:
        return str(kind.id)

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        return None

    def ascend_resolver(self) -> None:
        return None


class _LimitError(Exception):
    def __init__(self, node: yaml.Node, code: str, message: str, hint: str) -> None:
        self.node, self.code, self.message, self.hint = node, code, message, hint
        super().__init__(message)


def span_of(source: Source, node: yaml.Node) -> Span:
    """Return the place of *node*; a block value ends with its first line."""
    start, end = node.start_mark, node.end_mark
    if end.line == start.line:
        end_line, end_column = end.line, max(end.column, start.column + 1)
    else:
        end_line, end_column = start.line, start.column + 1
    return Span(source.path, start.line + 1, start.column + 1, end_line + 1, end_column + 1)


def key_span(source: Source, container: Map, key: str) -> Span:
    """Return the place of *key* in *container*."""
    return span_of(source, container.nodes[key][0])


def raw_text(container: Map, key: str) -> str:
    """Return a number as it is written, so that `99.90` can become an exact decimal."""
    value = container[key]
    return str(value) if isinstance(value, int) else str(container.nodes[key][1].value)


def parse_documents(source: Source) -> Iterator[Document]:
    """
    Yield the documents of *source*, each with what was wrong with it.

    A syntax error ends the file: the document that holds it has no root.
    """
    refused = _refuse_hostile(source)
    if refused is not None:
        yield Document(source, None, None, [refused])
        return
    try:
        composer = _Composer(source.text)
        while composer.check_node():
            node = composer.get_node()
            assert node is not None
            yield _Builder(source).build_document(node)
    except yaml.MarkedYAMLError as error:
        yield Document(source, None, None, [_syntax_error(source, error)])
    except (yaml.YAMLError, ValueError) as error:
        yield Document(source, None, None, [_reading_error(source, error)])


def _refuse_hostile(source: Source) -> Diagnostic | None:
    if len(source.text) > MAX_BYTES:
        return Diagnostic(
            "SLO003",
            Severity.ERROR,
            f"the file is longer than {MAX_BYTES // 1024 // 1024} MiB",
            source.start,
            "split it: one file per service compiles faster and reads better",
        )
    odd = None if source.text.isascii() else _ODD_BREAK.search(source.text)
    if odd is not None:
        return Diagnostic(
            "SLO002",
            Severity.ERROR,
            f"invisible line break U+{ord(odd.group()):04X}",
            _span_at(source, odd.start()),
            "delete it; text that is pasted from a web page or a chat brings them along",
        )
    deep = _DEEP_BLOCK.search(source.text)
    offset = deep.start() if deep else _deep_flow(source.text)
    if offset is None:
        return None
    return Diagnostic(
        "SLO003",
        Severity.ERROR,
        f"nested more than {MAX_DEPTH} levels deep",
        _span_at(source, offset),
        "no spec needs this; look for an unclosed bracket",
    )


def _span_at(source: Source, offset: int) -> Span:
    """Return the place of the character at *offset*."""
    line = source.text.count("\n", 0, offset) + 1
    column = offset - (source.text.rfind("\n", 0, offset) + 1) + 1
    return Span(source.path, line, column, line, column + 1)


def _deep_flow(text: str) -> int | None:
    """Return the offset at which brackets are nested too deep to compose safely."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return None
    depth = 0
    for match in _BRACKETS.finditer(text):
        character = match.group()
        if character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return match.start()
        elif character == "\n":
            # Brackets in quoted or block text need not balance; a new top-level key ends them.
            following = text[match.end() : match.end() + 1]
            if following.isalnum():
                depth = 0
        elif depth:
            depth -= 1
    return None


def _syntax_error(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = error.problem or "syntax error"
    message = f"{error.context}: {problem}" if error.context else problem
    hint = None
    if "tab character" in problem or _starts_with_tab(source, line, column):
        hint = "YAML does not allow tabs as indentation; use spaces"
    elif "cannot start any token" in problem:
        hint = "quote text that starts with `@`, `%` or a backtick; render templates first"
    elif "mapping values are not allowed" in problem:
        hint = "quote the value if it holds ': ', or check the indentation of the line above"
    elif "could not find expected ':'" in problem or "block mapping" in message:
        hint = "check the indentation, and that every key ends in ':'"
    span = Span(source.path, line, column, line, column + 1)
    related: tuple[tuple[str, Span], ...] = ()
    start = error.context_mark
    opens = "flow" in message or "quoted" in message
    if opens and start is not None and (start.line + 1, start.column + 1) != (line, column):
        where = Span(
            source.path, start.line + 1, start.column + 1, start.line + 1, start.column + 2
        )
        related = (("opened here", where),)
    return Diagnostic("SLO002", Severity.ERROR, f"not valid YAML: {message}", span, hint, related)


def _starts_with_tab(source: Source, line: int, column: int) -> bool:
    rows = source.text.split("\n", line)
    before = rows[line - 1][:column] if len(rows) >= line else ""
    return "\t" in before and not before.strip()


def _reading_error(source: Source, error: Exception) -> Diagnostic:
    found = _UNPRINTABLE.search(source.text)
    if found is None:
        reason = " ".join(str(error).split())
        message, span, hint = f"cannot read as YAML: {reason}", source.start, None
    else:
        message = f"control character U+{ord(found.group()):04X} is not allowed in YAML"
        span, hint = _span_at(source, found.start()), "delete it"
    return Diagnostic("SLO002", Severity.ERROR, message, span, hint)


class _Builder:
    """Turn the node tree of one document into values."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._diagnostics: list[Diagnostic] = []
        self._values = 0
        self._seen: set[int] = set()
        self._expanded = 0

    def build_document(self, node: yaml.Node) -> Document:
        try:
            root = self._build(node, 0)
        except _LimitError as error:
            span = span_of(self._source, error.node)
            diagnostic = Diagnostic(error.code, Severity.ERROR, error.message, span, error.hint)
            return Document(self._source, None, node, [*self._diagnostics, diagnostic])
        return Document(self._source, root, node, self._diagnostics)

    def _build(self, node: yaml.Node, depth: int) -> Any:
        self._count(node, depth)
        if type(node) is yaml.ScalarNode:
            return self._scalar(node)
        if type(node) is yaml.SequenceNode:
            self._refuse_tag(node, "sequence", "tag:yaml.org,2002:seq")
            sequence = Seq(node)
            sequence.extend([self._build(member, depth + 1) for member in node.value])
            return sequence
        assert isinstance(node, yaml.MappingNode)
        return self._mapping(node, depth)

    def _refuse_tag(self, node: yaml.Node, *plain: str) -> None:
        """Report a tag other than the kind of the node and its name in YAML's own schema."""
        if node.tag not in plain:
            shown = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._report(
                "SLO009", node, f"tag `{shown}` is not supported", "write the value plainly"
            )

    def _count(self, node: yaml.Node, depth: int) -> None:
        self._values += 1
        if depth > MAX_DEPTH:
            raise _LimitError(
                node,
                "SLO003",
                f"nested more than {MAX_DEPTH} levels deep",
                "an alias that contains itself never ends; write the value out"
                if id(node) in self._seen
                else "no spec needs this",
            )
        if type(node) is not yaml.ScalarNode:
            identity = id(node)
            if identity in self._seen:
                self._expanded += 1
            self._seen.add(identity)
        if self._values > MAX_VALUES or (self._expanded and self._values > MAX_EXPANDED):
            raise _LimitError(
                node,
                "SLO004",
                f"aliases expand to more than {MAX_EXPANDED} values"
                if self._expanded
                else f"more than {MAX_VALUES} values in one document",
                "write the values out, or split the document",
            )

    def _mapping(self, node: yaml.MappingNode, depth: int) -> Map:
        self._refuse_tag(node, "mapping", "tag:yaml.org,2002:map")
        result = Map(node)
        merges: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if type(key_node) is not yaml.ScalarNode:
                hint = "quote text that starts with `{` or `[`" if key_node.flow_style else None
                self._report("SLO009", key_node, "a key must be plain text", hint)
                continue
            key = key_node.value
            if key == "<<" and not key_node.style:
                merges.append(value_node)
                continue
            if key in result:
                first = span_of(self._source, result.nodes[key][0])
                self._report(
                    "SLO005",
                    key_node,
                    f"key `{key}` stands twice in the same mapping",
                    "YAML would silently keep the last one; remove one of them",
                    (("first written here", first),),
                )
                continue
            result[key] = self._build(value_node, depth + 1)
            result.nodes[key] = (key_node, value_node)
        for merge in merges:
            self._merge(result, merge, depth)
        return result

    def _merge(self, result: Map, node: yaml.Node, depth: int) -> None:
        value = self._build(node, depth + 1)
        for mapping in value if isinstance(value, Seq) else [value]:
            if not isinstance(mapping, Map):
                self._report(
                    "SLO009", node, "`<<` merges mappings only", "name an anchored mapping"
                )
                continue
            for key, member in mapping.items():
                if key not in result:
                    result[key] = member
                    result.nodes[key] = mapping.nodes[key]

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        if node.style or node.tag == _TEXT_TAG:
            return text
        self._refuse_tag(node, "scalar")
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        first = text[0]
        if first.isdigit() or first in "+-.":
            if _YAML_11_NUMBER.match(text):
                self._trap(node, text)
            if _INT.match(text):
                return int(text) if len(text) < 300 else float(text)
            if _FLOAT.match(text):
                return float(text)
            if _BASED_INT.match(text):
                return int(text, 0)
        elif text in _YAML_11_BOOLS:
            self._trap(node, text)
        return text

    def _trap(self, node: yaml.Node, text: str) -> None:
        if text in _YAML_11_BOOLS:
            other = "true" if text.lower() in ("yes", "on", "y") else "false"
            hint = f'write "{text}" for text, or {other}'
        elif ":" in text:
            other, hint = "a number in base 60", f'quote it: "{text}"'
        else:
            other, hint = "an octal number", "drop the leading zero, or quote it if it is text"
        span = span_of(self._source, node)
        self._diagnostics.append(
            Diagnostic(
                "SLO006",
                Severity.WARNING,
                f"`{text}` is read as written here, but as {other} by YAML 1.1 tools",
                span,
                hint,
            )
        )

    def _report(
        self,
        code: str,
        node: yaml.Node,
        message: str,
        hint: str | None,
        related: tuple[tuple[str, Span], ...] = (),
    ) -> None:
        span = span_of(self._source, node)
        self._diagnostics.append(Diagnostic(code, Severity.ERROR, message, span, hint, related))
