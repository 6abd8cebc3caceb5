"""Every diagnostic code has a page that explains it and a sample that provokes it."""

import difflib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import indent

import pytest

import slo.explain
from slo.engine.cli import main

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).parent
PAGES = Path(slo.explain.__path__[0])
SOURCES = ("slo", "alerts", "collector", "dashboards", "engine", "stack")

# Codes that no spec leads to; they guard what other callers of the library may pass.
UNREACHABLE: dict[str, str] = {}
# Codes that are about files, sizes or plugins: no short spec shows them.
SHOWN_AS_TEXT = {"SLO001", "SLO008", "SLO305", "SLO402", "SLO903", *UNREACHABLE}
# What an example needs besides its text.
ARGUMENTS = {"SLO207": ["--retention", "15d"], "SLO507": ["--profile", "sloth"]}
# Samples that are too large to keep: files by name, made when the test runs.
BUILDERS: dict[str, Callable[[], dict[str, str]]] = {
    "SLO305": lambda: {
        "spec.yaml": complete(
            "indicator:\n  events:\n"
            f"    error: {' + '.join(['sum(rate(a[{{.window}}]))'] * 402)}\n"
            "    total: sum(rate(http_requests_total[{{.window}}]))\n"
        )
    },
}
LONGEST_PAGE = 48
EXAMPLES = re.compile(r"^(Wrong|Right):\n\n```(yaml|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def emitted_codes() -> set[str]:
    """Return the codes that stand as text in the code and in the schemas."""
    found: set[str] = set()
    for folder in SOURCES:
        for path in (*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.json")):
            found.update(re.findall(r'"(SLO\d{3})"', path.read_text("utf-8")))
    return found


def explained_codes() -> set[str]:
    return {path.stem for path in PAGES.glob("*.md")}


def sampled_codes() -> set[str]:
    return {path.name for path in SAMPLES.iterdir() if path.is_dir() and path.name[0] == "S"}


CODES = sorted(explained_codes())
SAMPLED = sorted(sampled_codes())


def complete(example: str) -> str:
    """
    Return a page's example as a document.

    An example that names no version is the keys of one SLO; what it leaves out is added.
    """
    if re.search(r"^(?:version|apiVersion):", example, re.MULTILINE):
        return example
    missing = {
        "name": "name: availability\n",
        "objective": "objective: 99.9\n",
        "indicator": "indicator: {http_availability: {}}\n",
    }
    added = "".join(
        text for key, text in missing.items() if not re.search(rf"^{key}:", example, re.MULTILINE)
    )
    body = indent(added + example, "    ").replace("    ", "  - ", 1)
    return f"version: slo/v1\nservice: checkout\nslos:\n{body}"


def examples(code: str) -> Iterator[tuple[str, str, str]]:
    """Yield verdict, language and text of the examples of a page."""
    for match in EXAMPLES.finditer((PAGES / f"{code}.md").read_text("utf-8")):
        yield match[1], match[2], match[3]


Validate = Callable[..., tuple[str, str]]


@pytest.fixture
def validate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str]]:
    """Return a function that runs `slo validate` in a folder and returns both outputs."""
    monkeypatch.setenv("NO_COLOR", "1")

    def function(folder: Path, *arguments: str) -> tuple[str, str]:
        monkeypatch.chdir(folder)
        with pytest.raises(SystemExit) as raised:
            main(["validate", *arguments])
        assert raised.value.code in (0, 1)
        captured = capsys.readouterr()
        return captured.out, captured.err

    return function


def sample_arguments(folder: Path) -> list[str]:
    """Return the spec files at the top of a sample, and the options of its file `args`."""
    specs = sorted(p.name for p in folder.iterdir() if p.suffix in (".yaml", ".yml"))
    options = folder / "args"
    return [*specs, *(options.read_text("utf-8").split("\n")[:-1] if options.exists() else ())]


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert emitted_codes() == explained_codes()


def test_every_code_has_a_sample_and_every_sample_a_code() -> None:
    assert emitted_codes() - UNREACHABLE.keys() == sampled_codes()


def test_exceptions_name_codes_that_exist() -> None:
    assert emitted_codes() >= {*SHOWN_AS_TEXT, *ARGUMENTS, *BUILDERS}


@pytest.mark.parametrize("code", SAMPLED)
def test_sample_prints_what_is_expected(
    code: str, validate: Validate, tmp_path: Path, update_golden: bool
) -> None:
    folder = SAMPLES / code
    if code in BUILDERS:
        for name, text in BUILDERS[code]().items():
            (tmp_path / name).write_text(text, "utf-8")
        out, printed = validate(tmp_path, *sample_arguments(tmp_path))
    else:
        out, printed = validate(folder, *sample_arguments(folder))

    assert f"[{code}]" in printed
    assert "" == out
    golden = folder / "expected.txt"
    expected = golden.read_text("utf-8") if golden.exists() else ""
    if update_golden and printed != expected:
        golden.write_text(printed, "utf-8")
        pytest.fail(f"{golden.relative_to(ROOT)} is rewritten: review it and run again")
    difference = difflib.unified_diff(
        expected.splitlines(), printed.splitlines(), "expected.txt", "printed", lineterm=""
    )
    assert expected == printed, "\n".join(difference)


@pytest.mark.parametrize("code", sorted(set(SAMPLED) - BUILDERS.keys()))
def test_sample_reports_the_code_to_programs(code: str, validate: Validate) -> None:
    folder = SAMPLES / code
    out, err = validate(folder, "--format", "json", *sample_arguments(folder))

    found = json.loads(out)["diagnostics"]

    assert code in {d["code"] for d in found}
    assert "" == err


@pytest.mark.parametrize("code", CODES)
def test_page_has_its_form(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text("utf-8")
    lines = text.splitlines()

    assert re.fullmatch(rf"# {code}: [a-z].{{5,60}}[^.]", lines[0]), lines[0]
    assert "" == lines[1]
    assert "\nWhat to do: " in text
    assert len(lines) <= LONGEST_PAGE
    assert all(len(line) <= 100 for line in lines)
    assert text.endswith("\n") and not text.endswith("\n\n")
    language = "text" if code in SHOWN_AS_TEXT else "yaml"
    assert [("Wrong", language), ("Right", language)] == [(v, k) for v, k, _ in examples(code)]


@pytest.mark.parametrize("code", sorted(set(CODES) - SHOWN_AS_TEXT))
def test_examples_of_a_page_are_true(code: str, validate: Validate, tmp_path: Path) -> None:
    for verdict, _, example in examples(code):
        arguments = [*ARGUMENTS.get(code, ()), "spec.yaml"]
        text = complete(example)
        if "kind: AlertWindows" in text:
            (tmp_path / "windows.yaml").write_text(text, "utf-8")
            arguments += ["--windows", "windows.yaml"]
            text = complete("window: 7d\n")
        (tmp_path / "spec.yaml").write_text(text, "utf-8")

        _, printed = validate(tmp_path, *arguments)

        found = set(re.findall(r"\[(SLO\d{3})\]", printed))
        if verdict == "Wrong":
            assert code in found, printed
        else:
            assert set() == found, printed


@pytest.mark.parametrize("code", CODES)
def test_page_speaks_of_codes_that_exist(code: str) -> None:
    mentioned = set(re.findall(r"SLO\d{3}", (PAGES / f"{code}.md").read_text("utf-8")))

    assert mentioned <= set(CODES)
