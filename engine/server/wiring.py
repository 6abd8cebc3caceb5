"""Put the parts of the engine together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from slo.engine.api.decider import Decider
from slo.engine.api.hub import EventHub
from slo.engine.api.incident_book import IncidentBook
from slo.engine.api.ledger_access import LedgerAccess
from slo.engine.api.limits import RateLimiter
from slo.engine.api.metrics import EngineMetrics
from slo.engine.api.parts import HistoryReader, Parts
from slo.engine.api.recorder import DecisionRecorder
from slo.engine.api.shell import Doors
from slo.engine.api.standing import Standing
from slo.engine.api.view import Views
from slo.engine.gates.policy import GatePolicy
from slo.engine.ledger.records import BudgetPoint, Token
from slo.engine.ledger.sql import SqlLedger
from slo.engine.server.late_ledger import LateLedger
from slo.engine.server.monitor_token import monitor_token
from slo.engine.server.options import ServeOptions
from slo.engine.server.tracing import Tracing
from slo.engine.sources.failover import Failover
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.metrics import SourceMetrics
from slo.engine.status.declared import Declared
from slo.engine.status.holder import Holder
from slo.engine.status.model import SloStatus
from slo.engine.status.poller import Pace, Poller

__all__ = ["Engine", "build_engine", "doors_of"]

_DEADLINE_SHARE = 0.8
_JITTER_SHARE = 0.1


@dataclass(slots=True)
class Engine:
    """Hold the parts that run beside the API."""

    parts: Parts
    poller: Poller
    failover: Failover
    recorder: DecisionRecorder
    ledger: LateLedger
    tracing: Tracing | None = None
    begun: bool = False
    stopping: bool = False

    def unready(self) -> Sequence[str]:
        """Return why the engine cannot serve."""
        reasons = []
        if self.stopping:
            reasons.append("the engine is stopping")
        if not self.begun and self.parts.views.now() is None:
            reasons.append("no metrics server has been read yet")
        if self.parts.doors.tokens_required and self.parts.standing.now.read_at is None:
            reasons.append("the ledger has not been read yet, so nobody's token is known")
        return reasons


def build_engine(
    options: ServeOptions,
    ledger: LateLedger,
    policy: GatePolicy,
    declared: Mapping[str, Declared],
    clock: Callable[[], float] = time.time,
) -> Engine:
    """
    Return the engine, not started yet.

    Args:
        declared: SLOs of the specs, by id.
        clock: Returns Unix seconds.
    """
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    metrics = EngineMetrics(registry)
    source_metrics = SourceMetrics(registry)
    failover = Failover(
        [
            HttpSource(connection, name=name, metrics=source_metrics)
            for name, connection in options.sources
        ],
        clock=clock,
    )
    holder = Holder()
    opened = cast(SqlLedger, ledger)
    access = LedgerAccess(opened)
    standing = Standing(access, clock, _monitor(options))
    views = Views(holder, clock)
    recorder = DecisionRecorder(access, metrics)
    poller = Poller(
        failover,
        holder,
        declared=declared,
        ledger=opened,
        pace=Pace(
            options.interval,
            options.interval * _JITTER_SHARE,
            options.interval * _DEADLINE_SHARE,
        ),
        name=options.name,
        clock=clock,
    )
    decider = Decider(
        policy,
        views=views,
        standing=standing,
        recorder=recorder,
        clock=clock,
        incidents=IncidentBook(poller.past.burn_down),
    )
    parts = Parts(
        holder=holder,
        views=views,
        access=access,
        standing=standing,
        decider=decider,
        hub=EventHub(),
        metrics=metrics,
        history=_history(access),
        limiter=RateLimiter(options.rate_limit, clock=time.monotonic),
        clock=clock,
        doors=doors_of(options),
    )
    engine = Engine(parts, poller, failover, recorder, ledger)
    if options.otlp is not None:
        engine.tracing = Tracing(options.otlp)
        parts.trace = engine.tracing.request
    parts.unready = engine.unready
    parts.burn_down = poller.past.burn_down
    _watch(engine)
    return engine


def _monitor(options: ServeOptions) -> dict[str, Token]:
    return {} if options.monitor_token_file is None else monitor_token(options.monitor_token_file)


def doors_of(options: ServeOptions) -> Doors:
    """Return who is let in."""
    hosts = frozenset(host.lower() for host in options.allow_hosts)
    if options.listen.is_loopback:
        hosts |= options.listen.hosts
    elif hosts:
        # Probes of this machine and its container go on working.
        hosts |= {"localhost", "127.0.0.1", "::1"}
    return Doors(
        hosts=hosts,
        tokens_required=options.tokens_required,
        local_only=not options.insecure_no_auth,
        secure=options.tls_cert is not None,
        log_all=options.access_log,
    )


def _history(
    access: LedgerAccess,
) -> HistoryReader:
    async def history(status: SloStatus, start: float, end: float) -> Sequence[BudgetPoint]:
        slo = f"{status.service}/{status.name}"
        points = await access.call(lambda ledger: ledger.budget_points(slo, start, end))
        return [point for point in points if dict(point.labels) == dict(status.group)]

    return history


def _watch(engine: Engine) -> None:
    parts, metrics = engine.parts, engine.parts.metrics

    def age() -> float:
        found = parts.views.now()
        return found[1] if found else float("nan")

    def records_age() -> float:
        read_at = parts.standing.now.read_at
        return float("nan") if read_at is None else max(0.0, parts.clock() - read_at)

    metrics.watch("slo_engine_snapshot_age_seconds", "Age of the numbers.", age)
    metrics.watch(
        "slo_engine_records_age_seconds", "Age of what is known of the ledger.", records_age
    )
    metrics.watch(
        "slo_engine_leads",
        "Whether this replica writes down how budgets stand.",
        lambda: float(engine.poller.leads),
    )
    metrics.watch("slo_engine_event_streams", "Open streams of events.", lambda: len(parts.hub))
    metrics.watch(
        "slo_engine_ledger_up",
        "Whether the last call to the ledger succeeded.",
        lambda: float(parts.access.is_up),
    )
