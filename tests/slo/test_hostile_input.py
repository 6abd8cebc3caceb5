"""No input breaks the readers: there is a plan, or a diagnostic at the right place."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from slo.engine.options import PROFILES, CompileOptions
from slo.engine.pipeline import compile_specs
from slo.source import MAX_BYTES

SPEC = """\
version: slo/v1
service: shop
slos:
  - name: aa
    objective: 99.9
    indicator: {http_availability: {}}
"""
SLOTH = """\
version: prometheus/v1
service: shop
slos:
  - name: aa
    objective: 99.9
    sli: {raw: {error_ratio_query: "sum(rate(a[{{.window}}])) / sum(rate(b[{{.window}}]))"}}
    alerting: {name: ShopAa}
"""

Place = tuple[str, int, int]
Compile = Callable[[str | bytes], list[Place]]


def objective(value: str) -> str:
    return SPEC.replace("99.9", value)


def indicator(value: str) -> str:
    return SPEC.replace("{http_availability: {}}", value)


def slo(line: str) -> str:
    """Return the spec with one more line in its objective."""
    return f"{SPEC}    {line}\n"


def query(scalar: str) -> str:
    """Return a spec whose query is *scalar*, which starts in line 8, column 16."""
    head = SPEC.replace("    indicator: {http_availability: {}}\n", "")
    return f"{head}    indicator:\n      ratio:\n        error: {scalar}\n"


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    """Return a function that compiles a text in every profile and returns what was found."""

    def function(text: str | bytes) -> list[Place]:
        path = tmp_path / "spec.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        for profile in PROFILES:
            options = CompileOptions(profile=profile, kinds=("rules", "alertmanager"))
            result = compile_specs([str(path)], options)
            assert result.failed == any(d.is_error for d in result.diagnostics)
            assert result.failed == (not result.artifacts)
            if profile == "exact":
                found = [(d.code, d.span.line, d.span.column) for d in result.diagnostics]
        return found

    return function


VALID = {
    "byte order mark": "\ufeff" + SPEC,
    "line ends of Windows": SPEC.replace("\n", "\r\n"),
    "line ends of old Macs": SPEC.replace("\n", "\r"),
    "tab after a colon": SPEC.replace("objective: ", "objective:\t"),
    "JSON": '{"version": "slo/v1", "service": "shop", "slos": [{"name": "aa", "objective": 99.9, '
    '"indicator": {"http_availability": {}}}]}',
    "directive": f"%YAML 1.1\n---\n{SPEC}",
    "end of document": f"{SPEC}...\n",
    "empty documents between": f"---\n# nothing\n---\n{SPEC}---\n---\n# nothing\n",
    "two documents": f"{SPEC}---\n{SPEC.replace('aa', 'bb')}",
    "exponent": objective("9.99e1"),
    "sign": objective("+99.9"),
    "point at the end": objective("99."),
    "hexadecimal": objective("0x63"),
    "octal": objective("0o143"),
    "many digits": objective("99.9" + "0" * 300),
    "tags of YAML itself": SPEC.replace("shop", "!!str shop").replace("{http_a", "!!map {http_a"),
    "anchors": slo("labels: &l {a: b}") + "  - {name: bb, objective: 99, labels: *l, "
    "indicator: {http_availability: {}}}\n",
    "merge": SPEC.replace("- name", "- &base\n    name") + "  - <<: *base\n    name: bb\n",
    "merge of several": SPEC.replace("- name", "- &base\n    name")
    + "  - <<: [*base, {labels: {a: b}}]\n    name: bb\n",
    "letters of the world": SPEC + 'description: "日本語 🔥 שלום"\n',
    "numbers and switches for text in sloth": SLOTH.replace("shop", "123") + "labels: {a: true}\n",
    "nulls in sloth": SLOTH + "    labels:\n    plugins:\n    description: ~\nlabels: null\n",
    "keys in other letters in sloth": SLOTH.replace("slos", "SLOs").replace("name: aa", "Name: aa"),
    "much traffic": slo("expected_events_per_hour: 1e12"),
    "regular expression with quotes": indicator(
        "{http_availability: {selector: {a: 'x\"y\\z'}, error_status: '5\"..'}}"
    ),
}


@pytest.mark.parametrize("text", VALID.values(), ids=VALID)
def test_unusual_but_valid(text: str, compiled: Compile) -> None:
    assert [] == compiled(text)


REFUSED: dict[str, tuple[str | bytes, list[Place]]] = {
    # Nothing there, or something else
    "empty": ("", [("SLO008", 1, 1)]),
    "only comments": ("# version: slo/v1\n", [("SLO008", 1, 1)]),
    "list at the root": ("- a\n", [("SLO007", 1, 1)]),
    "text at the root": ("hello", [("SLO007", 1, 1)]),
    "no version": ("service: shop\n", [("SLO007", 1, 1)]),
    "version with a capital": (SPEC.replace("version", "Version"), [("SLO007", 1, 1)]),
    "version is null": (SPEC.replace("slo/v1", "~"), [("SLO007", 1, 10)]),
    "version is a mapping": (SPEC.replace("slo/v1", "{a: b}"), [("SLO007", 1, 10)]),
    "kind is a mapping": (f"{SPEC}kind: {{a: b}}\n", [("SLO104", 7, 7)]),
    "nothing but the version": (
        "version: slo/v1\n",
        [("SLO102", 1, 1), ("SLO102", 1, 1)],
    ),
    "resource without parts": (
        "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nmetadata:\nspec:\n",
        [("SLO102", 1, 1), ("SLO102", 1, 1)],
    ),
    # Encoding and characters
    "not UTF-8": (SPEC.replace("shop", "k\xe4se").encode("latin-1"), [("SLO001", 2, 11)]),
    "UTF-16": (SPEC.encode("utf-16"), [("SLO001", 1, 1)]),
    "null byte": (SPEC.replace("shop", "sh\0op"), [("SLO002", 2, 12)]),
    "bell": (SPEC.replace("shop", "sh\aop"), [("SLO002", 2, 12)]),
    "line separator": (f"# a\u2028b\n{objective('199')}", [("SLO002", 1, 4)]),
    "next line": (SPEC.replace("shop", "sh\x85op"), [("SLO002", 2, 12)]),
    "half a character": (SPEC.replace("shop", '"\\ud800"'), [("SLO002", 2, 13)]),
    "letters of the world as a name": (SPEC.replace("shop", "kässe"), [("SLO106", 2, 10)]),
    "digits of the world": (SPEC.replace("aa", "a٣a"), [("SLO106", 4, 11)]),
    "line feed after a name": (SPEC.replace("aa", '"aa\\n"'), [("SLO106", 4, 11)]),
    "very long name": (SPEC.replace("shop", "s" * 5000), [("SLO106", 2, 10)]),
    "wide characters before the place": (
        f'{SPEC}description: "日本語🔥 é"\nlinks: {{"日本🔥": ftp://x}}\n',
        [("SLO106", 8, 16)],
    ),
    # YAML
    "tab as indentation": (SPEC.replace("    objective", "\tobjective"), [("SLO002", 5, 1)]),
    "quote that never closes": (SPEC.replace("shop", '"shop'), [("SLO002", 7, 1)]),
    "template": (SPEC.replace("shop", "{{ .Values.name }}"), [("SLO009", 2, 11)]),
    "statement of a template": (f"{{% if a %}}\n{SPEC}", [("SLO002", 1, 2)]),
    "unknown alias": (SPEC.replace("shop", "*shop"), [("SLO002", 2, 10)]),
    "Python object": (SPEC.replace("shop", "!!python/object:os.x shop"), [("SLO009", 2, 10)]),
    "tag on a mapping": (indicator("!x {http_availability: {}}"), [("SLO009", 6, 16)]),
    "tag on a list": (SPEC + "    group_by: !x [a]\n", [("SLO009", 7, 15)]),
    "list as a key": (f"{SPEC}? [a, b]\n: 1\n", [("SLO009", 7, 3)]),
    "number as a key": (f"{SPEC}1: 2\n", [("SLO101", 7, 1)]),
    "empty key": (f'{SPEC}"": 2\n', [("SLO101", 7, 1)]),
    "merge of text": (f"{SPEC}<<: text\n", [("SLO009", 7, 5)]),
    "merge of itself": (
        "version: slo/v1\nservice: shop\nslos:\n  - &a\n    <<: *a\n",
        [("SLO003", 4, 5)],
    ),
    "deep brackets": (f"{SPEC}labels: {'[' * 200}{']' * 200}\n", [("SLO003", 7, 109)]),
    "deep mappings": (
        "".join(f"{' ' * depth}a:\n" for depth in range(300)),
        [("SLO003", 102, 102)],
    ),
    # Documents
    "error in the second document": (
        f"{SPEC}---\n{objective('199').replace('aa', 'bb')}",
        [("SLO201", 12, 16)],
    ),
    "syntax error in the second document": (f"{SPEC}---\na: [\n", [("SLO002", 9, 1)]),
    "same document twice": (f"{SPEC}---\n{SPEC}", [("SLO401", 11, 11)]),
    "line ends of Windows": (objective("199").replace("\n", "\r\n"), [("SLO201", 5, 16)]),
    "line ends of old Macs": (objective("199").replace("\n", "\r"), [("SLO201", 5, 16)]),
    # Shapes
    "no list": (SPEC[: SPEC.index("  -")], [("SLO103", 3, 1)]),
    "null in the list": (f"{SPEC}  - ~\n", [("SLO103", 7, 5)]),
    "mapping for a list": (
        "version: slo/v1\nservice: shop\nslos: {a: 1}\n",
        [("SLO103", 3, 1)],
    ),
    "text for a mapping": (indicator("http_availability"), [("SLO103", 6, 5)]),
    "false for a mapping": (slo("alerting: false"), [("SLO103", 7, 5)]),
    "two kinds": (
        indicator("{http_availability: {}, http_latency: {threshold: 1s}}"),
        [("SLO107", 6, 5)],
    ),
    "chain of sloth is text": (f"{SLOTH}slo_plugins: {{chain: text}}\n", [("SLO103", 8, 15)]),
    "objectives of sloth are text": (
        "version: prometheus/v1\nservice: shop\nslos: text\n",
        [("SLO103", 3, 1)],
    ),
    # Mistakes that are reached through aliases are not read as if they were sound
    "mistake behind an alias": (
        objective("&o abc") + "  - {name: bb, objective: *o, indicator: {http_availability: {}}}\n",
        [("SLO103", 5, 16)],
    ),
    "mistake behind a merge": (
        objective("abc").replace("- name", "- &b\n    name") + "  - <<: *b\n    name: bb\n",
        [("SLO103", 6, 16)],
    ),
    "mistake behind a merge in sloth": (
        SLOTH.replace("- name", "- &b\n    name").replace("99.9", "abc")
        + "  - <<: *b\n    name: bb\n  - *b\n",
        [("SLO103", 6, 16)],
    ),
    # Numbers
    "no number": (objective(".nan"), [("SLO201", 5, 16)]),
    "infinite": (objective(".inf"), [("SLO201", 5, 16)]),
    "too small to be more than zero": (objective("1e-400"), [("SLO201", 5, 16)]),
    "more traffic than there is": (
        slo("expected_events_per_hour: 1e300"),
        [("SLO105", 7, 31)],
    ),
    "many nines": (objective("99." + "9" * 300), [("SLO201", 5, 16)]),
    "very many digits": (objective("9" * 5000), [("SLO201", 5, 16)]),
    "very large exponent": (objective("1e99999999999"), [("SLO201", 5, 16)]),
    "percent sign": (objective("99.9%"), [("SLO103", 5, 16)]),
    "decimal comma": (objective("99,9"), [("SLO103", 5, 16)]),
    "base 60": (objective("1:30"), [("SLO006", 5, 16), ("SLO103", 5, 16)]),
    "old octal": (objective("0143"), [("SLO006", 5, 16), ("SLO201", 5, 16)]),
    "hundred as an exponent": (objective("1e2"), [("SLO208", 5, 16)]),
    "very long period": (slo(f"window: {'9' * 400}d"), [("SLO204", 7, 13)]),
    "period of zero": (slo("window: 0d"), [("SLO108", 7, 13)]),
    "large unit letter": (slo("window: 30D"), [("SLO108", 7, 13)]),
    "traffic that is no number": (slo("expected_events_per_hour: .nan"), [("SLO105", 7, 31)]),
    "days of OpenSLO beyond measure": (
        "apiVersion: openslo/v1alpha\nkind: SLO\nmetadata: {name: aa}\nspec:\n  service: shop\n"
        "  timeWindows: [{count: 99999999999999999999, unit: Day}]\n  objectives:\n"
        "    - target: 0.9\n      ratioMetrics:\n"
        "        good: {source: sloth, queryType: promql, query: 'rate(b[{{.window}}])'}\n"
        "        total: {source: sloth, queryType: promql, query: 'rate(a[{{.window}}])'}\n",
        [("SLO204", 6, 3)],
    ),
    # Settings that end up in queries
    "selector that closes the braces": (
        indicator("{http_availability: {selector: '}{'}}"),
        [("SLO301", 6, 17)],
    ),
    "group that is taken": (slo("group_by: [sloth_id]"), [("SLO211", 4, 11)]),
    "interval that is no mapping": (
        slo("plugins: [{id: sloth.dev/contrib/rule_intervals/v1, config: {interval: 5m}}]"),
        [("SLO902", 7, 20)],
    ),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED)
def test_diagnostic_at_the_right_place(
    text: str | bytes, expected: list[Place], compiled: Compile
) -> None:
    assert expected == compiled(text)


BRACE = 'sum(rate(b{x="y"[{{.window}}]))'
RATE = "sum(rate(a[{{.window}}]))"
SCALARS: dict[str, tuple[str, list[Place]]] = {
    "literal block": (f"|\n          {RATE}\n            / {BRACE}", [("SLO301", 10, 25)]),
    "literal block with a blank first line": (
        f"|\n\n          {RATE}\n          / {BRACE}",
        [("SLO301", 11, 23)],
    ),
    "literal block with its own indentation": (
        f"|2\n            {RATE}\n          / {BRACE}",
        [("SLO301", 10, 23)],
    ),
    "literal block with a comment": (
        f"| # note\n          {RATE}\n          / {BRACE}",
        [("SLO301", 10, 23)],
    ),
    "literal block without a last line feed": (
        f"|-\n          {RATE}\n          / {BRACE}",
        [("SLO301", 10, 23)],
    ),
    "folded block": (f">-\n          {RATE}\n          / {BRACE}", [("SLO301", 10, 23)]),
    "double quotes": (
        f'"{RATE} / {BRACE}"'.replace('"y"', '\\"y\\"'),
        [("SLO301", 8, 55)],
    ),
    "single quotes": (
        f"'{RATE} / {BRACE}'".replace('"y"', "''y''"),
        [("SLO301", 8, 55)],
    ),
    "single quotes over lines": (f"'{RATE}\n          / {BRACE}'", [("SLO301", 9, 23)]),
    "plain over lines": (f"{RATE}\n          / {BRACE}", [("SLO301", 9, 23)]),
    "unknown function": (f"|\n          summ({RATE})", [("SLO301", 9, 11)]),
    "curly quotes": ("sum(rate(a{x=“y”}[{{.window}}]))", [("SLO301", 8, 29)]),
    "letters before the place": (f"'sum(a{{x=\"日本🔥\"}}) / ! {RATE}'", [("SLO301", 8, 35)]),
    "pattern that is none": (
        '"sum(rate(a{x=~\\"(\\"}[{{.window}}]))"',
        [("SLO301", 8, 33)],
    ),
    "range without a rate": ("a[{{.window}}]", [("SLO301", 8, 16)]),
    "text": ("\"'{{.window}}'\"", [("SLO301", 8, 16)]),
    "only a comment": ('"# {{.window}}"', [("SLO301", 8, 16)]),
    "only spaces": ('"  "', [("SLO301", 8, 16)]),
    "empty": ('""', [("SLO103", 8, 16)]),
    "nothing": ("", [("SLO103", 8, 9)]),
    "other action": (
        'sum(rate(a{x="{{ .x }}"}[{{.window}}]))',
        [("SLO304", 8, 30)],
    ),
    "deep": (f'"{"(" * 200}{{{{.window}}}}{")" * 200}"', [("SLO305", 8, 118)]),
    "long": (f'"{"a + " * 6000}rate(b[{{{{.window}}}}])"', [("SLO305", 8, 16)]),
}


@pytest.mark.parametrize(("scalar", "expected"), SCALARS.values(), ids=SCALARS)
def test_mistake_in_a_query_is_found_in_its_scalar(
    scalar: str, expected: list[Place], compiled: Compile
) -> None:
    assert expected == compiled(query(scalar))


@pytest.mark.parametrize("repeated", ["a + ", "-", "a^", "a == ", "a and ", "a % bool -", "+ -"])
@pytest.mark.parametrize("length", [500, 16_000])
def test_a_tree_too_deep_to_walk_is_refused(repeated: str, length: int, compiled: Compile) -> None:
    text = (repeated * length)[:length].rstrip("abol ")
    found = compiled(query(f'"{text} rate(b[{{{{.window}}}}])"'))

    assert "SLO003" not in {code for code, _, _ in found}
    if length > 500:
        assert ["SLO305"] == [code for code, _, _ in found]


def test_a_file_that_is_too_large_is_refused(compiled: Compile) -> None:
    comment = "# " + "x" * 77 + "\n"

    assert [("SLO003", 1, 1)] == compiled(comment * (MAX_BYTES // 80 + 1) + SPEC)


@pytest.mark.parametrize(
    "line", ["# " + "ä" * 77 + "\n", "# " + "x" * 76 + "\r\n"], ids=["wide", "windows"]
)
def test_a_file_that_is_too_large_in_bytes_is_refused(line: str, compiled: Compile) -> None:
    number = MAX_BYTES // len(line.encode()) + 1

    assert [("SLO003", 1, 1)] == compiled(line * number + SPEC)


@pytest.mark.parametrize("config", ["7", "true", "2.5"])
def test_settings_of_a_plugin_that_are_no_mapping(config: str, compiled: Compile) -> None:
    plugin = f"{{id: sloth.dev/contrib/rule_intervals/v1, config: {config}}}"

    assert [("SLO902", 7, 20)] == compiled(slo(f"plugins: [{plugin}]"))


@pytest.mark.parametrize("body", list(itertools.product("[{", "[{", "]}", "]}")), ids="".join)
def test_brackets_of_all_kinds(body: tuple[str, ...], compiled: Compile) -> None:
    compiled(f"{SPEC}labels: {''.join(body)}\n")
