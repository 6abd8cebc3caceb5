"""Print the journey: numbered steps, one line per observation, each with the time elapsed."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Mapping
from typing import TextIO

__all__ = ["Terminal"]

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_TEXT_WIDTH = 76


class Terminal:
    """
    Write to *out*, in colour where that is a terminal and `NO_COLOR` is not set.

    The clock starts with the object.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._colour = out.isatty() and not os.environ.get("NO_COLOR")
        self._started = time.monotonic()
        self._step = 0

    @property
    def elapsed_seconds(self) -> float:
        """Return the time since the start."""
        return time.monotonic() - self._started

    def paint(self, text: str, style: str) -> str:
        """Return *text* in `bold`, `dim`, `red`, `green` or `yellow`, where colour is on."""
        return f"\033[{_STYLES[style]}m{text}\033[0m" if self._colour else text

    def line(self, text: str = "") -> None:
        """Print one line at once."""
        self._out.write(f"{text}\n")
        self._out.flush()

    def step(self, title: str) -> None:
        """Print the heading of the next step."""
        self._step += 1
        self.line()
        self.line(self.paint(f"{self._step}. {title}", "bold"))

    def note(self, text: str) -> None:
        """Print an observation with the time elapsed."""
        minutes, seconds = divmod(int(self.elapsed_seconds), 60)
        self.line(f"  {self.paint(f'{minutes}:{seconds:02d}', 'dim')}  {text}")

    def seen(self, text: str) -> None:
        """Print an observation that completes a step."""
        self.note(f"{self.paint('ok', 'green')}  {text}")

    def texts(self, texts: Mapping[str, str]) -> None:
        """Print labelled texts in full, wrapped and aligned."""
        width = max(map(len, texts), default=0)
        for name, text in texts.items():
            lines = [
                piece
                for paragraph in text.strip().splitlines()
                for piece in textwrap.wrap(
                    paragraph, _TEXT_WIDTH, break_long_words=False, break_on_hyphens=False
                )
                or [""]
            ]
            for position, piece in enumerate(lines or [""]):
                label = name.ljust(width) if position == 0 else " " * width
                self.line(f"            {self.paint(label, 'dim')}  {piece}".rstrip())
