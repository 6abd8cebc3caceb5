"""Run what is exposed, with TLS and passwords, by the real programs."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from slo.stack.components.context import Versions
from slo.stack.components.model import StackPlan
from slo.stack.components.plan import stack_plan
from slo.stack.processes import Process, find_program, free_ports
from slo.stack.secrets import make_secrets
from slo.stack.settings import Exposure, StackSettings
from tests.stack.components.here import HerePlaces, write_configs
from tests.stack.components.stacks import compiled

pytestmark = [pytest.mark.servers, pytest.mark.slow]

OLD = Versions(prometheus=(2, 42), alertmanager=(0, 25), victoria_metrics=(1, 79))
# Prometheus sends an alert that did not get through again after a minute.
DEADLINE_SECONDS = 150


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StackPlan, Path]]:
    """Run Prometheus and Alertmanager as they are exposed to others."""
    root = tmp_path_factory.mktemp("public")
    prometheus, alertmanager = free_ports(2)
    settings = StackSettings(
        # Exposed by the settings; the test itself listens on the loopback address only.
        expose={
            "prometheus": Exposure("0.0.0.0", prometheus),
            "alertmanager": Exposure("0.0.0.0", alertmanager),
        },
        parts=frozenset(("alertmanager",)),
    )
    plan = stack_plan(settings, compiled(), HerePlaces(settings, str(root)), versions=OLD)
    secrets = root / "secrets"
    secrets.mkdir()
    certificate(secrets)
    (secrets / "payments-pagerduty").write_text("key")
    make_secrets(plan, secrets)
    write_configs(plan)
    with ExitStack() as stack:
        for component in plan.components:
            assert component.program is not None
            log = root / f"{component.name}.log"
            argv = [find_program(component.program), *component.arguments]
            stack.enter_context(Process(argv, log=log))
        yield plan, secrets


def certificate(folder: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=slostack", "-addext"),
            *("subjectAltName=DNS:localhost", "-keyout", str(folder / "tls.key")),
            *("-out", str(folder / "tls.crt")),
        ],
        check=True,
        capture_output=True,
    )
    shutil.copy(folder / "tls.crt", folder / "ca.crt")


def client(public: tuple[StackPlan, Path], name: str, password: str | None = None) -> httpx.Client:
    plan, secrets = public
    component = plan.component(name)
    access = component.access
    assert access.tls
    trusted = ssl.create_default_context(cafile=str(secrets / "ca.crt"))
    known = (secrets / access.password).read_text() if password is None else password
    return httpx.Client(
        base_url=f"https://localhost:{component.port('http').number}",
        verify=trusted,
        auth=(access.user, known),
        trust_env=False,
    )


def eventually(ask: Callable[[], Any]) -> Any:
    """Return the first answer that is not empty."""
    end = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            found = ask()
        except httpx.TransportError:
            found = None
        if found:
            return found
        assert time.monotonic() < end, "nothing within the limit"
        time.sleep(0.2)


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_nobody_gets_in_without_the_password(public: tuple[StackPlan, Path], name: str) -> None:
    with client(public, name) as known, client(public, name, "guessed") as stranger:
        assert eventually(lambda: known.get("/-/ready").status_code == 200)

        assert 401 == stranger.get("/-/ready").status_code
        assert 401 == stranger.get("/metrics").status_code


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_nobody_gets_in_without_tls(public: tuple[StackPlan, Path], name: str) -> None:
    with client(public, name) as known:
        assert eventually(lambda: known.get("/-/ready").status_code == 200)
        port = public[0].component(name).port("http").number

        assert 400 == httpx.get(f"http://localhost:{port}/-/ready", trust_env=False).status_code


def test_parts_of_the_stack_log_in_on_each_other(public: tuple[StackPlan, Path]) -> None:
    """Prometheus scrapes itself and Alertmanager, and its alerts arrive."""

    def up() -> bool:
        answer = prometheus.get("/api/v1/query", params={"query": "up == 1"}).json()
        jobs = {series["metric"]["job"] for series in answer["data"]["result"]}
        return {"prometheus", "alertmanager"} <= jobs

    def watched() -> bool:
        alerts = alertmanager.get("/api/v2/alerts").json()
        return "Watchdog" in {alert["labels"]["alertname"] for alert in alerts}

    with client(public, "prometheus") as prometheus, client(public, "alertmanager") as alertmanager:
        assert eventually(up)
        assert eventually(watched)
