"""Look whether a server shows what it was sent."""

from __future__ import annotations

import time
from collections.abc import Callable

from slo.engine.backfill.moments import day_text
from slo.engine.sources.protocol import MetricsSource
from slo.promql import quote

__all__ = ["Sent", "unseen"]

Sent = tuple[str, dict[str, str], int]
"""Name, labels and Unix milliseconds of one sample."""

# VictoriaMetrics shows new samples after some seconds.
_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.5


def unseen(
    source: MetricsSource,
    samples: list[Sent],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """
    Wait until *source* shows *samples*; return what is wrong if it does not in half a minute.

    A server that keeps samples for a shorter time drops older ones without a word.
    """
    deadline = clock() + _PATIENCE_SECONDS
    for name, labels, at in samples:
        inner = ",".join(f"{label}={quote(value)}" for label, value in sorted(labels.items()))
        query = f"last_over_time({name}{{{inner}}}[1s])"
        while not source.instant(query, at / 1000).series:
            if clock() > deadline:
                return (
                    f"{source.url} does not show the samples of {day_text(at / 1000)}: it keeps "
                    "them for a shorter time, or --write-to leads to another server"
                )
            sleep(_PAUSE_SECONDS)
    return None
