"""The doctor finds a healthy stack healthy, and every injected failure, on real servers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from slo.stack.targets.local_programs import find
from tests.stack.local.running import TestStack, running_service, until

pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.skipif(
        any(shutil.which(p) is None for p in ("prometheus", "prometheus-alertmanager")),
        reason="Prometheus or Alertmanager is missing",
    ),
]
OK, FAIL, WARNING = {"ok"}, {"fail"}, {"warning"}
_LEFT_OUT = ("samples", "spans", "logs", "dashboards")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestStack]:
    stack = TestStack(tmp_path_factory.mktemp("doctor"), "doctor")
    with running_service() as address:
        stack.text += f"scrape: {{shop: ['{address}']}}\n"
        stack.add("")
        try:
            stack.up()
            yield stack
        finally:
            stack.end()


@pytest.fixture
def stack(shared: TestStack) -> Iterator[TestStack]:
    """Return a stack that is up, and repair it afterwards."""
    shared.up()
    yield shared
    shared.add("")
    shared.up()


def test_a_healthy_stack_is_found_healthy(stack: TestStack) -> None:
    def wrong() -> list[str]:
        return [
            f"{check}: {finding['figure']}"
            for check, findings in stack.doctor().items()
            for finding in findings
            if finding["verdict"] != "ok" and check not in _LEFT_OUT
        ]

    # Two scrapes, two evaluations and the first sums take as long.
    deadline = time.monotonic() + 150
    while wrong() and time.monotonic() < deadline:
        time.sleep(1)

    assert [] == wrong()
    found = stack.doctor("--only", "delivery", "--only", "rules", "--only", "freshness")

    assert "reached its receiver" in found["delivery"][0]["figure"]
    assert "all as compiled" in found["rules"][0]["figure"]
    assert 0 == stack.run("doctor").returncode
    assert 1 == stack.run("doctor", "--strict").returncode, "spans and logs are left out"


def test_a_stopped_prometheus_is_found(stack: TestStack) -> None:
    os.kill(stack.pids()["prometheus"], signal.SIGSTOP)
    try:
        found = stack.verdicts("answers", "targets", "rules", "disk", "freshness")
    finally:
        os.kill(stack.pids()["prometheus"], signal.SIGCONT)

    assert "fail" in found["answers"]
    assert FAIL == found["targets"] == found["rules"] == found["freshness"] == found["disk"]


def test_an_altered_rule_is_found(stack: TestStack) -> None:
    file = stack.own.config / "prometheus" / "rules" / "shop.yaml"
    file.write_text(file.read_text().replace("[5m]", "[7m]", 1))
    httpx.post(f"{stack.url('prometheus')}/-/reload")
    found = stack.doctor("--only", "rules")["rules"]

    assert ["fail"] == [finding["verdict"] for finding in found]
    assert "7m" in found[0]["figure"]
    assert "slo stack up" in found[0]["remedy"]

    stack.up()
    assert OK == stack.verdicts("rules")["rules"]


def test_a_rule_that_fails_is_found(stack: TestStack) -> None:
    file = stack.own.config / "prometheus" / "rules" / "broken.yaml"
    rule = "{record: 'x', expr: 'vector(1) * on() (up or vector(2))'}"
    file.write_text(f"groups: [{{name: broken, interval: 1s, rules: [{rule}]}}]")
    httpx.post(f"{stack.url('prometheus')}/-/reload")
    try:
        until(lambda: "fail" in stack.verdicts("evaluation")["evaluation"], "the failing rule")

        assert FAIL == stack.verdicts("rules")["rules"], "and that nobody compiled it"
    finally:
        file.unlink()
        httpx.post(f"{stack.url('prometheus')}/-/reload")


def test_a_stopped_alertmanager_is_found(stack: TestStack) -> None:
    os.kill(stack.pids()["alertmanager"], signal.SIGSTOP)
    try:
        found = stack.verdicts("watchdog", "delivery", "answers", arguments=("--patience", "2"))
    finally:
        os.kill(stack.pids()["alertmanager"], signal.SIGCONT)

    assert FAIL == found["watchdog"] == found["delivery"]
    assert "fail" in found["answers"]


def test_a_missing_receiver_is_found(stack: TestStack) -> None:
    file = stack.own.config / "alertmanager" / "alertmanager.yaml"
    good = file.read_text()
    file.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    httpx.post(f"{stack.url('alertmanager')}/-/reload")
    try:
        found = stack.doctor("--only", "delivery", "--patience", "2")["delivery"]
    finally:
        file.write_text(good)
        httpx.post(f"{stack.url('alertmanager')}/-/reload")

    assert ["fail"] == [finding["verdict"] for finding in found]
    assert "slostack-doctor" in found[0]["remedy"]


def test_a_taken_port_of_the_listener_is_found(stack: TestStack) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 9199 + stack.offset))
        taken.listen()
        found = stack.verdicts("delivery")

    assert FAIL == found["delivery"]


def test_a_full_disk_is_found(stack: TestStack) -> None:
    assert FAIL == stack.verdicts("disk", arguments=("--min-free", "1000000000"))["disk"]


def test_a_stopped_engine_is_found(stack: TestStack) -> None:
    os.kill(stack.pids()["engine"], signal.SIGSTOP)
    try:
        found = stack.verdicts("engine", "gates", "answers")
    finally:
        os.kill(stack.pids()["engine"], signal.SIGCONT)

    assert FAIL == found["engine"] == found["gates"]
    assert "fail" in found["answers"]


def test_a_target_that_is_down_is_found(stack: TestStack) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        stack.settings.write_text(
            stack.text.replace("shop: [", f"gone: ['127.0.0.1:{port}'], shop: [")
        )
        stack.up()
        until(lambda: "fail" in stack.verdicts("targets")["targets"], "the target", 45)


def test_specs_that_are_not_loaded_yet_are_found(stack: TestStack) -> None:
    before = stack.spec.read_text()
    stack.spec.write_text(before.replace("99.9", "99"))
    try:
        assert FAIL == stack.verdicts("rules")["rules"]
    finally:
        stack.spec.write_text(before)


def test_a_stack_that_does_not_run_is_found(stack: TestStack) -> None:
    stack.run("down")
    found = stack.doctor("--only", "parts", "--only", "answers", "--only", "clocks")

    assert {"fail"} == {finding["verdict"] for finding in found["parts"]}
    assert {"fail"} == {finding["verdict"] for finding in found["clocks"]}
    assert 1 == stack.run("doctor", "--only", "parts").returncode


def test_a_check_that_is_not_there_is_wrong_usage(stack: TestStack) -> None:
    done = stack.run("doctor", "--only", "horoscope")

    assert 2 == done.returncode
    assert "freshness" in done.stderr


def test_spans_and_samples_are_followed_through_real_collectors(tmp_path: Path) -> None:
    if find("otelcol") is None:
        pytest.skip("no OpenTelemetry Collector is here")
    examples = Path(__file__).parents[3] / "examples" / "telemetry"
    stack = TestStack(tmp_path, "telemetry")
    stack.text = stack.text.replace(", collector", "")
    stack.add("")
    stack.spec.unlink()
    for name in ("checkout.yaml", "platform.yaml"):
        shutil.copy(examples / name, stack.spec.parent / name)
    try:
        stack.up()
        found = stack.doctor("--only", "samples", "--only", "spans")
        figures = [f["figure"] for f in found["spans"] if f["verdict"] == "ok"]

        assert ["ok"] == [f["verdict"] for f in found["samples"]]
        assert any("from agent to gateway" in figure for figure in figures), found
        assert any("counted in the span metrics" in figure for figure in figures), found

        os.kill(stack.pids()["collector-gateway"], signal.SIGSTOP)
        try:
            red = stack.verdicts("samples", "spans", arguments=("--patience", "1"))
        finally:
            os.kill(stack.pids()["collector-gateway"], signal.SIGCONT)
        assert FAIL == red["samples"]
        assert "fail" in red["spans"]
    finally:
        stack.end()


def test_victoria_metrics_and_vmalert_are_examined_alike(tmp_path: Path) -> None:
    if find("victoria-metrics") is None or find("vmalert") is None:
        pytest.skip("VictoriaMetrics is not here")
    stack = TestStack(tmp_path, "victoria")
    stack.add("metrics: {engine: victoria-metrics}\n")
    try:
        stack.up()
        found = stack.verdicts("parts", "answers", "rules", "delivery", "engine")

        assert {"parts", "answers", "rules", "delivery", "engine"} == set(found)
        assert all(OK == verdicts for verdicts in found.values()), found
    finally:
        stack.end()
