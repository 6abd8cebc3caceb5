"""Hold clients to a rate, and requests to a size."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["LARGEST_BODY", "LONGEST_URL", "RateLimiter"]

LARGEST_BODY = 64 * 1024
LONGEST_URL = 8 * 1024
_MOST_CLIENTS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """
    Give each client a bucket that fills at *rate* tokens a second; a request takes one.

    The clients that were not seen for longest are forgotten first, so that memory is bounded;
    one that is forgotten starts with a full bucket.

    Args:
        rate: Requests a second that a client may keep up; 0 for no limit.
        burst: Requests that it may make at once; twice the rate if left out.
        clock: Returns seconds of a clock that never goes back.
    """

    def __init__(
        self, rate: float, *, burst: float | None = None, clock: Callable[[], float]
    ) -> None:
        self._rate = rate
        self._burst = max(1.0, 2 * rate if burst is None else burst)
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, client: str) -> float:
        """Return 0 when *client* may go on, else the seconds after which it may come again."""
        if self._rate <= 0:
            return 0.0
        now = self._clock()
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = _Bucket(self._burst, now)
            if len(self._buckets) > _MOST_CLIENTS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
            gained = max(0.0, now - bucket.filled_at) * self._rate
            bucket.tokens = min(self._burst, bucket.tokens + gained)
            bucket.filled_at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return max(1.0, math.ceil((1 - bucket.tokens) / self._rate))
