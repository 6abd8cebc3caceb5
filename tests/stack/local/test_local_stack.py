"""A local stack comes up once, heals, takes changes, and stops without losing anything."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.stack.local.running import SPEC, TestStack, is_alive, until

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(p) is None for p in ("prometheus", "prometheus-alertmanager")),
        reason="Prometheus or Alertmanager is missing",
    ),
]


TOO_NEW = """\
version: slo/v1
service: shop
slos:
  - name: availability
    objective: 99.9
    indicator:
      events:
        error: sum(rate(errors_total[{{.window}}]))
        total: sum(sort_by_label(rate(requests_total[{{.window}}]), "job"))
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[TestStack]:
    """Return a stack that has not been started."""
    found = TestStack(tmp_path)
    try:
        yield found
    finally:
        found.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestStack]:
    found = TestStack(tmp_path_factory.mktemp("shared"), "shared")
    try:
        yield found
    finally:
        found.end()


@pytest.fixture
def running(shared: TestStack) -> TestStack:
    """Return a stack that is up, with its first settings."""
    shared.settings.write_text(shared.text)
    shared.spec.write_text(SPEC)
    shared.up()
    return shared


def test_up_starts_all_parts_and_a_second_up_changes_nothing(running: TestStack) -> None:
    pids = running.pids()
    second = running.up()

    assert "nothing changed" in second
    assert {"alertmanager", "prometheus", "engine"} == set(pids)
    assert pids == running.pids()
    assert {"up"} == {part["state"] for part in running.status().values()}
    assert 0 == running.run("status").returncode


def test_a_part_that_is_killed_comes_back(running: TestStack) -> None:
    before = running.pids()
    before_restarts = running.status()["prometheus"]["restarts"]
    os.kill(before["prometheus"], signal.SIGKILL)

    def back() -> bool:
        part = running.status()["prometheus"]
        return part["state"] == "up" and part["pid"] != before["prometheus"]

    until(back, "Prometheus is back")

    assert before_restarts + 1 == running.status()["prometheus"]["restarts"]
    assert before["engine"] == running.pids()["engine"]


def test_no_part_outlives_a_supervisor_that_is_killed_and_up_repairs_it(stack: TestStack) -> None:
    stack.up()
    pids = stack.pids()
    os.kill(stack.supervisor(), signal.SIGKILL)
    until(lambda: not any(map(is_alive, pids.values())), "all parts have ended")

    assert 1 == stack.run("status").returncode
    stack.up()
    assert {"up"} == {part["state"] for part in stack.status().values()}
    assert not set(pids.values()) & set(stack.pids().values())


def test_down_stops_everything_and_data_are_there_after_the_next_up(stack: TestStack) -> None:
    stack.up()
    pids = stack.pids()
    httpx.post(
        f"{stack.url('engine')}/v1/freezes",
        json={"start": 1, "end": 2, "reason": "kept", "actor": "test"},
        headers={"Idempotency-Key": "x"},
    )
    made = httpx.get(f"{stack.url('engine')}/v1/freezes").text
    until(
        lambda: httpx.get(f"{stack.url('prometheus')}/api/v1/query", params={"query": "up"}).json()[
            "data"
        ]["result"],
        "something is scraped",
    )
    ledger = stack.own.data / "engine" / "ledger.db"
    done = stack.run("down")

    assert 0 == done.returncode, done.stderr
    assert "its data stays" in done.stderr
    assert not any(map(is_alive, pids.values()))
    assert ledger.exists()
    assert 0 == stack.run("down").returncode, "a second down has nothing to do"

    stack.up()
    assert made == httpx.get(f"{stack.url('engine')}/v1/freezes").text
    found = httpx.get(
        f"{stack.url('prometheus')}/api/v1/query", params={"query": "count_over_time(up[10m])"}
    ).json()
    assert found["data"]["result"], "samples from before are there"


def test_a_changed_spec_reloads_and_restarts_nothing(running: TestStack) -> None:
    before = running.pids()
    running.spec.write_text(SPEC.replace("99.9", "99"))
    said = running.up()

    assert "the stack is up\n" in said
    assert before == running.pids()
    rules = httpx.get(f"{running.url('prometheus')}/api/v1/rules").text
    assert "0.99" in rules
    assert "0.999" not in rules

    def objective() -> bool:
        slos = httpx.get(f"{running.url('engine')}/v1/slos").json()["slos"]
        return bool(slos) and slos[0]["objective"] == 99.0

    until(objective, "the engine goes by the new objective")


def test_a_changed_setting_restarts_only_the_part_that_it_concerns(running: TestStack) -> None:
    before = running.pids()
    running.add("metrics: {retention: 50d}\n")
    running.up()
    after = running.pids()

    assert before["prometheus"] != after["prometheus"]
    assert before["alertmanager"] == after["alertmanager"]
    assert before["engine"] == after["engine"]


def test_a_file_changed_by_hand_is_put_right_and_loaded_again(running: TestStack) -> None:
    file = running.own.config / "prometheus" / "rules" / "shop.yaml"
    good = file.read_text()
    file.write_text(good.replace("[5m]", "[7m]"))
    httpx.post(f"{running.url('prometheus')}/-/reload")
    said = running.up()

    assert "changed by hand" in said
    assert good == file.read_text()
    assert "[7m]" not in httpx.get(f"{running.url('prometheus')}/api/v1/rules").text
    assert "nothing changed" in running.up()


def test_a_spec_with_a_mistake_disturbs_nothing(running: TestStack) -> None:
    before = running.pids()
    running.spec.write_text(SPEC.replace("99.9", "199.9"))
    done = running.run("up")

    assert 1 == done.returncode
    assert "SLO201" in done.stderr
    assert before == running.pids()


def test_a_configuration_that_a_program_refuses_disturbs_nothing(running: TestStack) -> None:
    before = running.pids()
    good = (running.own.config / "prometheus" / "prometheus.yaml").read_text()
    # A function of Prometheus 3, which this one does not know.
    running.spec.write_text(TOO_NEW)
    done = running.run("up")

    assert 1 == done.returncode, done.stderr
    assert "nothing has been changed" in done.stderr
    assert before == running.pids()
    assert good == (running.own.config / "prometheus" / "prometheus.yaml").read_text()


def test_a_taken_port_is_named_with_who_has_it(stack: TestStack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 9090 + stack.offset))
        taken.listen()
        done = stack.run("up")

    assert 1 == done.returncode
    assert f"port {9090 + stack.offset}, for prometheus" in done.stderr
    assert f"(process {os.getpid()})" in done.stderr
    assert not stack.own.parts_file.exists(), "nothing was started"


def test_a_part_that_cannot_live_is_reported_with_its_last_words(stack: TestStack) -> None:
    stack.own.make("tested")
    # A file where Prometheus wants a folder.
    wal = stack.own.data / "prometheus" / "wal"
    wal.parent.mkdir()
    wal.write_text("not a folder")
    done = stack.run("up")

    assert 1 == done.returncode
    assert "not up: prometheus: ended with status" in done.stderr
    assert "not up: engine: waits for prometheus" in done.stderr
    assert "up" == stack.status()["alertmanager"]["state"]

    wal.unlink()
    stack.up()
    assert {"up"} == {part["state"] for part in stack.status().values()}


def test_purge_deletes_only_what_the_stack_made(stack: TestStack) -> None:
    stack.up()
    mine = stack.own.root / "mine.txt"
    mine.write_text("mine")
    done = stack.run("down", "--purge", "--yes")

    assert 0 == done.returncode
    assert "deleting" in done.stderr
    assert [mine] == list(stack.own.root.iterdir())
    assert stack.spec.exists()


def test_a_folder_with_other_files_is_left_alone(stack: TestStack) -> None:
    stack.own.root.mkdir()
    (stack.own.root / "thesis.txt").write_text("years of work")
    up = stack.run("up")
    down = stack.run("down", "--purge", "--yes")

    assert 1 == up.returncode
    assert "no folder of a stack" in up.stderr
    assert 0 == down.returncode
    assert [stack.own.root / "thesis.txt"] == list(stack.own.root.iterdir())


def test_in_the_foreground_it_ends_with_its_signal(stack: TestStack) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "slo.engine.cli", "stack", "up", "--foreground"],
        cwd=stack.folder,
        stderr=subprocess.PIPE,
    )
    try:
        until(
            lambda: {"up"} == {part["state"] for part in stack.status().values()},
            "everything is up",
        )
        pids = stack.pids()
        process.send_signal(signal.SIGTERM)

        assert 0 == process.wait(60)
        assert not any(map(is_alive, pids.values()))
    finally:
        process.kill()
        process.wait()


def test_a_part_that_was_halted_ends_in_order(stack: TestStack) -> None:
    """A halted program cannot hear that it shall end; killed, it would lose what is in memory."""
    stack.up()
    pid = stack.pids()["prometheus"]
    os.kill(pid, signal.SIGSTOP)
    done = stack.run("down")

    assert 0 == done.returncode, done.stderr
    assert not is_alive(pid)
    assert "See you next time!" in stack.own.log("prometheus").read_text()


def test_require_refuses_where_a_part_cannot_run(stack: TestStack) -> None:
    stack.settings.write_text(stack.text.replace("grafana, ", ""))
    if shutil.which("grafana-server"):
        pytest.skip("Grafana is here")
    done = stack.run("up", "--require")

    assert 1 == done.returncode
    assert "grafana" in done.stderr
    assert not stack.own.parts_file.exists()


def test_rendered_files_are_those_that_run(running: TestStack) -> None:
    done = running.run("render", "--target", "local", "--out", "rendered")
    there = {
        path.relative_to(running.own.config): path.read_text()
        for path in running.own.config.rglob("*.yaml")
    }
    rendered = running.folder / "rendered" / "config"

    assert 0 == done.returncode, done.stderr
    assert there == {
        path.relative_to(rendered): path.read_text() for path in rendered.rglob("*.yaml")
    }
    parts = json.loads(running.own.parts_file.read_text())["parts"]
    text = (running.folder / "rendered" / "programs.yaml").read_text()
    assert all(argument in text for part in parts for argument in part["argv"])
