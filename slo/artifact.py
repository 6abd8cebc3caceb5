"""Hold one file that the compiler wants written."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Artifact"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """
    Pair a path with the text to write there.

    Args:
        path: Relative to the output directory, with forward slashes.
        kind: What it is, for `--only`: `rules`, `tests`, `alertmanager`, ...
        text: Complete content, ending in a line feed.
    """

    path: str
    kind: str
    text: str
