"""Put measured figures into the documentation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

__all__ = ["write_block"]


def write_block(page: Path, name: str, lines: Sequence[str]) -> None:
    """
    Replace what stands between the marks of *name* in *page*.

    Raises:
        ValueError: The page has no such marks.
    """
    begin, end = f"<!-- measured: {name} -->", "<!-- end -->"
    text = page.read_text(encoding="utf-8")
    block = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    body = "\n".join((begin, *lines, end))
    renewed, found = block.subn(lambda _: body, text, count=1)
    if not found:
        raise ValueError(f"{page} has no line {begin!r} with a line {end!r} after it")
    page.write_text(renewed, encoding="utf-8")
