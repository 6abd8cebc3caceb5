"""Cut recorded series: by time, and where the server has samples already."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from slo.alerts.grid_operators import Labels, labels_of
from slo.alerts.recorded_history import RecordedSeries

__all__ = ["Existing", "between", "without"]

Existing = Mapping[tuple[str, Labels], AbstractSet[int]]
"""Times in Unix milliseconds at which a series has a sample, by name and labels."""


def between(series: Iterable[RecordedSeries], start: int, end: int) -> list[RecordedSeries]:
    """Return the samples from *start* until before *end*; series without any are left out."""
    found = []
    for one in series:
        low, high = bisect_left(one.times, start), bisect_left(one.times, end)
        if low < high:
            found.append(one._replace(times=one.times[low:high], values=one.values[low:high]))
    return found


def without(series: Iterable[RecordedSeries], existing: Existing) -> list[RecordedSeries]:
    """Return the samples that are not *existing*."""
    found = []
    for one in series:
        taken = existing.get((one.name, labels_of(one.labels.items())))
        if not taken:
            found.append(one)
            continue
        kept = [pair for pair in zip(one.times, one.values, strict=True) if pair[0] not in taken]
        times = array("q", (at for at, _ in kept))
        values = array("d", (value for _, value in kept))
        found.append(one._replace(times=times, values=values))
    return found
