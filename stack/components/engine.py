"""Describe the engine: it serves budgets, gates and the board."""

from __future__ import annotations

from typing import Any

from slo.stack.components.collector import takes_traces
from slo.stack.components.context import CA, ENGINE_TOKEN, TLS_CERTIFICATE, TLS_KEY, Context
from slo.stack.components.model import Component, ConfigFile, Port, Probe, Reload, Secret, Volume
from slo.stack.components.postgres import SERVICE_FILE, ledger_url
from slo.stack.components.reading import read_path, reader

__all__ = ["engine"]

_CONFIG, _POLICY = "engine.yaml", "policy.yaml"


def engine(context: Context) -> Component:
    """Return the engine; with several replicas the ledger is in PostgreSQL."""
    name = "engine"
    places = context.places
    access = context.access(name)
    shared = context.has("postgres")
    secrets: list[Secret] = [
        *context.tls_secrets(name),
        *context.client_secrets(name, reader(context)),
    ]
    server = reader(context)
    if context.access(server).tls:
        secrets.append(
            context.secret(name, f"{server}-login", f"how to log in on {server}", derived=True)
        )
    if access.token:
        secrets.append(context.secret(name, ENGINE_TOKEN, "token of the stack", generated=True))
    if shared:
        secrets.append(context.secret(name, SERVICE_FILE, "how to reach the ledger", derived=True))
    configs = [context.config(name, _CONFIG, context.yaml(_config(context)))]
    configs += _inputs(context)
    http = context.port(name, "http")
    return Component(
        name=name,
        role="serves budgets, gates and the board",
        image=context.image(name),
        program="slo",
        arguments=("serve", "--config", places.config(name, _CONFIG)),
        environment=_environment(context),
        ports=context.ports(name),
        probe=Probe("http", "/readyz", 60, _health_command(http, access.scheme), "/healthz"),
        resources=context.resources(name, 0.25, 256, 512),
        configs=tuple(configs),
        volumes=() if shared else (Volume("engine-data", places.data(name), 5),),
        secrets=tuple(dict.fromkeys(secrets)),
        check=("slo", "validate", places.config(name, "specs")) if context.compiled.sources else (),
        needs=context.needs("postgres", reader(context)),
        replicas=context.settings.replica_count(name),
        access=access,
        reload=Reload(signal="HUP"),
        scalable=shared,
    )


def _environment(context: Context) -> dict[str, str]:
    """Let commands such as `slo token create`, run beside the engine, find its ledger too."""
    found = {"SLO_LEDGER": _ledger(context)}
    if context.has("postgres"):
        found["PGSERVICEFILE"] = context.places.secret("engine", SERVICE_FILE)
    return found


def _ledger(context: Context) -> str:
    if context.has("postgres"):
        return ledger_url(context.places.address("postgres", "postgres"))
    return f"sqlite:///{context.places.data('engine')}/ledger.db"


def _inputs(context: Context) -> list[ConfigFile]:
    """Return the specs and the gate policy, which the engine reads itself."""
    name = "engine"
    sources = context.compiled.sources
    files = [context.config(name, f"specs/{path}", sources[path]) for path in sorted(sources)]
    if context.compiled.policy is not None:
        files.append(context.config(name, _POLICY, context.compiled.policy))
    return files


def _config(context: Context) -> dict[str, Any]:
    name = "engine"
    places = context.places
    access = context.access(name)
    server = reader(context)
    source: dict[str, Any] = {
        "url": context.url(server, "http", read_path(server)),
        "name": server,
    }
    if context.access(server).tls:
        source["ca-file"] = places.secret(name, CA)
        source["basic-auth-file"] = places.secret(name, f"{server}-login")
    config: dict[str, Any] = {"source": [source]}
    if context.compiled.sources:
        config["specs"] = [places.config(name, "specs")]
    if context.compiled.policy is not None:
        config["policy"] = places.config(name, _POLICY)
    config["listen"] = places.listen(name, "http")
    config["ledger"] = _ledger(context)
    if access.tls:
        config["tls-cert"] = places.secret(name, TLS_CERTIFICATE)
        config["tls-key"] = places.secret(name, TLS_KEY)
        config["monitor-token-file"] = places.secret(name, ENGINE_TOKEN)
    elif not config["listen"].startswith(("127.0.0.1:", "[::1]:")):
        # Inside the stack's own network, published on the loopback address only.
        config["insecure-no-auth"] = True
    if context.has("collector-agent") and takes_traces(context):
        config["otlp"] = context.url("collector-agent", "otlp-http")
    if context.settings.reading_interval is not None:
        config["interval"] = str(context.settings.reading_interval)
    config["log-format"] = "json"
    return config


def _health_command(port: Port, scheme: str) -> tuple[str, ...]:
    # It asks itself, under a name that no certificate has.
    code = (
        "import ssl, urllib.request as r; "
        f"r.urlopen('{scheme}://localhost:{port.number}/readyz', timeout=4"
        + (", context=ssl._create_unverified_context())" if scheme == "https" else ")")
    )
    return ("python", "-c", code)
