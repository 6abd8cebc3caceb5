"""Cut sequences into pieces that a database takes in one statement or transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

__all__ = ["batched"]

T = TypeVar("T")


def batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Return *items* in order, *size* at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
