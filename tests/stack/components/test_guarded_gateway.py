"""Gateways that others can reach speak TLS and ask for a token; agents log in on them."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from slo.stack.components.context import Versions
from slo.stack.components.plan import stack_plan
from slo.stack.processes import Process, free_ports
from slo.stack.secrets import make_secrets
from slo.stack.settings import Exposure, StackSettings
from tests.collector_run.running import PROGRAM, eventually, needs_collector
from tests.stack.components.here import HerePlaces, write_configs
from tests.stack.components.stacks import compiled, plan
from tests.stack.components.test_public_stack import certificate

GUARDED = StackSettings(
    expose={"collector-gateway": Exposure("0.0.0.0")}, replicas={"collector-gateway": 2}
)
SPANS = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "5b8efff798038103d269b633813fc60c",
                            "spanId": "eee19b7ec3c1b174",
                            "name": "GET /",
                            "kind": 2,
                            "startTimeUnixNano": "1544712660000000000",
                            "endTimeUnixNano": "1544712661000000000",
                        }
                    ]
                }
            ]
        }
    ]
}


def config(name: str, settings: StackSettings = GUARDED) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(plan(settings).component(name).configs[0].text)
    return found


def test_both_protocols_are_guarded() -> None:
    for protocol in config("collector-gateway")["receivers"]["otlp"]["protocols"].values():
        assert "/stack/collector-gateway/secrets/tls.crt" == protocol["tls"]["cert_file"]
        assert "bearertokenauth" == protocol["auth"]["authenticator"]


def test_agents_log_in_for_every_signal() -> None:
    exporters = config("collector-agent")["exporters"]
    clients = [e["protocol"]["otlp"] if "protocol" in e else e for e in exporters.values()]

    assert 2 == len(clients)
    for client in clients:
        assert "/stack/collector-agent/secrets/ca.crt" == client["tls"]["ca_file"]
        assert "collector-gateway" == client["tls"]["server_name_override"]
        assert "bearertokenauth" == client["auth"]["authenticator"]


def test_nobody_else_is_given_the_token() -> None:
    holders = {c.name for c in plan(GUARDED).components for s in c.secrets if "token" in s.name}

    assert {"collector-agent", "collector-gateway"} == holders


def test_programs_near_the_agent_need_no_token() -> None:
    protocols = config("collector-agent")["receivers"]["otlp"]["protocols"]

    assert not any("auth" in protocol or "tls" in protocol for protocol in protocols.values())


def test_gateways_that_only_the_stack_reaches_are_not_published() -> None:
    ports = plan(StackSettings()).component("collector-gateway").ports

    assert not any(port.exposed for port in ports)
    for protocol in config("collector-gateway", StackSettings())["receivers"]["otlp"][
        "protocols"
    ].values():
        assert not {"auth", "tls"} & set(protocol)


class ByName(HerePlaces):
    """Find gateways by a look-up, as in a cluster."""

    def each(self, component: str, port: str) -> str:
        return f"LOCALHOST:{self.number(component, port)}"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Path, dict[str, int]]]:
    """Run an agent and a gateway that others could reach."""
    [anywhere] = free_ports(1)
    settings = StackSettings(
        expose=GUARDED.expose,
        parts=frozenset(("collector", "jaeger")),
        port_offset=5000 + anywhere % 30_000,
    )
    places = ByName(settings, str(tmp_path))
    stack = stack_plan(settings, compiled(), places, versions=Versions(collector=(0, 161)))
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    certificate(secrets)
    make_secrets(stack, secrets)
    write_configs(stack)
    ports = {
        "gateway": places.number("collector-gateway", "otlp-http"),
        "gateway-metrics": places.number("collector-gateway", "metrics"),
        "agent": places.number("collector-agent", "otlp-http"),
    }
    with ExitStack() as processes:
        for name in ("collector-gateway", "collector-agent"):
            argv = [PROGRAM, *stack.component(name).arguments]
            processes.enter_context(Process(argv, log=tmp_path / f"{name}.log"))
        for port in ports.values():
            assert eventually(lambda port=port: answers(port))
        yield secrets, ports


def answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}", timeout=2)
    except httpx.RemoteProtocolError:
        return True
    except httpx.TransportError:
        return False
    return True


class TestRunning:
    pytestmark = needs_collector

    def test_strangers_are_refused_and_agents_are_not(
        self, running: tuple[Path, dict[str, int]]
    ) -> None:
        secrets, ports = running
        address = f"https://localhost:{ports['gateway']}/v1/traces"
        token = (secrets / "gateway-token").read_text()
        context = ssl.create_default_context(cafile=secrets / "ca.crt")
        with httpx.Client(verify=context, timeout=10) as client:

            def status(**headers: str) -> int:
                return client.post(address, json=SPANS, headers=headers).status_code

            assert 401 == status()
            assert 401 == status(Authorization="Bearer guessed")
            assert 200 == status(Authorization=f"Bearer {token}")

        sent = httpx.post(f"http://127.0.0.1:{ports['agent']}/v1/traces", json=SPANS, timeout=10)

        assert 200 == sent.status_code
        # One of ours by HTTP, one that the agent passed on by gRPC.
        assert eventually(lambda: accepted(ports["gateway-metrics"]) == {"http": 1, "grpc": 1})


def accepted(port: int) -> dict[str, int]:
    """Return how many spans a collector has taken, by transport."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    lines = re.findall(r'^otelcol_receiver_accepted_spans.*transport="(\w+)".* (\d+)$', text, re.M)
    return {transport: int(count) for transport, count in lines if int(count)}
