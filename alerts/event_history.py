"""Hold what one SLO measured over a stretch of time: its two event rates on an even grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slo.duration import Duration

__all__ = ["EventHistory"]


@dataclass(frozen=True, slots=True)
class EventHistory:
    """
    Hold the recorded rates of one group of an SLO, in events per second over the base window.

    These are the series that profile `exact` derives everything else from (`event_rates`):
    bad events are zero wherever there is a total and no error series, a bare ratio counts as
    one event per second.

    Args:
        labels: Values of the labels that the SLO is grouped by; empty for one that is not.
        start: Time of the first step, in Unix seconds.
        step: Time between two steps.
        error: Rate of bad events at each step; `None` where nothing is recorded.
        total: Rate of all events at each step; `None` where nothing is recorded.

    Raises:
        ValueError: The two rates differ in length.
    """

    labels: Mapping[str, str]
    start: int
    step: Duration
    error: Sequence[float | None]
    total: Sequence[float | None]

    def __post_init__(self) -> None:
        if len(self.error) != len(self.total):
            raise ValueError(f"{len(self.error)} bad rates and {len(self.total)} of all events")

    def __len__(self) -> int:
        return len(self.total)

    @property
    def end(self) -> float:
        """Return the time after the last step, in Unix seconds."""
        return self.start + len(self) * self.step.seconds

    @property
    def coverage(self) -> float:
        """Return the share of steps at which something is recorded."""
        known = sum(1 for value in self.total if value is not None)
        return known / len(self) if len(self) else 0.0

    def time(self, index: int) -> float:
        """Return the Unix time of step *index*, in seconds."""
        return self.start + index * self.step.seconds
