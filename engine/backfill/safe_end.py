"""
Find up to when blocks may be written beside a running Prometheus.

A Prometheus that starts drops from its log whatever is older than the end of its newest block:
for all series, since it takes that for compacted. So no block may reach into the head, the part
that is in memory and in the log only.
"""

from __future__ import annotations

from slo.duration import Duration, hours
from slo.engine.backfill.moments import minute_text
from slo.engine.sources.protocol import MetricsSource
from slo.errors import ToolError

__all__ = ["HEAD", "safe_end"]

HEAD = hours(3)
"""How far back the head of a Prometheus reaches at most."""


def safe_end(source: MetricsSource, wanted: float | None, now: float) -> float:
    """
    Return the Unix time at which blocks must end.

    Args:
        wanted: What the user asked for; three hours ago if left out.

    Raises:
        ToolError: Blocks up to *wanted* could cost the server data.
    """
    known = source.head_start()
    latest = now - HEAD.seconds if known is None else known
    if wanted is None:
        return min(latest, now - HEAD.seconds)
    if wanted <= latest:
        return wanted
    if known is None:
        why = f"the server does not say where its head begins, which may be {HEAD} ago"
    else:
        why = f"the server's head begins at {minute_text(known)}"
    ago = Duration(max(60_000, round((now - latest) / 60) * 60_000))
    raise ToolError(
        f"blocks up to {minute_text(wanted)} could make a restarted Prometheus lose samples: "
        f"{why}. Give --until {ago} or earlier; the rules record the rest"
    )
