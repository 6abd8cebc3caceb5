"""Redraw a terminal without flicker, and hear the key that ends it."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

__all__ = ["Screen"]

_OTHER_SCREEN, _BACK = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l"
_HOME, _END_OF_LINE, _REST = "\033[H", "\033[K", "\033[J"
_ENDS = ("q", "Q", "\x1b", "\x03", "\x04")


class Screen:
    """Use the terminal's other screen, so that the shell's lines are there again afterwards."""

    def __init__(self) -> None:
        self._out = sys.stdout
        self._keys = sys.stdin.isatty()
        self._is_terminal = self._out.isatty()
        self._before: Any = None

    def __enter__(self) -> Self:
        if self._keys:
            import termios
            import tty

            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        if self._is_terminal:
            self._out.write(_OTHER_SCREEN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if self._is_terminal:
            self._out.write(_BACK)
            self._out.flush()
        if self._before is not None:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)
        return kind is KeyboardInterrupt

    def draw(self, lines: Sequence[str], foot: str, columns: int, rows: int) -> None:
        """Show *lines* as far as there is room, and *foot* below them."""
        shown = list(lines)
        if self._is_terminal and len(shown) > rows - 1:
            # The summary stands last, and stays.
            shown = [*shown[: rows - 3], f"… {len(shown) - rows + 1} more", shown[-1]]
        text = "".join(f"{line}{_END_OF_LINE}\n" for line in shown)
        if self._is_terminal:
            self._out.write(f"{_HOME}{text}{foot[:columns]}{_END_OF_LINE}{_REST}")
        else:
            self._out.write("\n".join([*lines, foot, "", ""]))
        self._out.flush()

    def wait(self, seconds: float) -> bool:
        """Wait, and tell whether somebody wants to leave."""
        ends = time.monotonic() + seconds
        if not self._keys:
            time.sleep(seconds)
            return False
        while (left := ends - time.monotonic()) > 0:
            ready, _, _ = select.select([sys.stdin], [], [], left)
            if ready and sys.stdin.read(1) in _ENDS:
                return True
        return False
