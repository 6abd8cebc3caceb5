"""Keep what a part prints, in files that do not grow for ever."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["PartLog"]

_LARGEST_BYTES = 10_000_000
_KEPT = 3
_TAIL_BYTES = 16_384


class PartLog:
    """
    Hand a part a file to print to, and shorten that file now and then.

    The part writes to the file itself: were we to read a pipe instead, its last words would be
    lost when we are killed, and it would be killed by writing them.

    Args:
        largest: Bytes from which the file is moved aside.
        kept: How many older files stay.
    """

    def __init__(self, path: Path, *, largest: int = _LARGEST_BYTES, kept: int = _KEPT) -> None:
        self.path = path
        self._largest = largest
        self._kept = kept

    def open(self) -> BinaryIO:
        """Return the file, to be appended to."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self.path.open("ab", buffering=0)

    def rotate(self) -> None:
        """
        Copy a file that is too long aside and empty it.

        The part goes on writing to the same file, so it has to be emptied in place; what it
        writes between copy and emptying is lost. A full disk leaves everything as it is.
        """
        with suppress(OSError):
            if self.path.stat().st_size < self._largest:
                return
            for number in range(self._kept - 1, 0, -1):
                older = self._numbered(number)
                if older.exists():
                    older.replace(self._numbered(number + 1))
            shutil.copyfile(self.path, self._numbered(1))
            os.truncate(self.path, 0)

    def tail(self, lines: int) -> list[str]:
        """Return the last *lines* of the file, or fewer."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return []
        return text.splitlines()[-lines:]

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
