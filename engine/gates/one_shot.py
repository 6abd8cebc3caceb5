"""Read how all SLOs stand, once, from a metrics server itself: a gate without an engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from slo.engine.gates.incident_reader import read_incidents
from slo.engine.gates.incidents import Incident
from slo.engine.sources.connection import Connection
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import Unavailable
from slo.engine.status.model import SloStatus, Snapshot
from slo.engine.status.reading import sort_by_slo
from slo.engine.status.refresh import PartialAnswers, read_all
from slo.engine.status.snapshots import Inputs, build_snapshot
from slo.errors import ToolError

__all__ = ["read_once"]


# The rest is for the history, which is asked for when it is known how the SLOs stand.
_SHARE_OF_STATUS = 0.6
_QUERIES_OF_HISTORY = 2

Incidents = Mapping[str, Sequence[Incident]]
"""Those of the present period, by key of the SLO."""


def read_once(
    connection: Connection,
    within: float,
    wanted: Callable[[SloStatus], bool] = lambda status: False,
) -> tuple[Snapshot, Incidents | None]:
    """
    Return how the SLOs stand that the server of *connection* records, and their incidents.

    Args:
        within: Seconds that it may take altogether.
        wanted: Tells of which SLOs, all of one service, the incidents are wanted. They are
            `None` where none are, or the server does not tell.

    Raises:
        ToolError: The server refuses, or is no Prometheus.
        Unavailable: There was no full answer in time.
    """
    return asyncio.run(_read(connection, within, wanted))


async def _read(
    connection: Connection, within: float, wanted: Callable[[SloStatus], bool]
) -> tuple[Snapshot, Incidents | None]:
    ends = time.monotonic() + within
    source = HttpSource(connection)
    try:
        snapshot = await _snapshot(source, within * _SHARE_OF_STATUS)
        chosen = [status for status in snapshot.statuses if wanted(status)]
        if not chosen:
            return snapshot, None
        left = max(0.0, ends - time.monotonic()) / _QUERIES_OF_HISTORY
        try:
            return snapshot, await read_incidents(source, chosen, snapshot.taken_at, left)
        except ToolError:
            return snapshot, None
    finally:
        await source.aclose()


async def _snapshot(source: HttpSource, within: float) -> Snapshot:
    try:
        answers = await read_all(source, within)
    except PartialAnswers as error:
        # Without the alerts nobody would see a page fire.
        if error.answers.alerts is None or error.answers.evaluated is None:
            raise Unavailable(str(error)) from error
        answers = error.answers
    now = time.time()
    inputs = Inputs(
        readings=sort_by_slo(answers, now),
        source=answers.source,
        warnings=answers.warnings,
        complete=answers.complete,
    )
    return build_snapshot(inputs, 1, now)
