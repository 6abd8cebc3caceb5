"""Read how all SLOs stand, once, from a metrics server itself: a gate without an engine."""

from __future__ import annotations

import asyncio
import time

from slo.engine.sources.connection import Connection
from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import Unavailable
from slo.engine.status.model import Snapshot
from slo.engine.status.reading import sort_by_slo
from slo.engine.status.refresh import PartialAnswers, read_all
from slo.engine.status.snapshots import Inputs, build_snapshot

__all__ = ["read_once"]


def read_once(connection: Connection, within: float) -> Snapshot:
    """
    Return how the SLOs stand that the server of *connection* records.

    Args:
        within: Seconds that it may take altogether.

    Raises:
        ToolError: The server refuses, or is no Prometheus.
        Unavailable: There was no full answer in time.
    """
    return asyncio.run(_read(connection, within))


async def _read(connection: Connection, within: float) -> Snapshot:
    source = HttpSource(connection)
    try:
        answers = await read_all(source, within)
    except PartialAnswers as error:
        # Without the alerts nobody would see a page fire.
        if error.answers.alerts is None or error.answers.evaluated is None:
            raise Unavailable(str(error)) from error
        answers = error.answers
    finally:
        await source.aclose()
    now = time.time()
    inputs = Inputs(
        readings=sort_by_slo(answers, now),
        source=answers.source,
        warnings=answers.warnings,
        complete=answers.complete,
    )
    return build_snapshot(inputs, 1, now)
