"""Add up any stretch of a recorded series in two steps, whatever its length."""

from __future__ import annotations

import math
from itertools import accumulate

__all__ = ["RunningSums"]


class RunningSums:
    """
    Hold running sums of a column, `None` left out.

    What is added is kept in two parts, the sum and what rounding took from it (Knuth's
    two-sum): the difference of two large sums would lose the small ones between them.
    """

    def __init__(self, values: list[float | None]) -> None:
        self._values = values
        self._count = list(accumulate((v is not None for v in values), initial=0))
        self._sum, self._rest = [0.0], [0.0]
        total = rest = 0.0
        odd = 0
        # Infinity and NaN would stay in every later sum.
        self._odd = [0]
        for value in values:
            if value is not None:
                if math.isfinite(value):
                    next_ = total + value
                    back = next_ - total
                    rest += (total - (next_ - back)) + (value - back)
                    total = next_
                else:
                    odd += 1
            self._sum.append(total)
            self._rest.append(rest)
            self._odd.append(odd)

    def present(self, low: int, high: int) -> float | None:
        """Return how many of the values at [low, high) there are; `None` for none."""
        return float(self._count[high] - self._count[low]) or None

    def total(self, low: int, high: int) -> float | None:
        """Return the sum of the values at [low, high), `None` if there are none."""
        if self._count[high] == self._count[low]:
            return None
        if self._odd[high] != self._odd[low]:
            return sum(v for v in self._values[low:high] if v is not None)
        return (self._sum[high] - self._sum[low]) + (self._rest[high] - self._rest[low])

    def mean(self, low: int, high: int) -> float | None:
        """Return the mean of the values at [low, high), `None` if there are none."""
        total = self.total(low, high)
        return None if total is None else total / (self._count[high] - self._count[low])

    def last(self, low: int, high: int) -> float | None:
        """Return the last value at [low, high), `None` if there are none."""
        found = (self._values[i] for i in range(high - 1, low - 1, -1))
        return next((value for value in found if value is not None), None)
