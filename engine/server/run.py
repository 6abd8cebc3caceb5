"""Run the engine from its first refresh to its last decision."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import uvicorn

from slo.engine.api.app import create_app
from slo.engine.server.inputs import Inputs, read_inputs
from slo.engine.server.late_ledger import LateLedger
from slo.engine.server.options import Listen, ServeOptions
from slo.engine.server.protocol import http_protocol
from slo.engine.server.systemd import ServiceManager
from slo.engine.server.upkeep import keep_history_small
from slo.engine.server.wiring import Engine, build_engine
from slo.errors import SloError, ToolError

__all__ = ["bind", "check_access", "run_engine"]

_log = logging.getLogger(__name__)

_SWITCH_SECONDS = 0.0005
_BACKLOG = 1_024
_MOST_CONNECTIONS = 5_000
_FINISH_SECONDS = 10
_LAST_WRITES_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 75
_RECORDS_SECONDS = 5.0
_FIRST_SNAPSHOT_SECONDS = 5.0
_TOKEN_USE_SECONDS = 60.0


class _Server(uvicorn.Server):
    """Leave signals to the engine, which has more to end than connections."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(listen: Listen) -> socket.socket:
    """
    Return a socket that listens there.

    Raises:
        ToolError: It cannot.
    """
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        return socket.create_server((listen.host, listen.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ToolError(
            f"cannot listen on {listen}: {error.strerror or error}; choose another address "
            "with --listen"
        ) from error


def check_access(options: ServeOptions, ledger: LateLedger) -> None:
    """
    Refuse to be open to others without anybody having a token.

    Raises:
        ToolError: There is no token.
    """
    if not options.tokens_required or not ledger.is_open or options.monitor_token_file:
        return
    if not any(token.revoked_at is None for token, _ in ledger.tokens()):
        raise ToolError(
            f"{options.listen} can be reached from elsewhere and nobody has a token: make one "
            "with `slo token create`, listen on 127.0.0.1, or leave the door open with "
            "--insecure-no-auth"
        )


async def run_engine(
    options: ServeOptions,
    ledger: LateLedger,
    inputs: Inputs,
    sock: socket.socket,
    ready: Callable[[Engine], None],
) -> None:
    """
    Serve until a signal ends it.

    Args:
        sock: Listens already.
        ready: Called when requests are answered.
    """
    # Threads parse answers and write records; with Python's usual 5 ms, each of them would hold
    # up the event loop for that long, every time the loop has looked at the network.
    sys.setswitchinterval(_SWITCH_SECONDS)
    engine = build_engine(options, ledger, inputs.policy, inputs.declared)
    manager = ServiceManager()
    server = _Server(_configuration(options, engine))
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    tasks: list[asyncio.Task[Any]] = []

    def on_stop(name: str) -> None:
        if stop.is_set():
            _log.warning("stopping at once")
            server.force_exit = True
        else:
            _log.info("stopping: %s", name)
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop, number.name)
    loop.add_signal_handler(signal.SIGHUP, lambda: _reload(options, engine, tasks))
    try:
        await engine.parts.standing.refresh()
        engine.recorder.start()
        engine.poller.start()
        tasks += [
            asyncio.create_task(_keep_records_fresh(engine)),
            asyncio.create_task(_keep_uses_of_tokens(engine)),
            asyncio.create_task(_count_refreshes(engine)),
            asyncio.create_task(
                keep_history_small(
                    engine.parts.access, lambda: engine.poller.leads, engine.parts.clock
                )
            ),
            asyncio.create_task(manager.watch()),
        ]
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        tasks.append(asyncio.create_task(_announce(engine, server, manager, ready)))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
        engine.stopping = True
        manager.tell("STOPPING=1")
        if stop.is_set() and options.drain:
            # Load balancers look at /readyz now and then; until they have, requests come.
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(serving), options.drain)
        engine.parts.hub.close()
        server.should_exit = True
        await serving
    finally:
        await _end(engine, tasks)


async def _announce(
    engine: Engine, server: _Server, manager: ServiceManager, ready: Callable[[Engine], None]
) -> None:
    while not server.started:
        await asyncio.sleep(0.01)
    # Whoever deploys while no server answers is better told so than kept waiting.
    with suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_SNAPSHOT_SECONDS):
            async for _ in engine.parts.holder.subscribe():
                break
    engine.begun = True
    manager.tell("READY=1")
    ready(engine)


async def _end(engine: Engine, tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await engine.poller.stop()
    await engine.recorder.close(_LAST_WRITES_SECONDS)
    await engine.parts.standing.note_used()
    await engine.failover.aclose()
    if engine.tracing is not None:
        await asyncio.to_thread(engine.tracing.close)
    engine.parts.access.close()
    engine.ledger.close()
    _log.info("stopped")


def _configuration(options: ServeOptions, engine: Engine) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(engine.parts),
        http=http_protocol(),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        # Names of clients come from the connection alone; a header may say anything.
        proxy_headers=False,
        server_header=False,
        date_header=True,
        backlog=_BACKLOG,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_FINISH_SECONDS,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )


async def _keep_records_fresh(engine: Engine) -> None:
    while True:
        await asyncio.sleep(_RECORDS_SECONDS)
        if not engine.ledger.is_open and not await asyncio.to_thread(engine.ledger.try_again):
            continue
        await engine.parts.standing.refresh()


async def _count_refreshes(engine: Engine) -> None:
    numbers: set[int] = set()
    async for snapshot in engine.parts.holder.subscribe():
        # A refresh that fails publishes the old numbers with what is known of the servers.
        outcome = "failed" if snapshot.number in numbers or not snapshot.number else "read"
        numbers = {snapshot.number}
        engine.parts.metrics.refreshes.labels(outcome).inc()


async def _keep_uses_of_tokens(engine: Engine) -> None:
    while True:
        await asyncio.sleep(_TOKEN_USE_SECONDS)
        await engine.parts.standing.note_used()


def _reload(options: ServeOptions, engine: Engine, tasks: list[asyncio.Task[Any]]) -> None:
    async def work() -> None:
        try:
            inputs = await asyncio.to_thread(read_inputs, options)
        except SloError as error:
            _log.error("nothing was reloaded: %s", error)
            return
        if inputs.failed:
            for found in inputs.diagnostics:
                if found.is_error:
                    place = f"{found.span.file}:{found.span.line}:{found.span.column}"
                    _log.error("nothing was reloaded: %s: %s", place, found.message)
            return
        engine.parts.decider.replace_policy(inputs.policy)
        engine.poller.declared = inputs.declared
        _log.info("reloaded: policy %s, %d SLOs", inputs.policy.name, len(inputs.declared))
        await engine.poller.refresh()

    tasks.append(asyncio.create_task(work()))
