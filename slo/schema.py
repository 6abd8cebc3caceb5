"""
Validate documents against the published JSON Schemas, with a place for every mistake.

The schemas below `slo/schemas/` are the only description of each dialect; this module
interprets the part of draft 2020-12 that they use. A general validator would do, but costs
50 ms of start-up and knows no lines (ADR 0003); a test compares the two on the same input.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from slo.concealment import concealed
from slo.diagnostics import Diagnostic, Severity
from slo.locate import locate
from slo.promql import PromqlError, check_regex, check_template
from slo.source import Map, Seq, Source, span_of

__all__ = ["Checker", "checker", "closest", "load_schema"]

_FOLDER = Path(__file__).with_name("schemas")
_INFINITY = float("inf")
_TYPE_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}

Check = Callable[[Any, yaml.Node, yaml.Node, "_Run"], None]
"""Check a value: the value, its node, the node to blame for what is missing, the run."""


@dataclass(slots=True)
class _Run:
    source: Source
    diagnostics: list[Diagnostic]
    lenient: bool

    def report(
        self,
        code: str,
        node: yaml.Node,
        message: str,
        hint: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:
        span = span_of(self.source, node)
        self.diagnostics.append(Diagnostic(code, severity, message, span, hint))


def load_schema(name: str) -> dict[str, Any]:
    """Return the published schema *name*, such as `slo-v1`."""
    loaded: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))
    return loaded


def closest(word: str, choices: Iterable[str]) -> str | None:
    """Return the one of *choices* that *word* was probably meant to be."""
    import difflib  # only when something is wrong: it costs start-up time

    def plain(text: str) -> str:
        return text.replace("_", "").replace("-", "").lower()

    candidates = sorted(set(choices))
    for candidate in candidates:
        if plain(candidate) == plain(word):
            return candidate
    matches = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return matches[0] if matches else None


class Checker:
    """
    Check documents of one kind.

    Args:
        definition: Name below `$defs`.
        lenient: Accept what the dialect's own tool accepts: unknown keys are warnings, and
            numbers and booleans pass for text.
    """

    def __init__(self, schema: dict[str, Any], definition: str, lenient: bool) -> None:
        compiler = _Compiler(schema["$defs"])
        self._check = compiler.compile({"$ref": f"#/$defs/{definition}"})
        self._lenient = lenient

    def check(self, source: Source, value: Any, node: yaml.Node) -> list[Diagnostic]:
        """Return what is wrong with *value*, all of it."""
        run = _Run(source, [], self._lenient)
        self._check(value, node, node, run)
        return run.diagnostics


@lru_cache(maxsize=32)
def checker(schema: str, definition: str, lenient: bool = False) -> Checker:
    """Return the checker for *definition* of the schema file *schema*."""
    return Checker(load_schema(schema), definition, lenient)


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array"


def _fits(actual: str, wanted: str) -> bool:
    return actual == wanted or (wanted == "number" and actual == "integer")


class _Compiler:
    """Turn schemas into closures, so that ten thousand specs do not interpret JSON."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._compiled: dict[str, Check] = {}

    def compile(self, schema: dict[str, Any]) -> Check:
        reference = schema.get("$ref")
        if reference is not None:
            return self._reference(reference.removeprefix("#/$defs/"))
        if "anyOf" in schema:
            return self._alternatives(schema)
        if "const" in schema:
            return _constant(schema)
        if "enum" in schema:
            return _choice(schema)
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        if kind == "string":
            return _text(schema)
        if kind in ("number", "integer"):
            return _number(schema)
        if kind == "boolean":
            return _boolean
        return _anything

    def _reference(self, name: str) -> Check:
        # Resolved on first use, so that definitions may refer to each other in any order.
        def check(value: Any, node: yaml.Node, blame: yaml.Node, run: _Run) -> None:
            found = self._compiled.get(name)
            if found is None:
                found = self._compiled[name] = self.compile(self._definitions[name])
            found(value, node, blame, run)

        return check

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema.get("$ref")
        if reference is None:
            return schema
        resolved: dict[str, Any] = self._definitions[reference.removeprefix("#/$defs/")]
        return resolved

    def _alternatives(self, schema: dict[str, Any]) -> Check:
        """Choose the alternative by the type of the value, so that its own errors are shown."""
        branches: list[tuple[dict[str, Any], Check]] = [
            (self._resolve(branch), self.compile(branch)) for branch in schema["anyOf"]
        ]
        expects = schema.get("x-expects") or " or ".join(
            json.dumps(branch["const"]) if "const" in branch else _TYPE_WORDS[branch["type"]]
            for branch, _ in branches
        )

        def check(value: Any, node: yaml.Node, blame: yaml.Node, run: _Run) -> None:
            actual = _type_of(value)
            for branch, branch_check in branches:
                if "const" in branch:
                    if value == branch["const"] and type(value) is type(branch["const"]):
                        return
                elif _fits(actual, branch["type"]):
                    branch_check(value, node, blame, run)
                    return
            run.report("SLO103", node, f"expected {expects}, got {_show(value)}", _switch(value))

        return check

    def _object(self, schema: dict[str, Any]) -> Check:
        properties = {k: self.compile(v) for k, v in schema.get("properties", {}).items()}
        required = tuple(schema.get("required", ()))
        exactly_one = [tuple(option["required"]) for option in schema.get("oneOf", ())]
        additional = schema.get("additionalProperties", True)
        extra = self.compile(additional) if isinstance(additional, dict) else None
        names = self.compile(schema["propertyNames"]) if "propertyNames" in schema else None
        least, most = schema.get("minProperties", 0), schema.get("maxProperties")
        closed = additional is False
        empty = None if required or exactly_one or least else "leave it out, or write `{}`"

        def check(value: Any, node: yaml.Node, blame: yaml.Node, run: _Run) -> None:
            if not isinstance(value, Map):
                hint = empty if value is None else None
                run.report("SLO103", blame, f"expected a mapping, got {_show(value)}", hint)
                return
            for key, member in value.items():
                key_node, value_node = value.nodes[key]
                member_check = properties.get(key, extra)
                if member_check is not None:
                    if names is not None:
                        names(key, key_node, key_node, run)
                    member_check(member, value_node, key_node, run)
                elif closed:
                    _unknown_key(key, key_node, properties, run)
            for key in required:
                if key not in value:
                    run.report("SLO102", blame, f"`{key}` is missing", _meaning(schema, key))
            if exactly_one:
                _check_exactly_one(value, exactly_one, blame, run)
            if most is None and len(value) < least:
                hint = f"one of: {', '.join(sorted(properties))}" if properties else None
                run.report("SLO102", blame, "at least one entry is needed", hint)
            elif len(value) < least or (most is not None and len(value) > most):
                _wrong_count(value, properties, blame, run)

        return check

    def _array(self, schema: dict[str, Any]) -> Check:
        items = self.compile(schema.get("items", {}))
        least = schema.get("minItems", 0)

        def check(value: Any, node: yaml.Node, blame: yaml.Node, run: _Run) -> None:
            if not isinstance(value, Seq):
                run.report("SLO103", blame, f"expected a list, got {_show(value)}")
                return
            if len(value) < least:
                run.report("SLO102", blame, "at least one entry is needed")
            for member, member_node in zip(value, value.nodes, strict=True):
                items(member, member_node, member_node, run)

        return check


def _meaning(schema: dict[str, Any], key: str) -> str | None:
    described: str | None = schema.get("properties", {}).get(key, {}).get("description")
    return f"{key}: {described}" if described else None


def _unknown_key(key: str, node: yaml.Node, known: Iterable[str], run: _Run) -> None:
    guess = closest(key, known)
    hint = f"did you mean `{guess}`?" if guess else f"known here: {', '.join(sorted(known))}"
    severity = Severity.WARNING if run.lenient else Severity.ERROR
    message = f"unknown key {_show(key)}" + (" is ignored" if run.lenient else "")
    run.report("SLO101", node, message, hint, severity)


def _check_exactly_one(
    value: Map, options: list[tuple[str, ...]], blame: yaml.Node, run: _Run
) -> None:
    given = [option for option in options if all(key in value for key in option)]
    if len(given) != 1:
        words = " or ".join("`" + "`, `".join(option) + "`" for option in options)
        found = "both" if given else "none"
        run.report("SLO107", blame, f"exactly one of {words} is needed, found {found}")


def _wrong_count(value: Map, known: Iterable[str], blame: yaml.Node, run: _Run) -> None:
    found = ", ".join(f"`{key}`" for key in value) or "none"
    run.report(
        "SLO107",
        blame,
        f"exactly one kind is needed, found {found}",
        f"one of: {', '.join(sorted(known))}",
    )


def _show(value: Any) -> str:
    kind = _type_of(value)
    if kind in ("object", "array", "null"):
        return _TYPE_WORDS[kind]
    if kind == "boolean":
        return "true" if value else "false"
    return _clipped(repr(value) if kind != "string" else f"`{concealed(value)}`")


def _clipped(text: str) -> str:
    """Return *text* on one short line."""
    plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:60])
    return plain if len(text) <= 60 else f"{plain[:57]}..."


def _anything(value: Any, node: yaml.Node, blame: yaml.Node, run: _Run) -> None:
    return None


def _boolean(value: Any, node: yaml.Node, blame: yaml.Node, run: _Run) -> None:
    if not isinstance(value, bool):
        run.report("SLO103", node, f"expected true or false, got {_show(value)}", _switch(value))


def _switch(value: Any) -> str | None:
    """Return a hint for those who write switches as YAML 1.1 did."""
    if isinstance(value, str) and value.lower() in ("no", "off", "n"):
        return "write `false`"
    if isinstance(value, str) and value.lower() in ("yes", "on", "y"):
        return "write `true`"
    return None


def _constant(schema: dict[str, Any]) -> Check:
    wanted = schema["const"]

    def check(value: Any, node: yaml.Node, blame: yaml.Node, run: _Run) -> None:
        if value != wanted or type(value) is not type(wanted):
            run.report("SLO104", node, f"expected {_show(wanted)}, got {_show(value)}")

    return check


def _choice(schema: dict[str, Any]) -> Check:
    choices: list[str] = schema["enum"]

    def check(value: Any, node: yaml.Node, blame: yaml.Node, run: _Run) -> None:
        if value not in choices:
            guess = closest(str(value), choices)
            hint = f"did you mean `{guess}`?" if guess else None
            words = ", ".join(f"`{choice}`" for choice in choices)
            run.report("SLO104", node, f"expected one of {words}, got {_show(value)}", hint)

    return check


def _text(schema: dict[str, Any]) -> Check:
    # ECMAScript's `$` is the very end; Python's also matches before a last line feed.
    pattern = re.compile(re.sub(r"\$$", r"\\Z", schema["pattern"])) if "pattern" in schema else None
    code = schema.get("x-code", "SLO106")
    expects = schema.get("x-expects", "text")
    least = schema.get("minLength", 0)
    most = schema.get("maxLength")
    promql = schema.get("x-promql", False)
    regex = schema.get("x-regex", False)
    secret = schema.get("x-secret", False)

    def shown(value: Any) -> str:
        return "something else, which may be the secret itself" if secret else _show(value)

    def fits(text: str) -> bool:
        return (
            (pattern is None or pattern.search(text) is not None)
            and len(text) >= least
            and (most is None or len(text) <= most)
        )

    def check(value: Any, node: yaml.Node, blame: yaml.Node, run: _Run) -> None:
        if type(value) is not str:
            scalar = isinstance(value, (bool, int, float))
            if not (run.lenient and scalar):
                fit = scalar and not secret and fits(str(node.value))
                hint = f'quote it: "{node.value}"' if fit else None
                hint = schema.get("x-hint") if secret else hint
                wanted = "text" if scalar and expects.startswith("text") else expects
                run.report(
                    code if secret and scalar else "SLO103",
                    blame if value is None else node,
                    f"expected {wanted}, got {shown(value)}",
                    hint,
                )
                return
            value = str(node.value)
        if not fits(value):
            run.report(code, node, f"expected {expects}, got {shown(value)}", schema.get("x-hint"))
        elif promql:
            _check_query(value, node, run)
        elif regex:
            _check_regex(value, node, run)

    return check


_QUERY_HINTS = {
    "SLO302": "use it as the range: `rate(requests_total[{{.window}}])`",
    "SLO304": "only `{{.window}}` is replaced",
}


def _check_query(query: str, node: yaml.Node, run: _Run) -> None:
    try:
        check_template(query)
    except PromqlError as error:
        span = span_of(run.source, node)
        if error.offset is not None:
            span = locate(run.source, node, query, error.offset, error.length)
        hint = _QUERY_HINTS.get(error.code)
        run.diagnostics.append(
            Diagnostic(error.code, Severity.ERROR, f"PromQL: {error}", span, hint)
        )


_ONLY_ELSEWHERE = re.compile(r"\(\?(?:=|!|<=|<!|>)|\\[1-9]")


def _check_regex(pattern: str, node: yaml.Node, run: _Run) -> None:
    try:
        check_regex(pattern)
    except PromqlError as error:
        foreign = _ONLY_ELSEWHERE.search(pattern)
        hint = "RE2 has no look-around and no back-references" if foreign else None
        run.report(error.code, node, f"{_show(pattern)} is {error}", hint)


def _number(schema: dict[str, Any]) -> Check:
    whole = schema["type"] == "integer"
    expects = schema.get("x-expects", "a whole number" if whole else "a number")
    code = schema.get("x-code", "SLO105")
    above = schema.get("exclusiveMinimum", -_INFINITY)
    least = schema.get("minimum", -_INFINITY)
    most = schema.get("maximum", _INFINITY)

    def check(value: Any, node: yaml.Node, blame: yaml.Node, run: _Run) -> None:
        kind = _type_of(value)
        if kind != "integer" and (whole or kind != "number"):
            quoted = isinstance(node, yaml.ScalarNode) and node.style and _looks_numeric(node.value)
            hint = "write it without quotes" if quoted else schema.get("x-hint")
            run.report("SLO103", node, f"expected {expects}, got {_show(value)}", hint)
        elif not (above < value < _INFINITY and least <= value <= most):
            # Written so that NaN, which compares false with everything, is refused too.
            shown = _clipped(str(node.value))
            run.report(code, node, f"expected {expects}, got {shown}", schema.get("x-hint"))

    return check


def _looks_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
