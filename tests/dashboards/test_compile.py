"""`slo compile` writes dashboards, keeps them current, and can do without them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slo.dashboards import emit
from slo.dashboards.texts import plain
from slo.engine.cli import program
from slo.errors import ToolError
from slo.plan import SpecSet

SPEC = """
version: slo/v1
service: shop
owner: payments
slos:
  - {{name: {name}, objective: 99, indicator: {{http_availability: {{}}}}}}
"""


def run(folder: Path, *options: str, name: str = "answers") -> Result:
    (folder / "spec.yaml").write_text(SPEC.format(name=name))
    arguments = ["compile", str(folder / "spec.yaml"), "--out", str(folder / "out"), *options]
    return CliRunner().invoke(program, arguments)


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "out" / "dashboards").iterdir()}


SHARED = {"slo-overview.json", "slo-detail.json", "service-shop.json", "team-payments.json"}


def test_dashboards_are_written(tmp_path: Path) -> None:
    assert 0 == run(tmp_path).exit_code
    assert SHARED | {"slo-shop-answers.json"} == names(tmp_path)
    assert 0 == run(tmp_path, "--check").exit_code


def test_those_of_a_past_spec_are_removed_and_others_kept(tmp_path: Path) -> None:
    run(tmp_path)
    mine = tmp_path / "out" / "dashboards" / "mine.json"
    mine.write_text('{\n  "uid": "mine"\n}\n')

    run(tmp_path, name="speed")

    assert SHARED | {"slo-shop-speed.json", "mine.json"} == names(tmp_path)


class TestWithoutTheExtra:
    @pytest.fixture(autouse=True)
    def missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(emit, "available", lambda: False)

    def test_the_rest_is_written(self, tmp_path: Path) -> None:
        assert 0 == run(tmp_path).exit_code
        assert (tmp_path / "out" / "rules").is_dir()
        assert not (tmp_path / "out" / "dashboards").exists()

    def test_dashboards_that_are_there_stay(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as present:
            present.setattr(emit, "available", lambda: True)
            run(tmp_path)

        assert 0 == run(tmp_path).exit_code
        assert SHARED < names(tmp_path)

    def test_asking_for_them_says_what_to_install(self, tmp_path: Path) -> None:
        result = run(tmp_path, "--only", "dashboards")

        assert 2 == result.exit_code
        assert "pip install 'slostack[dashboards]'" in result.output


def test_nothing_is_made_of_no_slo() -> None:
    assert [] == emit.shared_dashboards(SpecSet())


def test_a_missing_library_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "slo.dashboards.grafana", None)

    with pytest.raises(ToolError, match="slostack"):
        emit.shared_dashboards(SpecSet((a_service(),)))


def a_service() -> object:
    from slo.engine.options import CompileOptions
    from slo.engine.pipeline import compile_specs

    root = Path(__file__).parents[2]
    options = CompileOptions(kinds=("rules",))
    found = compile_specs([str(root / "examples" / "specs" / "checkout.yaml")], options)
    return found.specs.services[0]


def test_a_description_makes_no_variable_of_grafana() -> None:
    assert r"costs &#36;5 &#36;{datasource} \[\[x\]\]" == plain("costs $5\n${datasource}\t[[x]]")
