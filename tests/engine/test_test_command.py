from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slo.duration import days, seconds
from slo.engine import promtool
from slo.engine.cli import program
from slo.engine.pipeline import compile_specs
from slo.engine.promtool import Failure, find_promtool
from slo.engine.reporters.rule_tests import lines
from slo.engine.rule_tests import SloVerdict, TestReport
from slo.errors import ToolError

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)

SPEC = """\
version: slo/v1
service: shop
slos:
  - name: requests
    objective: 99.5
    window: 7d
    indicator: {http_availability: {selector: {job: shop}}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(SPEC)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(program, ["test", *map(str, arguments)])


@needs_promtool
class TestCommand:
    def test_says_when_alerts_fire_and_reset(self, spec: Path) -> None:
        result = run(spec)

        assert result.exit_code == 0, result.output
        assert "PASS  shop requests  99.5 % over 7d" in result.stdout
        rows = [line.split() for line in result.stdout.splitlines()]
        assert ["page", "15m/5m", "at", "13.44x", "1m30s", "5m"] in rows
        assert ["ticket", "no", "data", "15m"] in rows
        assert "passed: 1 SLO, 6 alerts" in result.stdout

    def test_keeps_the_files(self, spec: Path, tmp_path: Path) -> None:
        kept = tmp_path / "kept"

        result = run(spec, "--keep", kept, "--profile", "sloth")

        assert result.exit_code == 0, result.output
        assert (kept / "rules" / "shop.yaml").is_file()
        assert (kept / "rules-tests" / "shop.yaml").is_file()

    def test_standard_input(self) -> None:
        result = CliRunner().invoke(program, ["test", "-"], input=SPEC)

        assert result.exit_code == 0, result.output

    def test_wrong_spec(self, tmp_path: Path) -> None:
        path = tmp_path / "wrong.yaml"
        path.write_text(SPEC.replace("99.5", "199.5"))

        result = run(path)

        assert result.exit_code == 1
        assert "error[" in result.stderr
        assert not result.stdout

    def test_rules_that_do_not_hold_what_the_model_says(
        self, spec: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from slo.engine.commands import test

        def mutated(*arguments: object) -> object:
            from dataclasses import replace

            result = compile_specs(*arguments)  # type: ignore[arg-type]
            changed = tuple(
                replace(a, text=a.text.replace("> (13.44 *", "> (99 *")) if a.kind == "rules" else a
                for a in result.artifacts
            )
            return replace(result, artifacts=changed)

        monkeypatch.setattr(test, "compile_specs", mutated)

        result = run(spec)

        assert result.exit_code == 1
        assert "FAIL  shop requests" in result.stdout
        assert "failed at" in result.stdout
        assert "FAILED: 1 SLO" in result.stdout

    def test_deadline(self, spec: Path) -> None:
        result = run(spec, "--deadline", "1ms")

        assert result.exit_code == 1
        assert "did not finish in time" in result.stderr


def test_promtool_is_missing(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    result = run(spec)

    assert result.exit_code == 2
    assert "apt install prometheus" in result.stderr
    with pytest.raises(ToolError):
        find_promtool()


class TestPromtool:
    @pytest.fixture
    def fake(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        """Return a function that puts a promtool of our own on the path."""

        def function(body: str) -> None:
            path = tmp_path / "promtool"
            path.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n")
            path.chmod(0o755)
            monkeypatch.setenv("PATH", str(tmp_path))

        return function

    def test_failed_checks(self, fake: Callable[[str], None], tmp_path: Path) -> None:
        said = (
            '  FAILED:\\n    expr: "count(ALERTS{a=\\\\"b\\\\"})", time: 1h1m,\\n'
            "        exp: {} 1E+00\\n        got: {} 0E+00\\n"
            '    expr: "up", time: 2m,\\n        exp: nil\\n        got: {} 1E+00\\n'
        )
        fake(f"sys.stderr.write('{said}'); sys.exit(1)")

        (outcome,) = promtool.test_rules([tmp_path / "a.yaml"], 10)

        assert outcome.failures == (
            Failure('count(ALERTS{a="b"})', "1h1m", "{} 1E+00", "{} 0E+00"),
            Failure("up", "2m", "nil", "{} 1E+00"),
        )

    def test_anything_else(self, fake: Callable[[str], None], tmp_path: Path) -> None:
        fake("sys.stderr.write('a.yaml: yaml: no such key'); sys.exit(1)")

        outcome = promtool.check_rules([tmp_path / "a.yaml"], 10)

        assert outcome.failures[0].message == "a.yaml: yaml: no such key"
        assert not outcome.passed

    def test_hangs(self, fake: Callable[[str], None], tmp_path: Path) -> None:
        fake("time.sleep(60)")

        with pytest.raises(ToolError, match="did not finish in time"):
            list(promtool.test_rules([tmp_path / "a.yaml", tmp_path / "b.yaml"], 0.5))


class TestReporter:
    def report(self, spec: Path, *failures: Failure, tested: bool = True) -> list[str]:
        from slo.engine.options import CompileOptions

        (plan,) = compile_specs([str(spec)], CompileOptions()).specs.slos
        verdict = SloVerdict(plan, tested, failures)
        report = TestReport((verdict,), (), 1, 1, 0.1)
        return list(lines(report, True, seconds(30), color=False))

    def test_colour_only_when_asked_for(self, spec: Path) -> None:
        assert "\033" not in "".join(self.report(spec))

    def test_failures_are_shown_but_not_all(self, spec: Path) -> None:
        found = self.report(spec, *(Failure(f"x{i}", "1m", "1", "2") for i in range(8)))

        assert found[0].startswith("FAIL")
        assert "        expected 1, got 2" in found
        assert "      ... and 3 more" in found

    def test_not_tested(self, spec: Path) -> None:
        found = self.report(spec, tested=False)

        assert found[0].startswith("SKIP")
        assert "1 not tested" in found[-1]

    def test_period_in_days(self, spec: Path) -> None:
        assert str(days(7)) == "1w"
        assert "over 7d" in self.report(spec)[0]
