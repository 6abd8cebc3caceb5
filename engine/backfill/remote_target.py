"""Fill a server that takes remote writes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from slo.alerts.recorded_history import RecordedSeries
from slo.engine.backfill.confirm import Sent
from slo.engine.backfill.cut import between
from slo.engine.backfill.remote_write import RemoteWriter, TimeSeries
from slo.engine.backfill.state import Part, State

__all__ = ["RemoteTarget"]

_DAY_MS = 86_400_000
# Samples go in the order of their times, all series of an hour together, so that a server that
# takes no older samples than it has is content as well.
_STRETCH_MS = 3_600_000
_MOST_SAMPLES = 10_000
_SETTLED_SECONDS = 15.0


class RemoteTarget:
    """
    Send samples to a server.

    Args:
        state: Remembers what has been sent.

    Attributes:
        sent: The first and the last sample of all.
    """

    def __init__(self, writer: RemoteWriter, state: State) -> None:
        self._writer, self._state = writer, state
        self.slice = _DAY_MS
        self.sent: list[Sent] = []

    def recover(self) -> None:
        """Wait until the server must show what a killed run has sent: then it is found there."""
        if self._state.resumed:
            time.sleep(max(0.0, _SETTLED_SECONDS - self._state.age()))

    def write(self, slos: list[str], start: int, end: int, series: list[RecordedSeries]) -> None:
        """
        Send *series*, the samples of *slos* from *start* until before *end*.

        Raises:
            ToolError: The server refused them or gave no answer.
        """
        self._state.save()
        waiting: list[TimeSeries] = []
        size = 0
        for first in range(start, end, _STRETCH_MS):
            for one in between(series, first, min(first + _STRETCH_MS, end)):
                samples = list(zip(one.times, one.values, strict=True))
                waiting.append((one.name, one.labels, samples))
                size += len(samples)
            if size >= _MOST_SAMPLES:
                self._send(waiting)
                waiting, size = [], 0
        self._send(waiting)
        self._remember(series)
        self._state.parts.append(Part(slos, start, end))
        self._state.save()

    def _remember(self, series: list[RecordedSeries]) -> None:
        """Keep the first sample of all and the last one, to look for them."""
        for one in series:
            if one.times and not self.sent:
                self.sent.append((one.name, dict(one.labels), one.times[0]))
            if one.times:
                self.sent[1:] = [(one.name, dict(one.labels), one.times[-1])]

    def close(self) -> None:
        """Close the connections."""
        self._writer.close()

    def _send(self, waiting: list[TimeSeries]) -> None:
        for part in _portions(waiting):
            self._writer.send(part)


def _portions(waiting: list[TimeSeries]) -> Iterator[list[TimeSeries]]:
    """Yield *waiting* in requests of about the same size, however many series there are."""
    portion: list[TimeSeries] = []
    size = 0
    for one in waiting:
        portion.append(one)
        size += len(one[2])
        if size >= _MOST_SAMPLES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
