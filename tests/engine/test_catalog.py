"""`slo catalog` lists the indicators, explains each, and prints specs that compile."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slo.engine.cli import main
from slo.indicators import handbook
from slo.indicators.catalog import TYPED

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `slo` and returns exit code and both outputs."""

    def function(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as raised:
            main(list(arguments))
        captured = capsys.readouterr()
        return int(raised.value.code or 0), captured.out, captured.err

    return function


def test_the_list_fits_a_terminal_and_has_all(run: Run) -> None:
    exit_code, out, err = run("catalog")

    assert (0, "") == (exit_code, err)
    assert not [line for line in out.splitlines() if len(line) > 80]
    assert list(TYPED) == [line.split()[0] for line in out.splitlines() if line.startswith("  ")]


@pytest.mark.parametrize("name", TYPED)
def test_a_page_has_every_setting_the_example_and_its_promql(run: Run, name: str) -> None:
    exit_code, out, err = run("catalog", name)

    assert (0, "") == (exit_code, err)
    for setting in handbook.settings(name):
        assert f"\n  {setting.name}: " in out
    for line in handbook.example(name).splitlines():
        assert f"    {line}" in out
    for _, queries in handbook.example_queries(name):
        assert queries.total in out
    assert "```" not in out
    assert "\x1b" not in out


@pytest.mark.parametrize("name", TYPED)
def test_prose_of_a_page_fits_a_terminal(run: Run, name: str) -> None:
    _, out, _ = run("catalog", name)
    prose, promql = out.split("\nThe PromQL of the example\n")

    long = [line for line in prose.splitlines() if len(line) > 80 and not line.startswith("    ")]
    assert [] == long
    assert promql


@pytest.mark.parametrize("name", TYPED)
def test_an_example_compiles(run: Run, name: str, tmp_path: Path) -> None:
    exit_code, out, err = run("catalog", name, "--example")
    (tmp_path / "spec.yaml").write_text(out)

    assert (0, "") == (exit_code, err)
    assert 0 == run("validate", "--strict", str(tmp_path / "spec.yaml"))[0]


def test_programs_get_the_list(run: Run) -> None:
    listed = json.loads(run("catalog", "--format", "json")[1])

    assert list(TYPED) == [entry["name"] for entry in listed]
    assert {"name", "topic", "summary"} == set(listed[0])


def test_programs_get_settings_and_queries(run: Run) -> None:
    found = json.loads(run("catalog", "saturation", "--format", "json")[1])

    limit = found["settings"][0]
    assert ("limit", 0.9, False) == (limit["name"], limit["default"], limit["required"])
    assert "{{.window}}" in found["queries"][0]["error"]
    assert found["example"] in found["page"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("http_latncy", "did you mean `http_latency`?"),
        ("HTTP-availability", "did you mean `http_availability`?"),
        ("zzz", "`slo catalog` lists all"),
        ("../catalog", "`slo catalog` lists all"),
    ],
)
def test_an_unknown_name_is_wrong_usage(run: Run, name: str, hint: str) -> None:
    assert (2, "", f"error: no indicator `{name}`; {hint}\n") == run("catalog", name)


def test_an_example_needs_a_name(run: Run) -> None:
    exit_code, out, err = run("catalog", "--example")

    assert (2, "") == (exit_code, out)
    assert "--example needs the NAME of an indicator" in err
