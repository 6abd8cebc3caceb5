"""Packs documents are read with a place for every mistake, and compiled beside the specs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml

from slo.alerts.packs.catalog import PACKS, definition
from slo.engine.cli import main
from slo.engine.options import CompileOptions
from slo.engine.pipeline import compile_specs
from slo.engine.reporters import packs as reporter
from slo.schema import load_schema
from tests.packs.playing import packs_of, read

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
HEAD = "version: slo/v1\nkind: Packs\nname: shop\n"
SERVICE = """\
version: slo/v1
service: checkout
slos:
  - name: availability
    objective: 99.9
    indicator: {http_availability: {}}
"""
SECTIONS = [
    "What the user sees",
    "Check first",
    "Do now",
    "Automated remedy",
    "Afterwards",
]

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


class TestReading:
    @pytest.mark.parametrize(
        ("packs", "code", "place", "hint"),
        [
            ("{latncy: {}}", "SLO101", "{latncy", "did you mean `latency`?"),
            ("{disk: {for: 5 minutes}}", "SLO108", "5 minutes", None),
            ("{disk: {page_below: 12}}", "SLO105", "12", None),
            ("{disk: {without: [DiskFull]}}", "SLO104", "DiskFull", "did you mean"),
            ("{queues: {without: [Nonsense]}}", "SLO104", "Nonsense", "known here: QueueStuck"),
            ("{queues: {selector: 'a=\"b'}}", "SLO301", "'a=", "write matchers"),
            ("{queues: {selector: 'a=\"b\"} or up{'}}", "SLO301", "'a=", "write matchers"),
            ("{disk: {selector: 'a=\"b\"} # '}}", "SLO301", "disk", "look at its regular"),
            ("{dependencies: {timeouts: '('}}", "SLO106", "'('", None),
            (
                "{disk: {ignored_fstypes: '(?!tmpfs).*'}}",
                "SLO106",
                "'(?!",
                "RE2 has no look-around",
            ),
            ("{latency: {factor: .inf}}", "SLO105", ".inf", None),
            ("{}", "SLO102", "packs", "one of: certificates"),
            ("{disk: {ticket_ahead: 1h}}", "SLO105", "ticket_ahead", "4h is the default"),
            ("{certificates: {page_before: 9d, ticket_before: 9d}}", "SLO105", "page_b", None),
            ("{disk: }", "SLO103", "disk", "leave it out, or write `{}`"),
            ("{queues: {by: []}}", "SLO102", "by", None),
            ("{clocks: {pages: no}}", "SLO103", "no", "write `false`"),
        ],
    )
    def test_mistakes_are_pointed_at(
        self, packs: str, code: str, place: str, hint: str | None
    ) -> None:
        text = f"{HEAD}packs: {packs}\n"

        found, diagnostics = read(text)

        assert found is None
        wrong = next(d for d in diagnostics if d.is_error)
        assert code == wrong.code
        line = text.splitlines()[wrong.span.line - 1]
        assert line[wrong.span.column - 1 :].startswith(place.lstrip("{"))
        assert hint is None or (wrong.hint or "").startswith(hint)

    def test_the_kind_is_known_where_specs_are_read(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text("version: slo/v1\nkind: Pack\nname: a\n")

        (wrong,) = compile_specs([str(tmp_path)], CompileOptions()).diagnostics

        assert ("SLO104", "did you mean `Packs`?") == (wrong.code, wrong.hint)

    def test_defaults_are_valid_settings(self) -> None:
        schema = load_schema("packs-v1")
        jsonschema.Draft202012Validator.check_schema(schema)
        for pack in PACKS:
            given = {
                name: each["default"]
                for name, each in definition(pack)["properties"].items()
                if "default" in each
            }
            document = {
                "version": "slo/v1",
                "kind": "Packs",
                "name": "main",
                "packs": {pack: given},
            }

            jsonschema.validate(document, schema)
            assert packs_of({pack: given})

    def test_every_pack_has_a_schema(self) -> None:
        choice = load_schema("packs-v1")["$defs"]["Choice"]["properties"]

        assert set(PACKS) == set(choice)


class TestCompiling:
    def outputs(self, folder: Path, **options: object) -> list[str]:
        result = compile_specs([str(folder)], CompileOptions(**options))  # type: ignore[arg-type]
        assert () == result.diagnostics
        return [artifact.path for artifact in result.artifacts]

    def test_packs_stand_beside_the_rules_of_specs(self, tmp_path: Path) -> None:
        (tmp_path / "packs.yaml").write_text(f"{HEAD}packs: {{disk: {{}}, queues: {{}}}}\n")
        alone = self.outputs(tmp_path)
        (tmp_path / "spec.yaml").write_text(SERVICE)
        both = self.outputs(tmp_path)

        wanted = [
            f"{folder}/packs-shop-{pack}.yaml"
            for folder in ("rules", "rules-tests")
            for pack in ("disk", "queues")
        ]
        assert sorted(wanted) == sorted(alone)
        assert set(wanted) < set(both)

    def test_only_what_was_asked_for_is_made(self, tmp_path: Path) -> None:
        (tmp_path / "packs.yaml").write_text(f"{HEAD}packs: {{disk: {{}}}}\n")

        assert ["rules/packs-shop-disk.yaml"] == self.outputs(tmp_path, kinds=("rules",))
        assert [] == self.outputs(tmp_path, kinds=("alertmanager",))
        assert [] == self.outputs(tmp_path, alerts=False)

    def test_documents_of_one_name_collide(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / f"{name}.yaml").write_text(f"{HEAD}packs: {{disk: {{}}}}\n")

        result = compile_specs([str(tmp_path)], CompileOptions())

        assert {"SLO402"} == {d.code for d in result.diagnostics}
        assert {"give one of the Packs another `name`"} == {d.hint for d in result.diagnostics}

    def test_owners_that_nobody_declares_are_told(self, tmp_path: Path) -> None:
        document = f"{HEAD}owner: payments\npacks: {{disk: {{owner: paymets}}}}\n"
        (tmp_path / "packs.yaml").write_text(document)
        assert () == compile_specs([str(tmp_path)], CompileOptions()).diagnostics
        owners = "version: slo/v1\nkind: Owners\nowners: [{name: payments}]\n"
        (tmp_path / "owners.yaml").write_text(owners)

        (warning,) = compile_specs([str(tmp_path)], CompileOptions()).diagnostics

        assert ("SLO403", 5) == (warning.code, warning.span.line)
        assert "`paymets`" in warning.message

    @pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
    def test_kubernetes_objects_are_tested_in_a_copy(self, tmp_path: Path, run: Run) -> None:
        (tmp_path / "packs.yaml").write_text(f"{HEAD}packs: {{queues: {{}}}}\n")
        out = tmp_path / "out"

        code, _, _ = run(
            "compile", str(tmp_path / "packs.yaml"), "--format", "kubernetes", "--out", str(out)
        )

        assert 0 == code
        found = yaml.safe_load((out / "rules" / "packs-shop-queues.yaml").read_text())
        assert ("PrometheusRule", "packs-shop-queues") == (found["kind"], found["metadata"]["name"])
        test = out / "rules-tests" / "packs-shop-queues.yaml"
        subprocess.run(["promtool", "test", "rules", str(test)], check=True, capture_output=True)

    @pytest.mark.skipif(shutil.which("vmalert") is None, reason="needs victoria-metrics")
    def test_vmalert_loads_all(self, tmp_path: Path, run: Run) -> None:
        code, _, _ = run("compile", str(ROOT / "examples" / "packs"), "--out", str(tmp_path))

        assert 0 == code
        rules = tmp_path / "rules" / "*.yaml"
        done = subprocess.run(["vmalert", "-dryRun", f"-rule={rules}"], capture_output=True)
        assert 0 == done.returncode, done.stderr.decode()[-2000:]


class TestRunbooks:
    @pytest.mark.parametrize("pack", PACKS)
    def test_each_alert_has_its_heading(self, pack: str) -> None:
        given = {"heartbeat_owner": "watchdog"} if pack == "monitoring" else {}
        alerts = [a.alert for a in packs_of({pack: given}).packs[0].rules.all_alerts]
        text = (RUNBOOKS / f"{pack}.md").read_text()

        assert sorted(alerts) == sorted(re.findall(r"^### (\w+)$", text, re.MULTILINE))
        listed = re.search(
            rf"^\| \[{pack}\].*$", (RUNBOOKS / "README.md").read_text(), re.MULTILINE
        )
        assert listed is not None
        if pack != "monitoring":
            assert sorted(alerts) == sorted(re.findall(r"`(\w+)`", listed.group()))

    @pytest.mark.parametrize("page", [*PACKS, "error-budget-burn"])
    def test_each_page_has_the_same_order(self, page: str) -> None:
        found = re.findall(r"^## (.+)$", (RUNBOOKS / f"{page}.md").read_text(), re.MULTILINE)

        assert SECTIONS == found[:5]
        assert "(postmortem-template.md)" in (RUNBOOKS / f"{page}.md").read_text()

    def test_settings_in_runbooks_exist(self) -> None:
        for pack in PACKS:
            text = (RUNBOOKS / f"{pack}.md").read_text().partition("\n## Alerts")[2]
            words = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text))

            assert words <= set(definition(pack)["properties"]), pack

    def test_the_page_has_each_alert_at_its_urgency(self) -> None:
        text = (ROOT / "docs" / "packs.md").read_text()
        for pack in PACKS:
            row = re.search(rf"^\| {pack} \|(.*)\|(.*)\|$", text, re.MULTILINE)
            assert row is not None
            given = {"heartbeat_owner": "watchdog"} if pack == "monitoring" else {}
            alerts = packs_of({pack: given}).packs[0].rules.all_alerts
            for column, urgency in ((row[1], "page"), (row[2], "ticket")):
                wanted = {a.alert for a in alerts if a.labels["sloth_severity"] == urgency}
                if "the others" not in column:
                    assert wanted == set(re.findall(r"`(\w+)`", column))


class TestCommand:
    def test_the_list_fits_a_terminal_and_has_all(self, run: Run) -> None:
        code, out, err = run("packs")

        assert (0, "") == (code, err)
        listed = [line.split()[0] for line in out.splitlines() if line[:1].isalpha()]
        assert [*PACKS, "slo"] == listed
        assert not [line for line in out.splitlines() if len(line) > 100]

    @pytest.mark.parametrize("pack", PACKS)
    def test_a_page_has_alerts_settings_and_stories(self, pack: str, run: Run) -> None:
        code, out, err = run("packs", pack)

        assert (0, "") == (code, err)
        for name in definition(pack)["properties"]:
            assert f"\n  {name}: " in out
        found = json.loads(run("packs", pack, "--format", "json")[1])
        for alert in found["alerts"]:
            assert f"\n  {alert['name']} ({alert['severity']}" in out
        assert found["tested"]
        assert "\x1b" not in out

    def test_the_example_is_valid_and_has_all(self, tmp_path: Path, run: Run) -> None:
        code, out, _ = run("packs", "--example")

        assert 0 == code
        found, diagnostics = read(out)
        assert [] == diagnostics
        assert found is not None
        assert list(PACKS) == [pack.settings.pack for pack in found.packs]
        assert out == reporter.example()

    def test_an_unknown_name_is_guessed(self, run: Run) -> None:
        code, _, err = run("packs", "disc")

        assert (2, "error: no pack `disc`; did you mean `disk`?\n") == (code, err)
