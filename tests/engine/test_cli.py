from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from slo.engine.cli import program
from slo.version import __version__

WriteSpec = Callable[..., Path]
Slo = Callable[..., Result]


@pytest.fixture
def slo() -> Slo:
    """Return a function that runs a command line and returns what came of it."""

    def run(*arguments: object, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(program, [str(a) for a in arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def process(
    *arguments: object, cwd: Path, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slo.engine.cli", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


class TestExitCodes:
    @pytest.mark.parametrize("command", ["validate", "compile"])
    def test_0_when_all_is_fine(self, slo: Slo, write_spec: WriteSpec, command: str) -> None:
        assert 0 == slo(command, write_spec()).exit_code

    @pytest.mark.parametrize("command", ["validate", "compile"])
    def test_1_when_problems_are_found(self, slo: Slo, write_spec: WriteSpec, command: str) -> None:
        result = slo(command, write_spec(objective="101"))

        assert (1, "") == (result.exit_code, result.stdout)
        assert "error[SLO201]" in result.stderr

    @pytest.mark.parametrize(
        "arguments",
        [
            ("validate",),
            ("validate", "--no-such-option", "x"),
            ("compile", "x", "--check"),
            ("compile", "x", "--diagnostics", "json"),
            ("compile", "x", "--profile", "other"),
            ("compile", "x", "--label", "novalue"),
            ("compile", "x", "--label", "=value"),
            ("compile", "x", "--label", "bad-name=value"),
            ("compile", "x", "--label", "__name__=value"),
            ("compile", "x", "--period", "soon"),
            ("compile", "x", "--interval", "0s"),
            ("explain", "SLO999"),
            ("schema", "other"),
            ("no-such-command",),
        ],
        ids=" ".join,
    )
    def test_2_when_the_usage_is_wrong(self, slo: Slo, arguments: tuple[str, ...]) -> None:
        result = slo(*arguments)

        assert (2, "") == (result.exit_code, result.stdout)
        assert "error" in result.stderr.lower()

    @pytest.mark.parametrize("command", ["validate", "compile"])
    def test_warnings_count_when_strict(
        self, slo: Slo, write_spec: WriteSpec, command: str
    ) -> None:
        path = write_spec(objective="100")

        assert (0, 1) == (
            slo(command, path).exit_code,
            slo(command, path, "--strict").exit_code,
        )


class TestCommands:
    @pytest.mark.parametrize(
        ("word", "guess"), [("complie", "compile"), ("validat", "validate"), ("explane", "explain")]
    )
    def test_a_slip_of_the_finger_gets_a_guess(self, slo: Slo, word: str, guess: str) -> None:
        assert f"Did you mean `{guess}`?" in slo(word).stderr

    def test_anything_else_gets_none(self, slo: Slo) -> None:
        result = slo("xyzzy")

        assert "No such command `xyzzy`" in result.stderr
        assert "Did you mean" not in result.stderr

    def test_help_lists_every_command_with_its_help(self, slo: Slo) -> None:
        text = slo("--help").stdout

        for name in ("compile", "demo", "explain", "init", "schema", "test", "validate", "version"):
            assert f"\n  {name} " in text

    @pytest.mark.parametrize("arguments", [("version",), ("--version",)])
    def test_the_version_is_printed(self, slo: Slo, arguments: tuple[str, ...]) -> None:
        assert __version__ == slo(*arguments).stdout.split()[-1]

    def test_explain_lists_and_prints_pages(self, slo: Slo) -> None:
        listed = [line.split("  ", 1) for line in slo("explain").stdout.splitlines()]

        assert ["SLO001"] == [code for code, _ in listed][:1]
        assert all(title.strip() for _, title in listed)
        for code, title in listed:
            assert slo("explain", code.lower()).stdout.startswith(f"# {code}: {title}")

    def test_schema_prints_json(self, slo: Slo) -> None:
        assert "slo/v1" == json.loads(slo("schema").stdout)["title"]
        assert "prometheus/v1" == json.loads(slo("schema", "prometheus/v1").stdout)["title"]


class TestValidate:
    def test_says_how_much_is_valid(self, slo: Slo, write_spec: WriteSpec) -> None:
        write_spec("a.yaml", service="one")
        folder = write_spec("b.yaml", service="two").parent

        result = slo("validate", folder)

        assert ("", "2 SLOs of 2 services are valid\n") == (result.stdout, result.stderr)

    def test_shows_the_place_and_the_line(self, slo: Slo, write_spec: WriteSpec) -> None:
        path = write_spec(objective="101")

        lines = slo("validate", path).stderr.splitlines()

        assert lines[0].startswith(f"{path}:5:16: error[SLO201]: ") or "5:16" in lines[0]
        assert "    5 |     objective: 101" == lines[1]
        assert "      |                ^^^" == lines[2]
        assert "1 error" == lines[-1]

    def test_json_holds_every_field(self, slo: Slo, write_spec: WriteSpec) -> None:
        path = write_spec(objective="101")

        result = slo("validate", path, "--format", "json")

        (found,) = json.loads(result.stdout)["diagnostics"]
        assert (1, "") == (result.exit_code, result.stderr)
        assert {
            "code": "SLO201",
            "severity": "error",
            "file": str(path),
            "line": 5,
            "column": 16,
            "end_line": 5,
            "end_column": 19,
            "related": [],
        }.items() <= found.items()
        assert {"message", "hint"} <= found.keys()

    def test_json_of_a_sound_spec_is_an_empty_list(self, slo: Slo, write_spec: WriteSpec) -> None:
        result = slo("validate", write_spec(), "--format", "json")

        assert {"diagnostics": []} == json.loads(result.stdout)

    def test_standard_input_is_a_dash(self, slo: Slo, spec_text: Callable[..., str]) -> None:
        fine = slo("validate", "-", stdin=spec_text())
        wrong = slo("validate", "-", stdin=spec_text(objective="0"))

        assert 0 == fine.exit_code
        assert wrong.stderr.startswith("<stdin>:5:16: error[SLO201]")


class TestCompile:
    def test_rules_go_to_standard_output(self, slo: Slo, write_spec: WriteSpec) -> None:
        result = slo("compile", write_spec())

        groups = yaml.safe_load(result.stdout)["groups"]
        assert [
            "slo-fast-checkout-availability",
            "slo-slow-checkout-availability",
            "slo-period-checkout-availability",
        ] == [g["name"] for g in groups]
        assert "" == result.stderr

    def test_standard_input_and_several_files_become_documents(
        self, slo: Slo, write_spec: WriteSpec, spec_text: Callable[..., str]
    ) -> None:
        result = slo("compile", write_spec(), "-", stdin=spec_text("other"))

        documents = list(yaml.safe_load_all(result.stdout))
        assert {"checkout", "other"} == {d["groups"][0]["name"].split("-")[2] for d in documents}

    def test_a_folder_is_written_to(self, slo: Slo, write_spec: WriteSpec, tmp_path: Path) -> None:
        out = tmp_path / "out"

        first = slo("compile", write_spec(), "--only", "rules", "--out", out)
        second = slo("compile", write_spec(), "--only", "rules", "--out", out)

        assert (0, f"{out}: 2 files, 2 added\n") == (first.exit_code, first.stderr)
        assert (0, f"{out}: 2 files, nothing changed\n") == (second.exit_code, second.stderr)
        assert ["checkout.yaml", "slo-rules-health.yaml"] == sorted(
            path.name for path in (out / "rules").iterdir()
        )

    def test_every_kind_is_written_unless_one_is_named(
        self, slo: Slo, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        assert 0 == slo("compile", write_spec(), "--out", tmp_path / "all").exit_code
        assert (
            0
            == slo("compile", write_spec(), "--out", tmp_path / "one", "--only", "tests").exit_code
        )

        assert {"dashboards", "rules", "rules-tests"} == {
            p.name for p in (tmp_path / "all").iterdir()
        }
        assert {"rules-tests"} == {p.name for p in (tmp_path / "one").iterdir()}

    def test_quiet_says_nothing(self, slo: Slo, write_spec: WriteSpec, tmp_path: Path) -> None:
        result = slo("compile", write_spec(), "--only", "rules", "-q", "--out", tmp_path / "out")

        assert (0, "") == (result.exit_code, result.output)

    @pytest.mark.parametrize("extra", [(), ("--strict",)], ids=["error", "warning"])
    def test_nothing_is_written_on_a_problem(
        self, slo: Slo, write_spec: WriteSpec, tmp_path: Path, extra: tuple[str, ...]
    ) -> None:
        write_spec("good.yaml", service="good")
        objective = "100" if extra else "101"
        folder = write_spec("bad.yaml", service="bad", objective=objective).parent

        result = slo("compile", folder, "--only", "rules", "--out", tmp_path / "out", *extra)

        assert 1 == result.exit_code
        assert not (tmp_path / "out").exists()

    def test_a_folder_that_cannot_be_written_is_told(
        self, slo: Slo, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        (tmp_path / "out" / "rules" / "checkout.yaml").mkdir(parents=True)

        result = slo("compile", write_spec(), "--only", "rules", "--out", tmp_path / "out")

        assert 1 == result.exit_code
        assert result.stderr.startswith("error: ")
        assert "is a folder" in result.stderr

    def test_json_problems_go_to_standard_output(
        self, slo: Slo, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        path = write_spec(objective="101")

        result = slo("compile", path, "--out", tmp_path / "out", "--diagnostics", "json")

        assert ["SLO201"] == [d["code"] for d in json.loads(result.stdout)["diagnostics"]]

    def test_labels_and_plugins_of_the_command_line(self, slo: Slo, write_spec: WriteSpec) -> None:
        result = slo("compile", write_spec(), "--label", "a=b=c", "-l", "d=e")

        rule = yaml.safe_load(result.stdout)["groups"][0]["rules"][-3]
        assert ("b=c", "e") == (rule["labels"]["a"], rule["labels"]["d"])


class TestCheck:
    def run(self, slo: Slo, path: Path, out: Path) -> Result:
        return slo("compile", path, "--only", "rules", "--out", out, "--check")

    def test_a_current_folder_is_fine(
        self, slo: Slo, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        slo("compile", write_spec(), "--only", "rules", "--out", out)

        result = self.run(slo, write_spec(), out)

        assert (0, "", f"{out}: up to date\n") == (
            result.exit_code,
            result.stdout,
            result.stderr,
        )

    def test_a_difference_is_shown_and_nothing_written(
        self, slo: Slo, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        out = tmp_path / "out"
        slo("compile", write_spec(), "--only", "rules", "--out", out)
        before = (out / "rules" / "checkout.yaml").read_text()

        result = self.run(slo, write_spec(objective="99.5"), out)

        assert 1 == result.exit_code
        lines = {" ".join(line.split()) for line in result.stdout.splitlines()}
        assert {"--- a/rules/checkout.yaml", "+ expr: vector(0.995)"} <= lines
        assert before == (out / "rules" / "checkout.yaml").read_text()

    def test_a_missing_folder_is_a_difference_and_stays_missing(
        self, slo: Slo, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        result = self.run(slo, write_spec(), tmp_path / "out")

        assert 1 == result.exit_code
        assert not (tmp_path / "out").exists()


class TestProcess:
    def test_a_reader_that_has_left_is_no_crash(
        self, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        """As in `slo compile ... | head -1`: no traceback, and the exit code of SIGPIPE."""
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "slo.engine.cli", "compile", str(write_spec())]

        run = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)

        assert (141, b"") == (run.returncode, run.stderr)

    @pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}], ids=["pipe", "NO_COLOR"])
    def test_pipes_get_no_colour(
        self, write_spec: WriteSpec, tmp_path: Path, environment: dict[str, str]
    ) -> None:
        run = process("validate", write_spec(objective="0"), cwd=tmp_path, **environment)

        assert 1 == run.returncode
        assert "\x1b" not in run.stderr

    @pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
    @pytest.mark.parametrize(("no_color", "painted"), [("", True), ("1", False)])
    def test_terminals_get_colour_unless_told_otherwise(
        self, write_spec: WriteSpec, no_color: str, painted: bool
    ) -> None:
        import pty

        main, side = pty.openpty()
        path = write_spec(objective="0")
        run = subprocess.run(
            [sys.executable, "-m", "slo.engine.cli", "validate", str(path)],
            env={**os.environ, "NO_COLOR": no_color},
            stderr=side,
            stdout=subprocess.PIPE,
        )
        os.close(side)
        shown = os.read(main, 65536)
        os.close(main)

        assert 1 == run.returncode
        assert painted is (b"\x1b[" in shown)

    def test_paths_are_shown_as_they_were_given(
        self, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        write_spec(objective="0")

        run = process("validate", "specs", cwd=tmp_path)

        assert run.stderr.startswith("specs/checkout.yaml:5:16: error[SLO201]")

    def test_output_does_not_depend_on_the_hash_seed_or_the_folder(
        self, write_spec: WriteSpec, tmp_path: Path
    ) -> None:
        path = write_spec(more="    labels: {z: a, y: b, x: c, w: d}\n")

        outputs = {
            process("compile", name, cwd=cwd, PYTHONHASHSEED=seed).stdout
            for seed, name, cwd in (
                ("0", path, tmp_path),
                ("1", "checkout.yaml", path.parent),
                ("2", "specs", tmp_path),
            )
        }

        assert 1 == len(outputs)
        assert outputs.pop().startswith("# Generated")
