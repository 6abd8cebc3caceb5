"""Run the commands with a `docker` on the PATH that writes down what is asked of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from slo.engine.cli import program
from tests.stack.components.stacks import SPEC

SETTINGS = "version: slo/v1\nkind: Stack\nname: shop\n"
SECRETS = ("payments-pagerduty", "payments-slack")
DOCKER = """#!/bin/sh
echo "$*" >> {folder}/calls
case "$2" in
  version) exit {plugin} ;;
esac
case "$*" in
  *" ps "*) cat {folder}/ps.json ;;
  *" up "*) {up} ;;
esac
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/checkout.yaml").write_text(SPEC)
    (tmp_path / "slostack.yaml").write_text(SETTINGS)
    (tmp_path / "bin").mkdir()
    return tmp_path


@pytest.fixture
def docker(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(shop)
    monkeypatch.setenv("PATH", f"{shop / 'bin'}:{os.environ['PATH']}")
    (shop / "secrets").mkdir(mode=0o700)
    (shop / "secrets/.gitignore").write_text("# Secrets never go into version control.\n*\n")
    for name in SECRETS:
        (shop / "secrets" / name).write_text("hush")
    return shop


def install(shop: Path, *, plugin: int = 0, up: str = "exit 0") -> None:
    script = shop / "bin/docker"
    script.write_text(DOCKER.format(folder=shop, plugin=plugin, up=up))
    script.chmod(0o755)


def stack(shop: Path, command: str, *arguments: str) -> Result:
    settings = ("--settings", str(shop / "slostack.yaml"), "--target", "compose")
    return CliRunner().invoke(program, ["stack", command, *settings, *arguments])


def calls(shop: Path) -> list[str]:
    """Return what docker was asked, without the name of the project's file."""
    file = f"compose --file {shop}/stack/compose/compose.yaml "
    lines = (shop / "calls").read_text().splitlines()
    return [line.removeprefix(file) for line in lines]


def answer(shop: Path, **changes: dict[str, object]) -> None:
    """Let docker show every service healthy, but for *changes* by service."""
    services = yaml.safe_load((shop / "stack/compose/compose.yaml").read_text())["services"]
    lines = []
    for name in services:
        item: dict[str, object] = {
            "Service": name,
            "State": "running",
            "Health": "healthy",
            "ExitCode": 0,
            "Status": "Up 2 minutes (healthy)",
            "Image": f"docker.io/example/{name}:v1.2@sha256:00",
            "Publishers": [],
        }
        if name == "prepare":
            item |= {"State": "exited", "Health": "", "Status": "Exited (0) 2 minutes ago"}
        item |= changes.get(name, {})
        if item["State"]:
            lines.append(json.dumps(item))
    (shop / "ps.json").write_text("\n".join(lines))


class TestUp:
    def test_renders_and_starts(self, docker: Path) -> None:
        result = stack(docker, "up")

        assert 0 == result.exit_code, result.output
        assert (docker / "stack/compose/compose.yaml").is_file()
        assert (docker / "secrets/grafana-password").is_file()
        assert calls(docker) == [
            "compose version",
            "up --detach --remove-orphans --wait --wait-timeout 300",
        ]

    def test_waits_as_long_as_it_is_told(self, docker: Path) -> None:
        stack(docker, "up", "--wait", "30s")
        stack(docker, "up", "--no-wait")

        assert calls(docker)[1].endswith("--wait --wait-timeout 30")
        assert calls(docker)[3] == "up --detach --remove-orphans"

    def test_starts_nothing_while_a_secret_is_missing(self, docker: Path) -> None:
        (docker / "secrets" / SECRETS[0]).unlink()
        result = stack(docker, "up")

        assert 1 == result.exit_code
        assert f"provide these secrets first, one file each: {docker}" in result.stderr
        assert calls(docker) == ["compose version"]

    def test_starts_nothing_over_edited_files(self, docker: Path) -> None:
        stack(docker, "up")
        with (docker / "stack/compose/compose.yaml").open("a") as file:
            file.write("# mine\n")
        result = stack(docker, "up")

        assert 1 == result.exit_code
        assert "not as it was written" in result.stderr
        assert calls(docker)[2:] == ["compose version"]

    def test_a_failure_of_compose_is_one_of_the_command(self, docker: Path) -> None:
        install(docker, up="exit 14")
        result = stack(docker, "up")

        assert 1 == result.exit_code
        assert "docker compose up failed (14)" in result.stderr
        assert "logs PART" in result.stderr

    def test_says_what_to_install_and_writes_nothing(
        self, docker: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install(docker, plugin=1)
        result = stack(docker, "up")
        assert 1 == result.exit_code
        assert "has no command `compose`: install Docker with its plugin" in result.stderr

        monkeypatch.setenv("PATH", str(docker))
        result = stack(docker, "up")
        assert 1 == result.exit_code
        assert "docker is not on the PATH: install Docker" in result.stderr
        assert not (docker / "stack").exists()

    def test_options_of_other_targets_are_refused(self, docker: Path) -> None:
        result = stack(docker, "up", "--overlay", "production")

        assert 2 == result.exit_code
        assert "--overlay is for target kubernetes, not compose" in result.stderr

    def test_ctrl_c_ends_it_and_its_child(self, docker: Path) -> None:
        install(
            docker,
            up=f"trap 'echo ended >> {docker}/calls; kill $!; exit 130' INT; sleep 60 & wait $!",
        )
        settings = ["--settings", str(docker / "slostack.yaml"), "--target", "compose"]
        command = [str(Path(sys.executable).with_name("slo")), "stack", "up", *settings]
        with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as child:
            while not (docker / "calls").exists() or len(calls(docker)) < 2:
                assert child.poll() is None
                time.sleep(0.05)
            os.killpg(child.pid, signal.SIGINT)
            _, errors = child.communicate(timeout=60)

        assert 1 == child.returncode
        assert b"Traceback" not in errors
        assert calls(docker)[-1] == "ended"


class TestDown:
    def test_keeps_the_volumes(self, docker: Path) -> None:
        stack(docker, "up")
        result = stack(docker, "down")

        assert 0 == result.exit_code, result.output
        assert calls(docker)[-1] == "down --remove-orphans"
        assert "its volumes stay" in result.stderr

    def test_purge_asks_first(self, docker: Path) -> None:
        stack(docker, "up")
        settings = ["--settings", str(docker / "slostack.yaml"), "--target", "compose"]
        refused = CliRunner().invoke(program, ["stack", "down", *settings, "--purge"], input="n\n")

        assert 1 == refused.exit_code
        assert calls(docker)[-1] == "compose version"

        assert 0 == stack(docker, "down", "--purge", "--yes").exit_code
        assert calls(docker)[-1] == "down --remove-orphans --volumes"

    def test_there_may_be_nothing(self, docker: Path) -> None:
        result = stack(docker, "down")

        assert 0 == result.exit_code
        assert "there is no stack in" in result.stderr


class TestStatus:
    def test_all_is_well(self, docker: Path) -> None:
        stack(docker, "up")
        port = {"URL": "127.0.0.1", "TargetPort": 3000, "PublishedPort": 3000, "Protocol": "tcp"}
        answer(docker, grafana={"Publishers": [port, {"PublishedPort": 0}]})
        result = stack(docker, "status")

        assert 0 == result.exit_code, result.output
        assert calls(docker)[-1] == "ps --all --format json"
        line = next(line for line in result.stdout.splitlines() if line.startswith("grafana"))
        assert line.split() == ["grafana", "up", "v1.2", "127.0.0.1:3000"]

    @pytest.mark.parametrize(
        ("change", "state", "reason"),
        [
            ({"Health": "unhealthy"}, "unready", "its check of health fails"),
            ({"Health": "starting"}, "starting", None),
            ({"State": "restarting", "Status": "Restarting (1)"}, "restarting", "Restarting (1)"),
            ({"State": "exited", "Status": "Exited (0) now"}, "stopped", "Exited (0) now"),
            ({"State": ""}, "stopped", "has no container"),
        ],
    )
    def test_one_that_is_not_up_fails(
        self, change: dict[str, object], state: str, reason: str | None, docker: Path
    ) -> None:
        stack(docker, "up")
        answer(docker, loki=change)
        result = stack(docker, "status", "--format", "json")
        parts = {part["name"]: part for part in json.loads(result.stdout)["parts"]}

        assert 1 == result.exit_code
        assert parts["loki"]["state"] == state
        assert parts["loki"]["reason"] == reason

    def test_reads_the_list_of_older_versions(self, docker: Path) -> None:
        stack(docker, "up")
        answer(docker)
        lines = (docker / "ps.json").read_text().splitlines()
        (docker / "ps.json").write_text(f"[{','.join(lines)}]")

        assert 0 == stack(docker, "status").exit_code

    def test_an_answer_that_is_none_is_an_error(self, docker: Path) -> None:
        stack(docker, "up")
        (docker / "ps.json").write_text("<html>")
        result = stack(docker, "status")

        assert 1 == result.exit_code
        assert "docker compose ps: not understood" in result.stderr

    def test_nothing_was_started(self, docker: Path) -> None:
        result = stack(docker, "status")

        assert 1 == result.exit_code
        assert "has not been started" in result.stderr
