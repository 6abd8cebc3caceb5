"""Run `slo stack render` as a user does."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slo.engine.cli import program
from tests.stack.components.stacks import SPEC

SETTINGS = "version: slo/v1\nkind: Stack\nname: shop\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/checkout.yaml").write_text(SPEC)
    (tmp_path / "slostack.yaml").write_text(SETTINGS)
    return tmp_path


def render(shop: Path, *arguments: str) -> Result:
    settings = str(shop / "slostack.yaml")
    return CliRunner().invoke(program, ["stack", "render", "--settings", settings, *arguments])


class TestRender:
    def test_writes_the_project_and_says_what_comes_next(self, shop: Path) -> None:
        result = render(shop)

        assert 0 == result.exit_code, result.output
        assert (shop / "stack/compose/compose.yaml").is_file()
        assert (shop / "stack/compose/config/prometheus/rules/checkout.yaml").is_file()
        assert "docker compose --file" in result.stderr
        assert "to do:" in result.stderr
        assert "payments-pagerduty" in result.stderr

    def test_prints_no_secret(self, shop: Path) -> None:
        output = render(shop).output
        made = [path for path in (shop / "secrets").iterdir() if path.name != ".gitignore"]

        assert made
        for path in made:
            secret = path.read_text()
            assert secret not in output
            for file in (shop / "stack").rglob("*"):
                assert not file.is_file() or secret not in file.read_text(), file

    def test_changes_nothing_the_second_time(self, shop: Path) -> None:
        render(shop)
        result = render(shop)

        assert "nothing changed" in result.stderr
        assert 0 == render(shop, "--check").exit_code

    def test_check_fails_with_a_diff_and_writes_nothing(self, shop: Path) -> None:
        render(shop)
        (shop / "slostack.yaml").write_text(SETTINGS + "metrics: {retention: 90d}\n")
        result = render(shop, "--check")

        assert 1 == result.exit_code
        assert "+      - --storage.tsdb.retention.time=90d" in result.stdout
        assert "90d" not in (shop / "stack/compose/compose.yaml").read_text()

    def test_points_at_mistakes_in_specs_and_settings(self, shop: Path) -> None:
        (shop / "specs/checkout.yaml").write_text(SPEC.replace("99.9", "199.9"))
        result = render(shop)

        assert 1 == result.exit_code
        assert "error[SLO201]" in result.stderr
        assert "objective: 199.9" in result.stderr
        assert not (shop / "stack").exists()

        (shop / "slostack.yaml").write_text(SETTINGS + "retnetion: 1d\n")
        result = render(shop)
        assert 1 == result.exit_code
        assert "slostack.yaml:4:1: error[SLO101]" in result.stderr
        assert "4 | retnetion: 1d" in result.stderr

    def test_refuses_a_retention_that_forgets(self, shop: Path) -> None:
        (shop / "slostack.yaml").write_text(SETTINGS + "metrics: {retention: 7d}\n")
        result = render(shop)

        assert 1 == result.exit_code
        assert "looks back 30d" in result.stderr
        assert not (shop / "stack").exists()

    def test_keeps_what_somebody_changed(self, shop: Path) -> None:
        render(shop)
        path = shop / "stack/compose/config/loki/loki.yaml"
        path.write_text("mine: true\n")
        refused = render(shop)

        assert 1 == refused.exit_code
        assert "not as it was written" in refused.stderr
        assert "mine: true\n" == path.read_text()
        assert 0 == render(shop, "--force").exit_code
        assert "auth_enabled" in path.read_text()

    def test_does_not_write_among_the_specs(self, shop: Path) -> None:
        """The copies that the engine reads would be specs a second time."""
        (shop / "slostack.yaml").write_text(SETTINGS + "specs: [.]\n")
        result = render(shop)

        assert 1 == result.exit_code
        assert "is inside the folder of specs" in result.stderr
        assert 0 == render(shop, "--out", str(shop.parent / "elsewhere")).exit_code

    def test_does_without_settings_say_what_to_write(self, tmp_path: Path) -> None:
        result = render(tmp_path)

        assert 1 == result.exit_code
        assert "Two lines are enough" in result.stderr
