"""A push shows what differs, changes only that, and only what is ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from slo.engine.cli import program
from tests.dashboards.grafana_stand_in import TOKEN, Grafana, running_grafana

SPEC = """
version: slo/v1
service: shop
slos:
  - name: {name}
    objective: {objective}
    indicator: {{http_availability: {{}}}}
"""


class Pushing:
    """Push a spec as a user does."""

    def __init__(self, grafana: Grafana, folder: Path) -> None:
        self.grafana, self.folder = grafana, folder
        self.token = folder / "token"
        self.token.write_text(f"{TOKEN}\n")

    def __call__(self, *options: str, name: str = "answers", objective: str = "99") -> Result:
        spec = self.folder / "spec.yaml"
        spec.write_text(SPEC.format(name=name, objective=objective))
        server = ["--grafana", self.grafana.url, "--token-file", str(self.token)]
        arguments = ["dashboards", "push", str(spec), *server, "--timeout", "5s", *options]
        return CliRunner().invoke(program, arguments)


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    with running_grafana() as found:
        yield found


@pytest.fixture
def push(grafana: Grafana, tmp_path: Path) -> Pushing:
    return Pushing(grafana, tmp_path)


def test_first_push_makes_folder_and_dashboards(push: Pushing, grafana: Grafana) -> None:
    result = push()

    assert 0 == result.exit_code, result.output
    assert {"slostack": "SLO"} == grafana.folders
    assert 4 == len(grafana.dashboards)
    assert {"slostack"} == set(grafana.homes.values())
    assert "+ folder SLO" in result.stdout
    assert "+ SLO shop / answers" in result.stdout
    assert "4 new, 0 unchanged" in result.stderr


def test_second_push_writes_nothing(push: Pushing, grafana: Grafana) -> None:
    push()
    grafana.writes.clear()

    result = push()

    assert (0, "", "4 unchanged\n") == (result.exit_code, result.stdout, result.stderr)
    assert [] == grafana.writes


def test_dry_run_writes_nothing(push: Pushing, grafana: Grafana) -> None:
    result = push("--dry-run")

    assert 0 == result.exit_code
    assert "would be: 4 new" in result.stderr
    assert [] == grafana.writes


def test_only_what_differs_is_saved_and_said(push: Pushing, grafana: Grafana) -> None:
    push()
    grafana.writes.clear()

    result = push(objective="99.5")

    assert ["POST /api/dashboards/db"] == grafana.writes
    assert "~ SLO shop / answers" in result.stdout
    assert "panel 'Burn rate by window'" in result.stdout
    assert "1 changed, 3 unchanged" in result.stderr


def test_what_somebody_changed_by_hand_is_named_and_put_back(
    push: Pushing, grafana: Grafana
) -> None:
    push()
    grafana.dashboards["slostack-overview"]["title"] = "Mine"
    grafana.dashboards["slostack-overview"]["version"] = 5

    result = push()

    assert "~ SLO overview  title" in result.stdout
    assert "SLO overview" == grafana.dashboards["slostack-overview"]["title"]


class TestOthers:
    @pytest.fixture(autouse=True)
    def theirs(self, push: Pushing, grafana: Grafana) -> None:
        push(name="old")
        grafana.dashboards["theirs"] = {"uid": "theirs", "title": "Theirs", "version": 1}
        grafana.homes["theirs"] = "slostack"
        grafana.writes.clear()

    def test_nothing_is_deleted_unless_asked_for(self, push: Pushing, grafana: Grafana) -> None:
        result = push()

        assert "? SLO shop / old" in result.stdout
        assert "--prune deletes it" in result.stdout
        assert not any(line.startswith("DELETE") for line in grafana.writes)

    def test_prune_deletes_ours_alone(self, push: Pushing, grafana: Grafana) -> None:
        result = push("--prune")

        assert "- SLO shop / old" in result.stdout
        assert 1 == sum(line.startswith("DELETE") for line in grafana.writes)
        assert "theirs" in grafana.dashboards

    def test_another_folder_is_not_looked_at(self, push: Pushing, grafana: Grafana) -> None:
        grafana.homes = dict.fromkeys(grafana.homes, "elsewhere")
        grafana.folders["elsewhere"] = "Elsewhere"

        result = push("--prune", name="old")

        assert "moves from folder elsewhere" in result.stdout
        assert "theirs" in grafana.dashboards


class TestFailures:
    @pytest.mark.parametrize("fault", [503, 429, "lost"])
    def test_a_passing_failure_is_tried_again(
        self, push: Pushing, grafana: Grafana, fault: int | str
    ) -> None:
        push()
        grafana.faults = [fault]

        result = push(objective="99.5")

        assert 0 == result.exit_code, result.output
        assert "0.005" in str(grafana.dashboards)
        # An answer that is lost must not count twice.
        assert {1, 2} == {d["version"] for d in grafana.dashboards.values()}

    def test_a_change_in_between_is_not_overwritten(self, push: Pushing, grafana: Grafana) -> None:
        push()
        grafana.faults = [412]

        result = push(objective="99.5")

        assert 1 == result.exit_code
        assert "push again to see what changed" in result.stderr

    def test_a_provisioned_dashboard_is_left_alone(self, push: Pushing, grafana: Grafana) -> None:
        push()
        grafana.provisioned = set(grafana.dashboards)
        grafana.writes.clear()

        result = push(objective="99.5")

        assert 1 == result.exit_code
        assert "comes from a provisioned file" in result.stderr
        assert [] == grafana.writes
        assert 0 == push().exit_code

    def test_a_wrong_token_is_named_and_not_shown(self, push: Pushing) -> None:
        push.token.write_text("glsa_other")

        result = push()

        assert 1 == result.exit_code
        assert "answered 401" in result.stderr
        assert "service account" in result.stderr
        assert "glsa_other" not in result.output

    @pytest.mark.parametrize("content", ["", "two words", "tök"])
    def test_a_file_without_a_token_is_said(self, push: Pushing, content: str) -> None:
        push.token.write_text(content)

        result = push()

        assert 1 == result.exit_code
        assert "holds no token" in result.stderr

    def test_nobody_there_ends_in_time(self, push: Pushing, grafana: Grafana) -> None:
        grafana.url = "http://127.0.0.1:9"

        result = push("--timeout", "1s")

        assert 1 == result.exit_code
        assert "gave no answer within 1 s" in result.stderr
        assert 1 == result.stderr.count("\n"), "what went wrong is said once"

    @pytest.mark.parametrize("url", ["http://[::1", "http://a:99999", "grafana", "http://"])
    def test_what_is_no_address_is_wrong_usage(
        self, push: Pushing, grafana: Grafana, url: str
    ) -> None:
        grafana.url = url

        result = push()

        assert 2 == result.exit_code
        assert "is not a URL" in result.stderr

    def test_a_password_belongs_into_the_token_file(self, push: Pushing, grafana: Grafana) -> None:
        grafana.url = "http://admin:hunter2@127.0.0.1:9"

        result = push()

        assert 2 == result.exit_code
        assert "--token-file" in result.stderr
        assert "hunter2" not in result.output
