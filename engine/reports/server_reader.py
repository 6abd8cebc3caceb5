"""Read how all SLOs stand, once, straight from a metrics server."""

from __future__ import annotations

import asyncio
import time

from slo.engine.sources.connection import Connection
from slo.engine.sources.http_source import HttpSource
from slo.engine.status.model import Snapshot
from slo.engine.status.reading import sort_by_slo
from slo.engine.status.refresh import PartialAnswers, read_all
from slo.engine.status.snapshots import Inputs, build_snapshot

__all__ = ["read_standing"]


def read_standing(connection: Connection) -> Snapshot:
    """
    Return how the SLOs stand that the server of *connection* records.

    What the server did not answer is missing, and the snapshot says that it is not complete.

    Raises:
        ToolError: There is no usable answer within the connection's timeout.
    """
    return asyncio.run(_read(connection))


async def _read(connection: Connection) -> Snapshot:
    source = HttpSource(connection)
    try:
        answers = await read_all(source, connection.timeout.seconds)
    except PartialAnswers as error:
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
