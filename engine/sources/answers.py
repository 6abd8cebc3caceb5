"""Read answers of the Prometheus HTTP API, whatever a server may send instead."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from slo.engine.sources.protocol import (
    Answer,
    BadAnswer,
    QueryRefused,
    SourceSeries,
    TooMuchData,
    Unavailable,
)
from slo.engine.sources.turns import yield_turn
from slo.errors import ToolError

__all__ = ["failure_of", "read_answer", "server_words"]

# The server may answer otherwise in a moment, or another one may.
_PASSING_STATUS = (408, 429)
# How Prometheus, VictoriaMetrics, Thanos and Mimir say that a query reads too much.
_TOO_MUCH = re.compile(
    r"too many (samples|points|series|chunks)|exceed|maximum resolution|-search\.max", re.IGNORECASE
)
# VictoriaMetrics says so with the status of a wrong query.
_TOO_LATE = re.compile(r"timeout exceeded|timed out|deadline exceeded", re.IGNORECASE)
_RESULT = re.compile(r'"result"\s*:\s*\[')
# Between two series. No string holds this: quotes in strings are escaped.
_SEAM = '},{"metric":'
# Characters that are parsed at once: a millisecond of work.
_PIECE = 50_000


def read_answer(url: str, body: bytes, answered_at: float | None) -> Answer:
    """
    Return the series in *body*, read in pieces: other threads get a turn between them.

    Raises:
        BadAnswer: It is not an answer of this API.
    """
    try:
        text = body.decode()
        found = _RESULT.search(text)
        if found is None:
            raise ValueError(f"no result in {text[:80]!r}")
        series, end = _elements(text, found.end())
        # What stands around the list is small.
        envelope = json.loads(text[: found.end()] + text[end:])
        if envelope["status"] != "success":
            raise ValueError(f"status {envelope['status']!r}")
        kind = envelope["data"]["resultType"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadAnswer(f"{url} does not answer like a Prometheus: {error}") from error
    if kind not in ("vector", "matrix"):
        raise BadAnswer(f"{url} answered with a {kind}, where series were asked for")
    warnings = (*(envelope.get("warnings") or ()), *(envelope.get("infos") or ()))
    if envelope.get("isPartial"):
        warnings += ("the answer is partial",)
    return Answer(tuple(series), tuple(map(str, warnings)), answered_at)


def _elements(text: str, start: int) -> tuple[list[SourceSeries], int]:
    """Return the series of the list that begins at *start*, and where its bracket closes."""
    series: list[SourceSeries] = []
    while (seam := text.find(_SEAM, start + _PIECE)) >= 0:
        series += map(_series, json.loads(f"[{text[start : seam + 1]}]"))
        start = seam + 2
        yield_turn()
    rest, end = json.JSONDecoder().raw_decode(f"[{text[start:]}")
    series += map(_series, rest)
    # Of the text: one character for the bracket that was put before, one for that at the end.
    return series, start + end - 2


def _series(found: Mapping[str, Any]) -> SourceSeries:
    labels = found["metric"]
    if not isinstance(labels, dict):
        raise ValueError(f"labels {labels!r}")
    samples = [found["value"]] if "value" in found else found["values"]
    try:
        return SourceSeries(labels, tuple((float(at), float(value)) for at, value in samples))
    except (ValueError, TypeError):
        raise ValueError(f"samples {str(samples)[:80]}, where pairs were asked for") from None


def failure_of(url: str, status: int, body: bytes) -> ToolError:
    """Return what an answer that is not a success means: a wrong query, or an outage."""
    reason = server_words(body) or "no reason given"
    if status in (400, 413, 422) and not _TOO_LATE.search(reason):
        if _TOO_MUCH.search(reason):
            return TooMuchData(f"{url} refused the query (status {status}): {reason}")
        return QueryRefused(f"{url} refused the query (status {status}): {reason}")
    if status in (422, *_PASSING_STATUS) or status >= 500:
        return Unavailable(f"{url} answered with status {status}: {reason}")
    hint = ""
    if status in (401, 403):
        hint = "; check the token or password file, and the tenant"
    elif status in (404, 405):
        hint = "; is this the address of a Prometheus, with its path prefix?"
    elif 300 <= status < 400:
        hint = "; give the address that it redirects to"
    return BadAnswer(f"{url} answered with status {status}: {reason}{hint}")


def server_words(body: bytes) -> str:
    """Return the server's own words, from Prometheus's error envelope where there is one."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return " ".join(body.decode(errors="replace").split())[:300]
    if isinstance(found, dict) and found.get("error"):
        return str(found["error"])[:500]
    return str(found)[:300]
